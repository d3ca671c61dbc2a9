"""Conversations with loss, repetition, reordering and nonsense: every figure is what the reference says."""

from __future__ import annotations

import struct
from dataclasses import asdict, dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conversation import Frame, play
from frames import TCP, ethernet, ip
from performance.reference import ACK, FIN, PSH, RST, SYN, URG, Segment, flows

ENDS = ("10.0.0.1", 40000), ("10.0.0.2", 80)
MS = 1_000_000
#: Gaps that one end may leave: the engines remember 8 ranges of data.
GAPS = 6


@dataclass(frozen=True)
class Turn:
    """What one end does next: `again` repeats its last or first segment, `skip` moves on or back from what is due."""

    sender: int
    flags: int
    size: int
    after_ms: int
    skip: int
    acks: int
    window: int
    lost: bool
    again: int | None


def turns(flags: st.SearchStrategy[int]) -> st.SearchStrategy[Turn]:
    return st.builds(
        Turn,
        sender=st.integers(0, 1),
        flags=flags,
        size=st.sampled_from((0, 0, 1, 2, 5, 9)),
        after_ms=st.sampled_from((0, 1, 3, 40, 9_999, 10_001, 30_001)),
        skip=st.sampled_from((0,) * 12 + (-1, -2, -5, -9, 3, 7)),
        acks=st.sampled_from((0,) * 8 + (-1, 1)),
        window=st.sampled_from((65535, 65535, 0)),
        lost=st.sampled_from((False,) * 7 + (True,)),
        again=st.sampled_from((None,) * 14 + (-1, -1, 0)),
    )


USUAL = st.sampled_from((ACK, ACK, PSH | ACK, PSH | ACK, PSH | ACK, FIN | ACK))
ANY = st.sampled_from(
    (SYN, SYN | ACK, RST, RST | ACK, FIN, 0, PSH, SYN | FIN, SYN | PSH | ACK, URG | ACK, FIN | PSH | ACK)
)
HANDSHAKE = [Turn(who, flags, 0, 5, 0, 0, 65535, False, None) for who, flags in ((0, SYN), (1, SYN | ACK), (0, ACK))]
conversations = st.builds(
    lambda shaken, rest: HANDSHAKE[:shaken] + rest,
    st.sampled_from((0, 1, 2, 3, 3, 3, 3)),
    st.lists(st.one_of(turns(USUAL), turns(USUAL), turns(USUAL), turns(ANY)), min_size=1, max_size=25),
)
starts = st.sampled_from((1000, 2**32 - 1, 2**32 - 2, 2**32 - 12, 0))


def say(plan: list[Turn], first: tuple[int, int]) -> list[Segment]:
    """The segments that are captured."""
    due, gaps, now, said = list(first), [0, 0], 1000 * MS, list[Segment]()
    sent: tuple[list[Segment], list[Segment]] = [], []
    for turn in plan:
        me, skip = turn.sender, turn.skip
        now += turn.after_ms * MS
        if turn.again is not None and sent[me]:
            before = sent[me][turn.again]
            said.append(Segment(me, now, before.flags, before.seq, before.ack, before.size, turn.window))
            continue
        size = 0 if turn.flags & (SYN | RST) else turn.size
        if skip > 0 or turn.lost:
            gaps[me] += 1
            if gaps[me] > GAPS:
                continue
        seq = (due[me] + skip) % 2**32
        ack = (due[1 - me] + turn.acks) % 2**32 if turn.flags & ACK else 0
        sent[me].append(Segment(me, now, turn.flags, seq, ack, size, turn.window))
        if not turn.lost:
            said.append(sent[me][-1])
        ahead = skip + size + (1 if turn.flags & (SYN | FIN) else 0)
        due[me] = (due[me] + max(0, ahead)) % 2**32
    return said


def frame(s: Segment) -> Frame:
    (source, sport), (destination, dport) = ENDS[s.sender], ENDS[1 - s.sender]
    header = struct.pack(">HHIIBBHHH", sport, dport, s.seq, s.ack, 0x50, s.flags, s.window, 0, 0)
    return Frame(ethernet(ip(source, destination, TCP, header + bytes(s.size))), s.time)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(conversations, st.tuples(starts, starts))
def test_every_figure_is_what_the_reference_says(plan: list[Turn], first: tuple[int, int]) -> None:
    said = say(plan, first)
    found = [asdict(flow) for flow in play([frame(s) for s in said])]
    told = [flow.row() for flow in flows(said)]
    assert [{name: flow[name] for name in like} for flow, like in zip(found, told, strict=True)] == told
