"""Connection tracking, asked about connections that were really translated, in a pod's network namespace."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from capture.wires import Wire
from weir_probe.capture.conntrack import Conntrack, Ends
from weir_probe.capture.tc import in_netns
from weir_probe.export.peers import pack

pytestmark = pytest.mark.usefixtures("needs_root")

_RULES = """
table inet test {{
  chain output {{
    type nat hook output priority -100
    ip daddr 198.51.100.1 meta l4proto {{ tcp, udp }} th dport 80 dnat ip to {pod4}:8080
    ip6 daddr 2001:db8::1 tcp dport 80 dnat ip6 to [{pod6}]:8080
  }}
}}
"""


@pytest.fixture
def translating(wire: Wire) -> Iterator[Wire]:
    """A pod to whom two Services lead, and it is their only client."""
    wire.up()
    for family, net in (("-4", "198.51.100.0/24"), ("-6", "2001:db8::/64")):
        subprocess.run(["ip", "-n", wire.name, family, "route", "add", net, "dev", "eth0"], check=True)
    rules = _RULES.format(pod4=wire.pod4, pod6=wire.pod6)
    made = subprocess.run(["ip", "netns", "exec", wire.name, "nft", rules], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"this kernel has no nftables NAT: {made.stderr}")
    yield wire


def end(address: str, port: int) -> tuple[bytes, int]:
    return pack(ip_address(address)), port


@pytest.mark.parametrize(
    ("kind", "version", "virtual"),
    [
        (socket.SOCK_STREAM, 4, "198.51.100.1"),
        (socket.SOCK_DGRAM, 4, "198.51.100.1"),
        (socket.SOCK_STREAM, 6, "2001:db8::1"),
    ],
)
def test_where_a_connection_to_a_virtual_address_goes(
    translating: Wire, kind: socket.SocketKind, version: int, virtual: str
) -> None:
    real = translating.pod4 if version == 4 else translating.pod6
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    proto = 6 if kind is socket.SOCK_STREAM else 17

    def connect_and_ask() -> tuple[dict[Ends, Ends], Ends, tuple[str, int]]:
        server, client = socket.socket(family, kind), socket.socket(family, kind)
        with server, client:
            server.bind((real, 8080))
            if proto == 6:
                server.listen()
            client.connect((virtual, 80))
            client.send(b"x")
            tracker = Conntrack()
            me = client.getsockname()[:2]
            (src, src_port), (dst, dst_port) = end(*me), end(virtual, 80)
            asked = Ends(src, dst, src_port, dst_port, proto)
            unknown = Ends(src, dst, 1, dst_port, proto)
            try:
                # more than fit in one batch, some of them not tracked
                return tracker.real_ends([unknown, asked, *[unknown] * 200]), asked, me
            finally:
                tracker.close()

    found, asked, me = in_netns(translating.netns, connect_and_ask)
    (src, src_port), (dst, dst_port) = end(*me), end(real, 8080)
    assert found == {asked: Ends(src, dst, src_port, dst_port, proto)}


def test_without_the_right_it_says_so() -> None:
    program = (
        "from weir_probe.capture.conntrack import Conntrack\ntry: Conntrack()\nexcept OSError as e: print(e.errno)"
    )
    argv = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", sys.executable, "-c", program]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "1\n"  # EPERM
