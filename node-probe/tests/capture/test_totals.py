"""Packets and bytes equal the interface's own counters exactly, on every rung, whatever the traffic."""

import socket
import time
from collections.abc import Callable, Iterator
from threading import Thread

import pytest

import frames
from capture.wires import Flow, Wire, every_rung, flows, take_all, totals, totals_and_counters
from weir_probe.capture.model import Capture
from weir_probe.streams.layout import LOST

BULK_BYTES = 20_000_000


@pytest.fixture
def watched(capture: Capture, wire: Wire) -> Iterator[Wire]:
    """A wire that is captured from its first packet on; in the end the totals are compared."""
    capture.attach(wire.host)
    take_all(capture, wire.host)
    wire.up()
    yield wire
    seen, counters = totals_and_counters(capture, wire)
    assert seen.seen() == counters
    assert capture.losses().get("ring_full", 0) == 0
    assert all(seen.outcomes[reason] == (0, 0) for reason in LOST)
    assert seen.stored[0] > 0


def one(capture: Capture, protocol: int, port: int = 0) -> Flow:
    found = [flow for flow in flows(capture) if flow.protocol == protocol and (not port or port in flow.ports)]
    assert len(found) == 1, found
    return found[0]


@every_rung
@pytest.mark.root
@pytest.mark.parametrize("family", ["4", "6"])
def test_tcp_bulk_transfer_with_gso(capture: Capture, watched: Wire, family: str) -> None:
    address = watched.pod4 if family == "4" else watched.pod6
    kind = socket.AF_INET if family == "4" else socket.AF_INET6
    listener = watched.in_pod(lambda: socket.create_server((address, 5000), family=kind))

    def drain() -> None:
        peer, _ = listener.accept()
        with peer:
            while peer.recv(1 << 20):
                pass

    reader = Thread(target=drain)
    reader.start()
    with listener, socket.create_connection((address, 5000)) as client:
        client.sendall(bytes(BULK_BYTES))
        client.shutdown(socket.SHUT_WR)
        reader.join()
    flow = one(capture, frames.TCP)
    assert flow.ports[0] == 5000
    assert flow.received[1] > BULK_BYTES
    assert flow.received[1] / flow.received[0] > 3000, "segments of more than the MTU: GSO was in use"
    assert not flow.opened_by_workload


@every_rung
@pytest.mark.root
@pytest.mark.parametrize("family", ["4", "6"])
def test_udp_both_ways(capture: Capture, watched: Wire, family: str) -> None:
    ours, theirs = (watched.host4, watched.pod4) if family == "4" else (watched.host6, watched.pod6)
    kind = socket.AF_INET if family == "4" else socket.AF_INET6
    with watched.in_pod(lambda: socket.socket(kind, socket.SOCK_DGRAM)) as pod, socket.socket(kind, 2) as host:
        pod.bind((theirs, 53))
        host.bind((ours, 0))
        for _ in range(100):
            host.sendto(b"question", (theirs, 53))
            pod.sendto(b"a longer answer", pod.recvfrom(100)[1])
    header = 14 + (20 if family == "4" else 40) + 8
    flow = one(capture, frames.UDP, 53)
    assert flow.received == (100, 100 * (header + 8))
    assert flow.sent == (100, 100 * (header + 15))
    assert not flow.opened_by_workload


@pytest.mark.root
def test_icmp_echo(capture: Capture, watched: Wire) -> None:
    request = b"\x08\x00\xf7\xfd\x00\x01\x00\x01"  # type, code, checksum, id, sequence
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        raw.settimeout(5)
        for _ in range(5):
            raw.sendto(request, (watched.pod4, 0))
            while raw.recv(100)[20] != 0:  # its answer, not what others ping on this machine
                pass
    flow = one(capture, frames.ICMP)
    assert (flow.received, flow.sent) == ((5, 5 * 42), (5, 5 * 42))
    assert not flow.opened_by_workload


@pytest.mark.root
def test_sctp_has_ports(capture: Capture, watched: Wire) -> None:
    packet = frames.ip(watched.host4, watched.pod4, frames.SCTP, frames.sctp(3868, 2905, b"data"))
    watched.inject([frames.ethernet(packet)] * 7, from_pod=False)
    assert one(capture, frames.SCTP, 3868).received == (7, 7 * (14 + 20 + 16))


