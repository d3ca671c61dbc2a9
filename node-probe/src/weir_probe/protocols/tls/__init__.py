"""Transport Layer Security, as far as it shows without keys: its handshake (RFC 8446, RFC 5246), which is the one call
of a connection."""

from weir_probe.protocols.parser import Spec
from weir_probe.protocols.tls.detect import detect
from weir_probe.protocols.tls.parse import LARGEST, Tls

SPEC = Spec(
    "tls",
    ("TLS",),
    detect,
    Tls,
    tcp_ports=(443, 6443, 8443),
    pairs_by_id=True,  # there is one: what is lost on the way does not make it another's
    tells_ids=False,
    parse_limit=LARGEST,
    every_segment=True,
)
