"""The protocols that there are, one line each, in the order in which they are asked: the strictest first."""

from typing import Final

from weir_probe.protocols import dns, redis
from weir_probe.protocols.parser import Spec

PROTOCOLS: Final[tuple[Spec, ...]] = (redis.SPEC, dns.SPEC)
BY_NAME: Final = {spec.name: index for index, spec in enumerate(PROTOCOLS)}
