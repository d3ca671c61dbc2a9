"""Packets that the kernel dropped: by its reason, of the right flow."""

import socket

import pytest

from capture.wires import Wire
from kernel_signals.conftest import Watch
from kernel_signals.stage import nft

pytestmark = pytest.mark.root
DROPS = "weir_dropped_packets_total"


def send(wire: Wire, port: int, count: int, *, source: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((wire.host4, source))
        for _ in range(count):
            sender.sendto(b"datagram", (wire.pod4, port))


def test_a_firewall(watch: Watch, up: Wire) -> None:
    nft(
        up,
        "add table ip t; add chain ip t c { type filter hook input priority 0; }; add rule ip t c udp dport 7002 drop",
    )
    with up.in_pod(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as receiver:
        receiver.bind((up.pod4, 7003))
        watched = watch(up)
        send(up, 7002, 7, source=5001)
        send(up, 7003, 5, source=5002)
        assert watched.drops(dst_port=7002) == {"NETFILTER_DROP": 7}
        assert watched.drops(dst_port=7003) == {}
    assert watched.metric(DROPS, protocol="udp") == {("receive", "NETFILTER_DROP"): 7}
    assert watched.report.drops == 7


def test_a_full_socket(watch: Watch, up: Wire) -> None:
    with up.in_pod(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the kernel's least
        receiver.bind((up.pod4, 7003))
        watched = watch(up)
        send(up, 7003, 50, source=5002)
        drops = watched.drops(dst_port=7003)
        receiver.setblocking(False)
        received = 0
        try:
            while receiver.recv(100):
                received += 1
        except BlockingIOError:
            pass
    assert 0 < received < 50
    assert drops == {"SOCKET_RCVBUFF": 50 - received}
    assert watched.metric(DROPS, protocol="udp") == {("receive", "SOCKET_RCVBUFF"): 50 - received}


def test_ports_that_nobody_listens_on(watch: Watch, up: Wire) -> None:
    """The pod's own packets too: dropped on the node, behind the hook."""
    watched = watch(up)
    send(up, 7004, 3, source=5003)
    assert watched.drops(dst_port=7004) == {"NO_SOCKET": 3}
    with up.in_pod(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sender:
        sender.bind((up.pod4, 5004))
        for _ in range(4):
            sender.sendto(b"datagram", (up.host4, 7005))
    assert watched.drops(dst_port=7005) == {"NO_SOCKET": 4}
    assert watched.metric(DROPS, protocol="udp") == {("receive", "NO_SOCKET"): 3, ("transmit", "NO_SOCKET"): 4}


def test_a_connection_that_goes_well_has_none(watch: Watch, up: Wire) -> None:
    watched = watch(up)
    with (
        up.in_pod(lambda: socket.create_server((up.pod4, 7006))) as listener,
        socket.create_connection((up.pod4, 7006)) as client,
        listener.accept()[0] as accepted,
    ):
        client.sendall(b"hello")
        assert accepted.recv(10) == b"hello"
    assert watched.drops(dst_port=7006) == {}
    assert watched.metric(DROPS, protocol="tcp") == {}
