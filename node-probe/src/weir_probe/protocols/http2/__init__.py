"""HTTP/2 (RFC 9113) and gRPC over it (grpc/doc/PROTOCOL-HTTP2.md)."""

from weir_probe.protocols.http2.detect import detect
from weir_probe.protocols.http2.frames import HEADER, MAX_FRAME
from weir_probe.protocols.http2.parse import Http2
from weir_probe.protocols.parser import Spec

SPEC = Spec(
    "http2",
    ("HTTP/2", "gRPC"),
    detect,
    Http2,
    tcp_ports=(50051,),
    pairs_by_id=True,
    parse_limit=HEADER + MAX_FRAME,
    every_segment=True,
)