@pytest.mark.root
@pytest.mark.parametrize("tags", [(0x8100,), (0x88A8, 0x8100), (0x8100,) * 4])
def test_tags_are_no_part_of_the_flow(capture: Capture, watched: Wire, tags: tuple[int, ...]) -> None:
    packet = frames.ip(watched.host6, watched.pod6, frames.UDP, frames.udp(1000, 2000, b"x"))
    watched.inject([frames.ethernet(packet), frames.ethernet(packet, tags=tags)], from_pod=False)
    assert one(capture, frames.UDP, 2000).received == (2, 2 * (14 + 40 + 9) + 4 * len(tags))


@every_rung
@pytest.mark.root
@pytest.mark.parametrize("reverse", [False, True], ids=["in order", "reversed"])
@pytest.mark.parametrize("family", ["4", "6"])
def test_fragments_belong_to_their_datagram(capture: Capture, watched: Wire, family: str, reverse: bool) -> None:
    ours, theirs = (watched.host4, watched.pod4) if family == "4" else (watched.host6, watched.pod6)
    packet = frames.ip(ours, theirs, frames.UDP, frames.udp(1000, 2000, bytes(4000)))
    parts = [frames.ethernet(part) for part in frames.fragments(packet, 1200, ident=77)]
    watched.inject(parts[::-1] if reverse else parts, from_pod=False)
    assert one(capture, frames.UDP).received == (len(parts), sum(map(len, parts)))
    assert one(capture, frames.UDP).ports == (2000, 1000)


@every_rung
@pytest.mark.root
@pytest.mark.parametrize("family", ["4", "6"])
def test_fragments_without_their_first_are_counted_without_ports(capture: Capture, watched: Wire, family: str) -> None:
    ours, theirs = (watched.host4, watched.pod4) if family == "4" else (watched.host6, watched.pod6)
    packet = frames.ip(ours, theirs, frames.UDP, frames.udp(1000, 2000, bytes(4000)))
    parts = [frames.ethernet(part) for part in frames.fragments(packet, 1200, ident=78)[1:]]
    watched.inject(parts, from_pod=False)
    assert not [flow for flow in flows(capture) if flow.protocol == frames.UDP]
    assert capture.flush_fragments(0) == 1
    assert capture.flush_fragments(0) == 0
    flow = one(capture, frames.UDP)
    assert (flow.ports, flow.received) == ((0, 0), (len(parts), sum(map(len, parts))))


@pytest.mark.root
def test_a_kernel_made_of_fragments(capture: Capture, watched: Wire) -> None:
    """Datagrams larger than the MTU, fragmented by the kernel on both sides."""
    with watched.in_pod(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as pod, socket.socket(2, 2) as host:
        pod.bind((watched.pod4, 7))
        host.bind((watched.host4, 0))
        for _ in range(20):
            host.sendto(bytes(9000), (watched.pod4, 7))
            pod.sendto(bytes(5000), pod.recvfrom(10_000)[1])
    flow = one(capture, frames.UDP)
    assert flow.received[0] == 20 * 7
    assert flow.sent[0] == 20 * 4


@pytest.mark.root
def test_what_is_no_ip_is_counted_apart(capture: Capture, watched: Wire) -> None:
    before = totals(capture).outcomes["non_ip"]
    lldp = frames.ethernet(bytes(50), ethertype=0x88CC)
    watched.inject([lldp, lldp], from_pod=False)
    after = totals(capture).outcomes["non_ip"]
    assert after[0] >= before[0] + 2
    watched.inject([frames.ethernet(frames.ip(watched.host4, watched.pod4, frames.UDP, b""))], from_pod=False)


@pytest.mark.root
def test_bad_headers_are_malformed(open_rung: Callable[..., Capture], wire: Wire) -> None:
    for rung in ("core", "afpacket"):
        capture = open_rung(rung)
        capture.attach(wire.host)
        take_all(capture, wire.host)
        wire.up()
        good = frames.ethernet(frames.ip(wire.host4, wire.pod4, frames.UDP, frames.udp(1, 2)))
        bad = [
            good[:14] + b"\x42" + good[15:],  # header of 8 bytes
            good[:16] + b"\x00\x05" + good[18:],  # total length of 5
            good[:30],  # cut short
            frames.ethernet(b"\x60" + bytes(20), ethertype=frames.IPV6),
        ]
        wire.inject([*bad, good], from_pod=False)
        time.sleep(0.05)
        assert totals(capture).outcomes["malformed"] == (4, sum(map(len, bad)))
        capture.detach(wire.host)
