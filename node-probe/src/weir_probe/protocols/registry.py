"""The protocols that there are: a folder's name each, in the order in which they are asked, the strictest first."""

from importlib import import_module
from typing import Final

from weir_probe.protocols.parser import Spec

NAMES: Final = (
    "tls",
    "kafka",
    "http1",
    "http2",
    "postgresql",
    "mysql",
    "redis",
    "dns",
)
PROTOCOLS: Final[tuple[Spec, ...]] = tuple(import_module(f"weir_probe.protocols.{name}").SPEC for name in NAMES)
BY_NAME: Final = {name: index for index, name in enumerate(NAMES)}
