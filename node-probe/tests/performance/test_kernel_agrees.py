"""One semantics: the kernel's program measures what the engine of user space does, conversation by conversation."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from conversation import C as Says
from conversation import Conversation, Frame
from conversation import S as Hears
from frames import ICMP, UDP
from performance.engines import SLOTS, Kernel
from performance.test_ends import AFTER_HANDSHAKE, ENDS
from talk import ACK, FIN, PSH, RST, SYN, C, S, Step, Talk, opened
from weir_probe.capture.model import CaptureError
from weir_probe.streams.engine import FlowEngine
from weir_probe.streams.layout import LIVE, SLOT, TIMES
from weir_probe.streams.performance import close_type
from weir_probe.streams.table import FlowTable

pytestmark = pytest.mark.root
#: Of a slot, what a packet that changes nothing may leave as it was.
UNLIKE = ("last", "last_ns", "syn_ns", "synack_ns", "held_ns", "marks", "index", "iface", "observations", "generation",
          "workload_side")  # fmt: skip


@pytest.fixture(scope="module", params=["core", "bcc"])
def kernel(request: pytest.FixtureRequest) -> Iterator[Kernel]:
    if os.geteuid() != 0:
        pytest.skip("needs root: eBPF")
    try:
        loaded = Kernel(request.param)
    except CaptureError as error:
        pytest.skip(f"this machine refuses the rung {request.param}: {error}")
    yield loaded
    loaded.capture.close()


def played(kernel: Kernel, frames: list[Frame], segments: int = 0) -> list[dict[str, Any]]:
    """The flows as the kernel's program sees them."""
    kernel.play(frames, segments)
    return told(kernel.capture.slots, kernel.capture.measured)


def engine(frames: list[Frame]) -> list[dict[str, Any]]:
    """The flows as the engine of user space sees them."""
    table = FlowTable(capacity=SLOTS)
    counts = FlowEngine(table)
    for frame in frames:
        counts.observe(frame.data, frame.size, frame.ts_ns)
    return told(table.slots, table.measured)


def told(slots: npt.NDArray[Any], measured: npt.NDArray[Any]) -> list[dict[str, Any]]:
    """All that is known of each flow, by name."""
    taken = np.flatnonzero(slots["state"] >= LIVE)
    slots, measured = slots[taken], measured[taken]
    flows = []
    for slot, more in zip(slots, measured, strict=True):
        client, server = (int(slot["tcp_flags"][slot["opener"] ^ way]) for way in (0, 1))
        end = close_type(int(slot["opening"]), int(slot["reset"]), client, server, False)
        both = [(name, slot[name].tolist()) for name in SLOT.names or () if name not in UNLIKE]
        both += [(name, more[name].tolist()) for name in ("ooo", "last_rtt_ns", "count", "sum_ns", "max_ns")]
        both += [("retrans beyond a gap", more["retrans"].tolist())]
        flows.append(dict(both) | {"close_type": end})
    return sorted(flows, key=repr)


