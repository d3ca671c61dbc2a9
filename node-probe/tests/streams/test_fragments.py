"""Fragments belong to their datagram's flow, in whatever order they come."""

import io
import random

import pytest

from captures import pcap
from conversation import SECOND, Frame, ends, packets, play, play_all
from frames import ICMP, TCP, UDP, echo, ethernet, extension, fragments, ip, ipv6, tcp, udp
from weir_probe.capture.pcap import CaptureDecoder, read_capture
from weir_probe.streams.engine import FlowEngine
from weir_probe.streams.table import FlowTable

PAIRS = [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")]


def datagram(pair: tuple[str, str], ident: int, source_port: int = 5000) -> list[bytes]:
    """Five fragments."""
    packet = ip(*pair, UDP, udp(source_port, 53, bytes(4 * 64 + 30)))
    return [ethernet(part) for part in fragments(packet, 64, ident)]


def timed(parts: list[bytes], start_ns: int = SECOND, step_ns: int = 1000) -> list[Frame]:
    return [Frame(part, start_ns + at * step_ns) for at, part in enumerate(parts)]


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("seed", range(5))
def test_any_order(pair: tuple[str, str], seed: int) -> None:
    parts = datagram(pair, 7)
    random.Random(seed).shuffle(parts)
    [flow] = play(timed(parts))
    assert ends(flow) == (pair[0], 5000, pair[1], 53, "UDP")
    assert packets(flow) == (5, 0)
    assert (flow.start, flow.end) == ("1970-01-01T00:00:01.000000000Z", "1970-01-01T00:00:01.000004000Z")


@pytest.mark.parametrize("pair", PAIRS)
def test_datagrams_of_two_flows_mixed(pair: tuple[str, str]) -> None:
    mixed = [part for both in zip(datagram(pair, 1), datagram(pair, 2, 5001), strict=True) for part in reversed(both)]
    flows = play(timed(mixed[::-1]))
    assert sorted((flow.src_port, packets(flow)) for flow in flows) == [(5000, (5, 0)), (5001, (5, 0))]


def test_the_first_packet_orders_the_flows_even_if_it_waited() -> None:
    early, other = datagram(PAIRS[0], 1), datagram(PAIRS[0], 2, 5001)
    flows = play(timed([early[1], *other, early[0]]))
    assert [flow.src_port for flow in flows] == [5000, 5001]


def test_order_is_that_of_the_file_also_where_the_fragment_that_waited_has_a_later_time() -> None:
    alone = datagram(PAIRS[0], 1)[1]
    other = ethernet(ip(*PAIRS[0], TCP, tcp(1, 2, 0x02)))
    whole_without_ports = ethernet(ip(*PAIRS[0], UDP, b""))
    first, second = play([Frame(alone, 9 * SECOND), Frame(other, SECOND), Frame(whole_without_ports, SECOND)])
    assert (first.protocol, packets(first), second.protocol) == ("UDP", (2, 0), "TCP")
    assert (first.start, first.end) == ("1970-01-01T00:00:01.000000000Z", "1970-01-01T00:00:09.000000000Z")


@pytest.mark.parametrize("pair", PAIRS)
def test_without_its_first_a_fragment_has_no_ports(pair: tuple[str, str]) -> None:
    [flow] = play(timed(datagram(pair, 7)[1:]))
    assert ends(flow) == (pair[0], 0, pair[1], 0, "UDP")
    assert packets(flow) == (4, 0)


def test_after_30_s_it_is_another_datagram() -> None:
    parts = datagram(PAIRS[0], 7)
    late = timed(parts[1:2]) + timed(parts[:1], 32 * SECOND) + timed(parts[2:], 63 * SECOND)
    flows = play(late)
    assert [(flow.src_port, packets(flow)) for flow in flows] == [(0, (4, 0)), (5000, (1, 0))]


def test_an_id_used_again_has_new_ports() -> None:
    again = timed(datagram(PAIRS[0], 7) + datagram(PAIRS[0], 7, 5001))
    assert [(flow.src_port, packets(flow)) for flow in play(again)] == [(5000, (5, 0)), (5001, (5, 0))]


def test_tcp_flags_of_a_first_fragment_count() -> None:
    parts = [ethernet(part) for part in fragments(ip(*PAIRS[0], TCP, tcp(80, 5000, 0x12, bytes(50))), 24, 3)]
    [flow] = play(timed(parts[::-1]))
    assert ends(flow) == ("10.0.0.2", 5000, "10.0.0.1", 80, "TCP")


def test_icmp_in_fragments() -> None:
    parts = [ethernet(part) for part in fragments(ip(*PAIRS[0], ICMP, echo(0, bytes(80))), 32, 3)]
    [flow] = play(timed(parts[::-1]))
    assert ends(flow) == ("10.0.0.2", 0, "10.0.0.1", 0, "ICMP")
    assert packets(flow) == (0, 3)


def test_an_atomic_fragment_is_a_whole_datagram() -> None:
    atomic = ipv6("fd00::1", "fd00::2", 44, bytes([UDP, 0, 0, 0, 0, 0, 0, 9]) + udp(5000, 53))
    [flow] = play([Frame(ethernet(atomic))])
    assert flow.src_port == 5000


def test_destination_options_between_fragment_header_and_udp() -> None:
    packet = ipv6("fd00::1", "fd00::2", 60, extension(UDP) + udp(5000, 53, bytes(100)))
    [flow] = play(timed([ethernet(part) for part in fragments(packet, 32, 9)][::-1]))
    assert ends(flow) == ("fd00::1", 5000, "fd00::2", 53, "UDP")
    assert packets(flow) == (4, 0)


def engine_of(frames: list[Frame], fragments_table: int) -> FlowEngine:
    engine = FlowEngine(FlowTable(capacity=1024, max_flows=1000), fragments=fragments_table)
    read_capture(io.BytesIO(pcap(frames)), CaptureDecoder(engine))
    return engine


def test_a_full_table_counts_to_the_flow_without_ports() -> None:
    frames = timed([datagram(PAIRS[0], ident)[1] for ident in range(10)])
    engine = engine_of(frames, 4)
    assert engine.outcomes[6].tolist() == [6, sum(frame.size for frame in frames[4:])]
    [(slots, _)] = engine.table.flows()
    assert (slots["traffic"][0] >> 40).sum() == 10


def test_a_full_table_forgets_datagrams_whose_first_was_seen() -> None:
    frames = timed([part for ident in range(10) for part in datagram(PAIRS[0], ident)])
    engine = engine_of(frames, 4)
    assert engine.outcomes[6].tolist() == [0, 0]
    [(slots, _)] = engine.table.flows()
    assert slots["port"].tolist() == [[5000, 53]]


def test_millions_of_fragments_of_one_datagram_do_not_overflow() -> None:
    part = datagram(PAIRS[0], 7)[1]
    flows, summary = play_all([Frame(part, at, length=(1 << 32) - 1) for at in range(300)])
    assert sum(flow.bytes_tx for flow in flows) == 300 * ((1 << 32) - 1) == summary.counted.bytes
