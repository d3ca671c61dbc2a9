"""Redis serialization protocol, RESP2 and RESP3 (redis.io/docs/latest/develop/reference/protocol-spec)."""

from weir_probe.protocols.parser import Spec
from weir_probe.protocols.redis.detect import detect
from weir_probe.protocols.redis.parse import Redis

SPEC = Spec("redis", ("Redis",), detect, Redis, tcp_ports=(6379,), every_segment=True)