CONVERSATIONS = {
    "handshake and one request": opened() >> C(b"GET /", after_ms=7) >> S(ACK, after_ms=2) >> S(b"200 OK", after_ms=18),
    "SYN within a request": Talk() >> C(b"GET /") >> S(ACK) >> C(SYN) >> S(b"200 OK"),
    "no push": opened() >> C(b"POST /") >> C(b"more", ACK) >> S(ACK, after_ms=2) >> S(b"200 OK", after_ms=18),
    "too late": opened() >> C(b"GET /") >> S(ACK, after_ms=10_001) >> S(b"late", after_ms=20_001),
    "repeated handshake": Talk() >> C(SYN) >> C(SYN, shift=-1, after_ms=100) >> S(SYN | ACK) >> S(SYN | ACK, shift=-1)
    >> C(ACK, after_ms=3),
    "half a minute of handshake": Talk() >> C(SYN) >> S(SYN | ACK, after_ms=30_000) >> C(ACK),
    "holes": opened() >> C(b"second", shift=5) >> C(b"first", shift=-11) >> C(b"first", shift=-11) >> C(b"on"),
    "older than what is known": Talk() >> C(b"middle") >> S(b"of it") >> C(b"older", shift=-100) >> C(b"x", shift=-104),
    "over the end of the numbers": opened((2**32 - 3, 2**32 - 1)) >> C(b"GET /") >> S(b"200 OK") >> C(b"/", shift=-4),
    "gigabytes": opened() >> C(b"a") >> C(b"b", shift=2**30) >> C(b"c", shift=2**30 + 9) >> C(b"d", shift=-9)
    >> C(b"a", shift=-(2**30) - 7),
    "zero windows": opened() >> S(ACK, window=0) >> C(b"x", window=0) >> S(RST, window=0),
    "another number": Talk() >> C(SYN) >> C(b"x" * 10) >> C(SYN, shift=-900) >> S(SYN | ACK) >> C(b"x" * 9, shift=-899),
    "ports used again": opened() >> C(b"GET /") >> S(b"200") >> C(FIN | ACK) >> S(FIN | ACK) >> C(ACK)
    >> C(SYN, shift=-500) >> S(SYN | ACK, shift=-500) >> C(ACK) >> C(b"GET /", shift=-400),
    "simultaneous open": Talk() >> C(SYN) >> S(SYN) >> C(SYN | ACK, shift=-1) >> S(SYN | ACK, shift=-1) >> C(ACK),
}  # fmt: skip
for number, (_, steps) in enumerate(ENDS):
    talk = Talk()
    for step in steps:
        talk = talk >> step
    CONVERSATIONS[f"end {number}"] = talk
for number, (_, steps) in enumerate(AFTER_HANDSHAKE):
    talk = opened()
    for step in steps:
        talk = talk >> step
    CONVERSATIONS[f"end after a handshake {number}"] = talk


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_conversations(kernel: Kernel, name: str) -> None:
    frames = CONVERSATIONS[name].frames
    assert played(kernel, frames) == engine(frames)


def test_udp_and_echo(kernel: Kernel) -> None:
    asks = (
        Conversation("10.0.0.9", 5000, "10.0.0.2", 53, UDP)
        >> Says(b"a?")
        >> Says(b"aaaa?")
        >> Hears(b"1")
        >> Hears(b"2")
    )
    pings = Conversation("10.0.0.9", 0, "10.0.0.2", 0, ICMP) >> Says(b"ping") >> Hears(b"ping") >> Hears(b"x")
    frames = [*asks, *pings]
    found = played(kernel, frames)
    assert found == engine(frames)
    assert sum(flow["count"][TIMES.index("art")] for flow in found) == 1


def anything(chance: random.Random) -> Talk:
    """Two ends that say what they like, mostly what TCP ends say."""
    talk = opened((chance.randrange(2**32), chance.randrange(2**32))) if chance.random() < 0.7 else Talk()
    for _ in range(chance.randrange(1, 40)):
        kind = chance.choice([ACK, ACK, PSH | ACK, PSH | ACK, SYN, SYN | ACK, FIN | ACK, RST, FIN | SYN, 0, ACK | 0xC0])
        data = bytes(chance.choice([0, 1, 2, 5, 9])) if kind & (ACK | PSH) and chance.random() < 0.8 else b""
        shift = chance.choice([0] * 8 + [-1, -3, -9, 4, 9, -20, 2**30, -(2**30)])
        talk = talk >> Step(
            chance.random() < 0.5, kind, data, after_ms=chance.choice([0, 1, 5, 11_000]), shift=shift,
            acks=chance.choice([0, 0, 0, 1]), window=chance.choice([0, 65535, 65535]),
        )  # fmt: skip
    return talk


@pytest.mark.parametrize("seed", range(8))
def test_any_conversation(kernel: Kernel, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(50):
        frames = anything(chance).frames
        assert all(one.ts_ns <= other.ts_ns for one, other in pairwise(frames))
        assert played(kernel, frames) == engine(frames)


def test_a_gso_packet_counts_its_segments(kernel: Kernel) -> None:
    frames = (opened() >> C(b"x" * 30) >> C(b"x" * 30, shift=-30)).frames
    [flow] = played(kernel, frames, segments=10)
    assert flow["retrans"] == [10, 0]
