"""The flow table: growth, bounds, and sums beyond a traffic word."""

import numpy as np
import pytest

from conversation import C, Conversation, Frame, S, packets, play, play_all
from frames import RST, SYN, UDP, ethernet, ip, udp
from weir_probe.streams.engine import FlowEngine
from weir_probe.streams.fragments import FragmentTable
from weir_probe.streams.layout import SLOT
from weir_probe.streams.table import FlowTable


def many(count: int) -> list[Frame]:
    return [
        Frame(
            ethernet(ip(f"10.{at >> 16 & 255}.{at >> 8 & 255}.{at & 255}", "10.255.0.1", UDP, udp(at & 0xFFFF, 53))), at
        )
        for at in range(count)
    ]


def test_growth_keeps_every_flow_and_its_order() -> None:
    frames = many(20_000)
    flows, summary = play_all(frames + frames, max_flows=20_000)
    assert summary.lost["table_full"].packets == 0
    assert [flow.src_port for flow in flows] == list(range(20_000))
    assert {packets(flow) for flow in flows} == {(2, 0)}


def test_growth_stays_within_twice_what_is_needed() -> None:
    engine = FlowEngine(FlowTable(capacity=8, max_flows=1 << 20))
    for frame in many(3_000):
        engine.observe(frame.data, frame.size, frame.ts_ns)
    assert engine.table.live == 3_000
    assert engine.table.capacity <= 8192


def test_the_bound_is_kept_and_the_rest_counted() -> None:
    frames = many(300)
    flows, summary = play_all(frames + frames, max_flows=200)
    assert len(flows) == 200
    assert summary.lost["table_full"].packets == 200
    assert summary.lost["table_full"].bytes == 200 * frames[0].size


def test_flows_that_ended_count_towards_the_bound() -> None:
    conversation = Conversation("10.0.0.1", 1, "10.0.0.2", 2)
    for _ in range(10):
        conversation = conversation >> C(SYN) >> S(RST)
    flows, summary = play_all(conversation.frames, max_flows=5)
    assert len(flows) == 5
    assert summary.lost["table_full"].packets == 10


def test_a_flow_of_more_than_a_tebibyte() -> None:
    one = many(1)[0]
    [flow] = play([Frame(one.data, at, length=(1 << 32) - 1) for at in range(1000)])
    assert (flow.packets_tx, flow.bytes_tx) == (1000, 1000 * ((1 << 32) - 1))


def test_a_given_array_is_written_in_place() -> None:
    memory = bytearray(64 * SLOT.itemsize)
    slots = np.frombuffer(memory, SLOT).reshape(16, 4)
    engine = FlowEngine(FlowTable(slots))
    for frame in many(10):
        engine.observe(frame.data, frame.size, frame.ts_ns)
    assert (slots["state"] == 2).sum() == 10
    assert engine.table.slots.base is not None


@pytest.mark.parametrize("size", [0, 4, 12, 100])
def test_sizes_that_cannot_be(size: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        FlowTable(np.zeros(size, SLOT))
    with pytest.raises(ValueError, match="fragments"):
        FragmentTable(0)


def test_given_slots_cannot_grow() -> None:
    with pytest.raises(ValueError, match="max_flows"):
        FlowTable(np.zeros(64, SLOT), max_flows=100)
