"""Whatever comes, it is counted once: frames = packets of flows + non_ip + lost, and so for bytes."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversation import Frame, play_all
from frames import SYN, TCP, UDP, ethernet, extension, fragments, ip, ipv6, tcp, udp
from weir_probe.streams.engine import FlowEngine
from weir_probe.streams.layout import IFACE, OUTCOMES
from weir_probe.streams.table import FlowTable
from weir_probe.wire.linktypes import KNOWN

SEEDS = [
    ethernet(ip("10.0.0.1", "10.0.0.2", TCP, tcp(5, 6, SYN, b"data"))),
    ethernet(ip("fd00::1", "fd00::2", UDP, udp(5, 6, b"data")), tags=(0x8100, 0x88A8)),
    ethernet(ipv6("fd00::1", "fd00::2", 0, extension(60) + extension(UDP) + udp(5, 6))),
    *map(ethernet, fragments(ip("10.0.0.1", "10.0.0.2", UDP, udp(5, 6, bytes(100))), 32, 1)),
    *map(ethernet, fragments(ip("fd00::1", "fd00::2", UDP, udp(5, 6, bytes(100))), 32, 1)),
]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.binary(max_size=120), st.integers(0, 100_000), st.integers(0, 1 << 61))),
    st.sampled_from(sorted(KNOWN)),
)
def test_random_bytes(frames: list[tuple[bytes, int, int]], link: int) -> None:
    play_all([Frame(data, ts_ns, length=length) for data, length, ts_ns in frames], link=link)


def mutations(seed: int, count: int) -> list[Frame]:
    """Good frames with some bytes changed, cut or longer."""
    rng = random.Random(seed)
    frames = []
    for at in range(count):
        data = bytearray(rng.choice(SEEDS))
        for _ in range(rng.randrange(6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        if rng.randrange(4) == 0:
            del data[rng.randrange(len(data)) :]
        frames.append(Frame(bytes(data), at * rng.randrange(1, 1 << 40), length=rng.choice((len(data), 1500, 1 << 20))))
    return frames


@pytest.mark.parametrize("seed", range(4))
def test_changed_frames(seed: int) -> None:
    play_all(mutations(seed, 2000), max_flows=200)


@pytest.mark.parametrize("seed", range(4))
def test_changed_frames_on_selected_interfaces(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ifaces = np.zeros(4, IFACE)
    ifaces["id"] = range(1, 5)
    engine = FlowEngine(FlowTable(capacity=256), ifaces, fragments=16)
    frames = mutations(seed, 3000)
    for at, frame in enumerate(frames):
        if at % 100 == 0:
            row = rng.integers(4)
            ifaces["opened_in"][row], ifaces["opened_out"][row] = rng.integers(4, size=2)
            ifaces["generation"][row] += 1
        engine.observe(frame.data, frame.size, frame.ts_ns, int(rng.integers(4)), bool(rng.integers(2)))
    engine.flush_fragments()
    slots = engine.table.slots
    stored = int((slots["traffic"] >> 40).sum()), int((slots["traffic"] & (1 << 40) - 1).sum())
    told = engine.outcomes.sum(axis=0).tolist()
    assert len(OUTCOMES) == len(engine.outcomes)
    assert (stored[0] + told[0], stored[1] + told[1]) == (engine.frames, engine.bytes)
    assert engine.frames == len(frames)
    assert engine.bytes == sum(frame.size for frame in frames)
