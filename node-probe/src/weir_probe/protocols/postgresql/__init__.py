"""PostgreSQL frontend/backend protocol 3 (postgresql.org/docs/current/protocol.html)."""

from weir_probe.protocols.parser import Spec
from weir_probe.protocols.postgresql.detect import detect
from weir_probe.protocols.postgresql.parse import PostgreSQL

SPEC = Spec("postgresql", ("PostgreSQL",), detect, PostgreSQL, tcp_ports=(5432, 6432), every_segment=True)
