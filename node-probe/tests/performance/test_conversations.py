"""What two ends say to each other, and what every engine makes of it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace

import pytest

from conversation import Frame
from frames import ethernet, fragments
from performance.engines import Engines, engines
from talk import ACK, FIN, RST, SYN, C, S, Step, Talk, opened, timed
from weir_probe.replay import Flow

__all__ = ["engines"]

NEVER = (0, 0.0, 0.0)


def seen(flow: Flow) -> tuple[int, int, int, int]:
    """Retransmissions and late segments, of client and server."""
    return flow.retrans_tx, flow.retrans_rx, flow.ooo_tx, flow.ooo_rx


# ---- sequence numbers


def test_the_numbers_wrap_within_a_request_and_within_its_response(engines: Engines) -> None:
    talk = opened((2**32 - 4, 2**32 - 6)) >> C(b"GET /") >> S(ACK, after_ms=2) >> S(b"200 OK", after_ms=3)
    flow = engines.flow((talk >> C(b"GET /", shift=-5) >> C(ACK) >> S(b"200 OK", shift=-6)).frames)
    assert seen(flow) == (1, 1, 0, 0)
    assert (timed(flow, "srt"), timed(flow, "art")) == ((1, 2.0, 2.0), (1, 5.0, 5.0))


def test_a_hole_over_the_end_of_the_numbers(engines: Engines) -> None:
    talk = opened((2**32 - 4, 0)) >> C(b"second", shift=5) >> C(b"first", shift=-11) >> C(b"first", shift=-11)
    assert seen(engines.flow(talk.frames)) == (1, 0, 1, 0)


def test_the_initial_number_is_the_last_there_is(engines: Engines) -> None:
    flow = engines.flow((opened((2**32 - 1, 2**32 - 1)) >> C(b"GET /") >> S(b"200 OK", after_ms=4)).frames)
    assert (timed(flow, "rtt_server"), timed(flow, "rtt_client")) == ((1, 10.0, 10.0), (1, 3.0, 3.0))
    assert (seen(flow), timed(flow, "art")) == ((0, 0, 0, 0), (1, 4.0, 4.0))


# ---- selective acknowledgements (RFC 2018)


def sack(*blocks: tuple[int, int]) -> bytes:
    """The option, padded."""
    return b"\x01\x01" + struct.pack(">BB", 5, 2 + 8 * len(blocks)) + b"".join(struct.pack(">II", *b) for b in blocks)


def test_sack_behind_the_loss(engines: Engines) -> None:
    """Captured after the lost segment: what fills the hole comes for the first time, so it is late."""
    talk = opened() >> S(b"one") >> S(b"three", shift=3) >> C(ACK, acks=-8, options=sack((5007, 5012)))
    flow = engines.flow((talk >> S(b"two", shift=-8) >> C(ACK)).frames)
    assert seen(flow) == (0, 0, 0, 1)


def test_sack_before_the_loss(engines: Engines) -> None:
    """Captured before it: only the hole is sent again."""
    talk = opened() >> S(b"one") >> S(b"two") >> S(b"three") >> C(ACK, acks=-8, options=sack((5007, 5012)))
    flow = engines.flow((talk >> S(b"two", shift=-8) >> C(ACK)).frames)
    assert seen(flow) == (0, 1, 0, 0)


def test_what_was_sent_again_in_vain(engines: Engines) -> None:
    """The client tells by a duplicate SACK (RFC 2883): an ACK, which is no retransmission, of one that was."""
    talk = opened() >> S(b"one") >> C(ACK) >> S(b"one", shift=-3) >> C(ACK, options=sack((5001, 5004)))
    assert seen(engines.flow(talk.frames)) == (0, 1, 0, 0)


def test_options_are_no_data(engines: Engines) -> None:
    stamps = b"\x01\x01\x08\x0a" + bytes(8)  # RFC 7323 §3.2
    talk = opened() >> C(ACK, options=stamps) >> C(ACK, options=stamps) >> C(b"GET /", options=stamps)
    flow = engines.flow((talk >> S(ACK, options=stamps, after_ms=2)).frames)
    assert (seen(flow), timed(flow, "srt")) == ((0, 0, 0, 0), (1, 2.0, 2.0))


# ---- closing


def test_half_close(engines: Engines) -> None:
    """The client has said all (FIN), and the server goes on for as long as it likes (RFC 9293 §3.6)."""
    talk = opened() >> C(b"GET /") >> C(FIN | ACK) >> S(ACK) >> S(b"200 OK", after_ms=20) >> C(ACK) >> S(b"more")
    half = engines.flow(talk.frames)
    assert (half.close_type, half.fin, timed(half, "art")) == ("server_half_close", 1, NEVER)
    whole = engines.flow((talk >> S(b"more", shift=-4) >> C(ACK) >> S(FIN | ACK) >> C(ACK)).frames)
    assert (whole.close_type, whole.fin, seen(whole)) == ("finish", 2, (0, 1, 0, 0))


def test_the_servers_half_close(engines: Engines) -> None:
    talk = opened() >> C(b"POST /") >> S(b"100", after_ms=4) >> S(FIN | ACK) >> C(b"body", after_ms=5) >> C(ACK)
    flow = engines.flow(talk.frames)
    assert (flow.close_type, flow.fin, timed(flow, "art")) == ("client_half_close", 1, (1, 4.0, 4.0))


def test_both_close_at_once(engines: Engines) -> None:
    """RFC 9293 §3.6, case 3."""
    talk = opened() >> C(FIN | ACK) >> S(FIN | ACK, acks=-1) >> C(ACK) >> S(ACK)
    flow = engines.flow(talk.frames)
    assert (flow.close_type, flow.fin) == ("finish", 2)


SHAKEN = (C(SYN), S(SYN | ACK), C(ACK))
#: Where client and server are when the RST is sent (RFC 9293 §3.3.2), and how they got there; then how it ended where
#: the RST was the client's, and where it was the server's.
STATES: dict[str, tuple[Sequence[Step], str, str]] = {
    "CLOSED": ((), "client_rst", "client_rst"),
    "SYN-SENT, none listens": ((C(SYN),), "client_establish_rst", "server_reset"),
    "SYN-SENT, SYN-RECEIVED": ((C(SYN), S(SYN | ACK)), "client_establish_rst", "server_establish_rst"),
    "SYN-SENT both": ((C(SYN), S(SYN)), "client_establish_rst", "server_reset"),
    "SYN-RECEIVED both": (
        (C(SYN), S(SYN), C(SYN | ACK, shift=-1), S(SYN | ACK, shift=-1)),
        "client_establish_rst",
        "server_establish_rst",
    ),
    "SYN-SENT, an old connection": ((C(SYN), S(ACK, shift=700)), "client_source_port_reuse", "server_reset"),
    "ESTABLISHED": (SHAKEN, "client_rst", "server_rst"),
    "ESTABLISHED, a request": ((*SHAKEN, C(b"GET /")), "client_rst", "server_rst"),
    "ESTABLISHED, answered": ((*SHAKEN, C(b"GET /"), S(b"200")), "finish", "server_rst"),
    "ESTABLISHED, SYN-RECEIVED": (
        (*SHAKEN, S(SYN | ACK, shift=-1)),
        "server_queue_lack",
        "server_queue_lack",
    ),
    "ESTABLISHED, mid-stream": ((C(b"mid"), S(ACK)), "client_rst", "server_rst"),
    "FIN-WAIT-1, ESTABLISHED": ((*SHAKEN, C(FIN | ACK)), "client_rst", "server_rst"),
    "FIN-WAIT-2, CLOSE-WAIT": ((*SHAKEN, C(FIN | ACK), S(ACK)), "client_rst", "server_rst"),
    "CLOSE-WAIT, FIN-WAIT-2": ((*SHAKEN, S(FIN | ACK), C(ACK)), "client_rst", "server_rst"),
    "CLOSING both": ((*SHAKEN, C(FIN | ACK), S(FIN | ACK, acks=-1)), "finish", "finish"),
    "TIME-WAIT, LAST-ACK": ((*SHAKEN, C(FIN | ACK), S(ACK), S(FIN | ACK)), "finish", "finish"),
    "LAST-ACK, TIME-WAIT": ((*SHAKEN, S(FIN | ACK), C(ACK), C(FIN | ACK)), "finish", "finish"),
    "TIME-WAIT, CLOSED": ((*SHAKEN, C(FIN | ACK), S(ACK), S(FIN | ACK), C(ACK)), "finish", "finish"),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("by_client", [True, False], ids=["client", "server"])
def test_rst_in_every_state(engines: Engines, state: str, by_client: bool) -> None:
    steps, client, server = STATES[state]
    talk = Talk()
    for step in (*steps, C(RST) if by_client else S(RST)):
        talk = talk >> step
    flow = engines.flow(talk.frames)
    assert flow.close_type == (client if by_client else server)
    # what comes after it changes nothing, whoever sends it
    assert engines.flow((talk >> S(ACK) >> C(RST) >> S(RST)).frames).close_type == flow.close_type


# ---- opening


def test_simultaneous_open(engines: Engines) -> None:
    """RFC 9293 §3.5, figure 8: each end's SYN meets the other's. The client is who was seen first."""
    talk = Talk() >> C(SYN) >> S(SYN) >> C(SYN | ACK, shift=-1) >> S(SYN | ACK, shift=-1) >> C(ACK, after_ms=3)
    flow = engines.flow((talk >> C(b"GET /") >> S(b"200", after_ms=5)).frames)
    assert (flow.syn, flow.synack, flow.retrans_syn, flow.retrans_synack) == (2, 2, 0, 0)
    assert (seen(flow), timed(flow, "art"), flow.close_type) == ((0, 0, 0, 0), (1, 5.0, 5.0), "unknown")


def test_a_port_is_used_again(engines: Engines) -> None:
    """From TIME-WAIT, with a higher number (RFC 9293 §3.6.1): two connections, each with its own times."""
    talk = opened() >> C(b"GET /") >> S(b"200", after_ms=4) >> C(FIN | ACK) >> S(FIN | ACK) >> C(ACK)
    talk = talk >> C(SYN, shift=100_000) >> S(SYN | ACK, shift=90_000, after_ms=20) >> C(ACK, after_ms=6)
    first, second = engines.flows((talk >> C(b"GET /") >> S(b"200", after_ms=7) >> S(RST)).frames)
    assert (first.close_type, second.close_type) == ("finish", "server_rst")
    assert [timed(flow, "rtt_server") for flow in (first, second)] == [(1, 10.0, 10.0), (1, 20.0, 20.0)]
    assert [timed(flow, "art") for flow in (first, second)] == [(1, 4.0, 4.0), (1, 7.0, 7.0)]
    assert seen(first) == seen(second) == (0, 0, 0, 0)


def test_a_port_is_used_again_by_a_client_that_lost_its_memory(engines: Engines) -> None:
    """RFC 9293 §3.5.1: the server acknowledges what it had, the client resets that, and opens anew."""
    talk = Talk() >> C(b"of old") >> S(ACK) >> C(SYN, shift=50_000) >> S(ACK, acks=-50_001)
    old, new = engines.flows((talk >> C(RST) >> C(SYN, shift=-1) >> S(SYN | ACK, shift=9) >> C(ACK)).frames)
    assert (old.close_type, new.close_type) == ("client_rst", "unknown")
    assert (new.syn, new.synack, timed(new, "rtt_server")) == (1, 1, (1, 1.0, 1.0))


def test_from_the_middle_of_a_stream(engines: Engines) -> None:
    """Who sends first is the client: what is a response reads as a request, until there is a handshake."""
    talk = Talk() >> S(b"of a response") >> C(ACK) >> S(b"to its end") >> C(b"GET /2", after_ms=8)
    flow = engines.flow((talk >> S(ACK, after_ms=2) >> S(b"200 OK", after_ms=3)).frames)
    assert (flow.src_port, flow.rtt_us, flow.close_type) == (80, 0.0, "unknown")
    assert (timed(flow, "srt"), timed(flow, "art"), seen(flow)) == ((1, 1.0, 1.0), (1, 8.0, 8.0), (0, 0, 0, 0))


def test_from_the_middle_of_a_request(engines: Engines) -> None:
    talk = Talk() >> C(b"a request") >> S(ACK, after_ms=2) >> S(b"200 OK", after_ms=3) >> C(b"older", shift=-20)
    flow = engines.flow(talk.frames)
    assert (timed(flow, "srt"), timed(flow, "art"), seen(flow)) == ((1, 2.0, 2.0), (1, 5.0, 5.0), (0, 0, 1, 0))


# ---- fragments


def in_fragments(frames: list[Frame], size: int) -> list[Frame]:
    """The last frame in fragments, 1 ms apart."""
    *before, last = frames
    parts = fragments(last.data[14:], size, ident=7)
    return [*before, *(Frame(ethernet(part), last.ts_ns + at * 1_000_000) for at, part in enumerate(parts))]


def test_a_segment_in_fragments(engines: Engines) -> None:
    """The first has the header and some of the data, the others only count their bytes."""
    talk = opened() >> C(bytes(100))
    flow = engines.flow(in_fragments(talk.frames, 48))
    assert (flow.packets_tx, flow.bytes_tx) == (2 + 3, 2 * 54 + 3 * 34 + 20 + 100)
    assert seen(flow) == (0, 0, 0, 0)


def test_a_segment_in_fragments_again_whole(engines: Engines) -> None:
    talk = opened() >> C(bytes(100))
    before = in_fragments(talk.frames, 48)
    after = (talk >> C(bytes(100), shift=-100, after_ms=50) >> S(ACK, after_ms=2)).frames[-2:]
    flow = engines.flow([*before, *after])
    assert (seen(flow), timed(flow, "srt")) == ((1, 0, 0, 0), (1, 2.0, 2.0))


def test_fragments_that_come_before_their_first(engines: Engines) -> None:
    talk = opened() >> C(bytes(100))
    frames = in_fragments(talk.frames, 48)
    turned = [replace(frame, ts_ns=at.ts_ns) for frame, at in zip(reversed(frames[-3:]), frames[-3:], strict=True)]
    flow = engines.flow([*frames[:-3], *turned])
    assert (flow.packets_tx, seen(flow)) == (5, (0, 0, 0, 0))
