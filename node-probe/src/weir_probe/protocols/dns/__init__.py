"""The Domain Name System over UDP and TCP (RFC 1035), with EDNS (RFC 6891) and zone transfers (RFC 5936, RFC 1995).

What has the same form is another protocol's: NetBIOS names (RFC 1002), mDNS (RFC 6762), LLMNR (RFC 4795).
"""

from weir_probe.protocols.dns.detect import detect
from weir_probe.protocols.dns.parse import LARGEST, Dns
from weir_probe.protocols.parser import Spec

SPEC = Spec(
    "dns",
    ("DNS",),
    detect,
    Dns,
    tcp_ports=(53,),
    udp_ports=(53,),
    on_udp=True,
    udp_ports_of_others=(137, 5353, 5355),
    pairs_by_id=True,
    parse_limit=LARGEST,
    every_segment=True,
)
