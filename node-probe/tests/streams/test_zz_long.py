"""Random packets, whole, in fragments, tagged, cut, in any order: the engine and the reference agree on every field."""

import io
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captures import pcap
from conversation import Frame
from frames import (
    ICMP,
    ICMPV6,
    SCTP,
    TCP,
    UDP,
    authentication,
    echo,
    ethernet,
    extension,
    fragments,
    ip,
    ipv6,
    tcp,
    udp,
)
from frames import sctp as sctp_header
from reference import Reference
from weir_probe.replay import Flow, replay
from weir_probe.wire.protocols import KEYWORDS

NUMBERS = {name: number for number, name in KEYWORDS.items()}
FOUR, SIX = ("10.0.0.1", "10.0.0.2", "192.168.255.254"), ("fd00::1", "fd00::2", "::1", "ff02::fb:1")
FLAGS = (0x02, 0x12, 0x10, 0x18, 0x01, 0x11, 0x04, 0x14, 0x00, 0xFF)

ports = st.sampled_from((80, 5000))
data = st.sampled_from((b"", b"x", bytes(100)))


def payloads(protocol: int) -> st.SearchStrategy[bytes]:
    if protocol == TCP:
        return st.builds(tcp, ports, ports, st.sampled_from(FLAGS), data)
    if protocol == UDP:
        return st.builds(udp, ports, ports, data)
    if protocol == SCTP:
        return st.builds(sctp_header, ports, ports, data)
    if protocol in (ICMP, ICMPV6):
        return st.builds(echo, st.sampled_from((0, 8, 128, 129, 3)), data)
    return data


@st.composite
def chains(draw: st.DrawFn, protocol: int, payload: bytes) -> tuple[int, bytes]:
    """The payload behind up to ten extension headers, and the number of the first."""
    for kind in draw(st.lists(st.sampled_from((0, 43, 51, 60)), max_size=10)):
        payload = (
            authentication(protocol) if kind == 51 else extension(protocol, draw(st.sampled_from((8, 16))))
        ) + payload
        protocol = kind
    return protocol, payload


@st.composite
def datagrams(draw: st.DrawFn) -> list[bytes]:
    """The frames of one packet: one, or some in fragments."""
    protocol = draw(st.sampled_from((TCP, TCP, UDP, SCTP, ICMP, ICMPV6, 47, 50, 59, 253)))
    addresses = draw(st.sampled_from((FOUR, FOUR, SIX)))
    source, destination = draw(st.sampled_from(addresses)), draw(st.sampled_from(addresses))
    payload = draw(payloads(protocol))
    if addresses is SIX and draw(st.booleans()):
        protocol, payload = draw(chains(protocol, payload))
    packet = (
        ip(source, destination, protocol, payload)
        if addresses is FOUR
        else ipv6(source, destination, protocol, payload)
    )
    parts = [packet]
    if payload and draw(st.integers(0, 2)) == 0:
        parts = fragments(packet, draw(st.sampled_from((8, 24, 64))), draw(st.integers(0, 3)))
    tags = tuple(draw(st.lists(st.sampled_from((0x8100, 0x88A8)), max_size=5)) if draw(st.integers(0, 3)) == 0 else ())
    return [ethernet(part, tags=tags) for part in parts]


@st.composite
def traffic(draw: st.DrawFn) -> list[Frame]:
    packets = [part for parts in draw(st.lists(datagrams(), max_size=25)) for part in parts]
    if draw(st.booleans()):
        packets = draw(st.permutations(packets))
    frames = []
    for packet in packets:
        ts_ns = 1_700_000_000_000_000_000 + draw(st.integers(0, 20_000_000_000))
        captured = len(packet)
        if draw(st.integers(0, 9)) == 0:
            captured = draw(st.integers(0, len(packet)))
        length = len(packet) if draw(st.booleans()) else captured
        frames.append(Frame(packet[:captured], ts_ns, length))
    return frames


def nanoseconds(instant: str) -> int:
    whole, rest = instant.removesuffix("Z").split(".")
    since = datetime.fromisoformat(whole).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(seconds=1) * 1_000_000_000 + int(rest)


def row(flow: Flow) -> tuple[object, ...]:
    return (
        flow.src, flow.src_port, flow.dst, flow.dst_port, NUMBERS.get(str(flow.protocol), flow.protocol),
        nanoseconds(flow.start), nanoseconds(flow.end), flow.packets_tx, flow.packets_rx, flow.bytes_tx, flow.bytes_rx,
    )  # fmt: skip


@settings(max_examples=6000, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(traffic())
def test_the_engine_agrees_with_the_reference(frames: list[Frame]) -> None:
    expected = Reference(frames)
    result = replay(io.BytesIO(pcap(frames)))
    summary = result.summary()
    assert {"non_ip": summary.non_ip.packets, "malformed": summary.lost["malformed"].packets} == expected.counts
    assert [row(flow) for flow in result.flows()] == expected.rows()
