"""HTTP/1.0 and 1.1 (RFC 9110, RFC 9112)."""

from weir_probe.protocols.http1.detect import detect
from weir_probe.protocols.http1.parse import Http1
from weir_probe.protocols.parser import Spec

SPEC = Spec("http1", ("HTTP",), detect, Http1, tcp_ports=(80, 8080, 8000, 3128))
