"""Round trips, response times and idle time, packet by packet."""

import pytest

from conversation import C as Says
from conversation import Conversation, play
from conversation import S as Hears
from frames import ICMP, UDP
from talk import ACK, FIN, RST, SYN, C, S, Talk, opened, timed

NEVER = (0, 0.0, 0.0)


def test_handshake() -> None:
    flow = opened().flow()
    assert timed(flow, "rtt_server") == (1, 10.0, 10.0)
    assert timed(flow, "rtt_client") == (1, 3.0, 3.0)
    assert flow.rtt_us == 13000.0
    assert (flow.syn, flow.synack, flow.fin) == (1, 1, 0)


def test_round_trips_run_from_the_first_syn_and_the_first_syn_ack() -> None:
    talk = Talk() >> C(SYN) >> C(SYN, shift=-1, after_ms=100) >> S(SYN | ACK, after_ms=10)
    flow = (talk >> S(SYN | ACK, shift=-1, after_ms=50) >> C(ACK, after_ms=3)).flow()
    assert timed(flow, "rtt_server") == (2, 270.0, 160.0)
    assert timed(flow, "rtt_client") == (1, 53.0, 53.0)
    assert flow.rtt_us == 163000.0
    assert (flow.retrans_tx, flow.retrans_rx, flow.retrans_syn_tx, flow.retrans_syn_rx) == (1, 1, 1, 1)
    assert (flow.retrans_syn, flow.retrans_synack, flow.syn, flow.synack) == (1, 1, 2, 2)


def test_no_round_trip_where_the_capture_begins_with_the_syn_ack() -> None:
    flow = (Talk() >> S(SYN | ACK) >> C(ACK, after_ms=3)).flow()
    assert (timed(flow, "rtt_server"), timed(flow, "rtt_client"), flow.rtt_us) == (NEVER, (1, 3.0, 3.0), 0.0)


def test_a_round_trip_of_more_than_30_s_is_none() -> None:
    flow = (Talk() >> C(SYN) >> S(SYN | ACK, after_ms=30_000) >> C(ACK, after_ms=1)).flow()
    assert flow.rtt_us == 0.0


def test_request_and_response() -> None:
    talk = opened() >> C(b"GET /", after_ms=7) >> S(ACK, after_ms=2) >> S(b"200 OK", after_ms=18)
    flow = (talk >> C(ACK, after_ms=1) >> C(b"GET /2", after_ms=40) >> S(b"200 OK", after_ms=5)).flow()
    assert timed(flow, "srt") == (1, 2.0, 2.0)  # the second came with the response
    assert timed(flow, "art") == (2, 25.0, 20.0)
    assert timed(flow, "cit") == (2, 48.0, 41.0)


@pytest.mark.parametrize(("name", "after_ms", "reply"), [("srt", 10_001, ACK), ("art", 30_001, b"late")])
def test_what_takes_too_long_is_no_response(name: str, after_ms: int, reply: int | bytes) -> None:
    assert timed((opened() >> C(b"GET /") >> S(reply, after_ms=after_ms)).flow(), name) == NEVER
    assert timed((opened() >> C(b"GET /") >> S(reply, after_ms=after_ms - 1)).flow(), name)[0] == 1


def test_a_request_of_several_segments_is_timed_from_its_last() -> None:
    talk = opened() >> C(b"POST /", ACK) >> C(b"more", ACK) >> C(b"end") >> S(ACK, after_ms=2)
    flow = (talk >> S(b"200 OK", after_ms=18)).flow()
    assert (timed(flow, "srt"), timed(flow, "art")) == ((1, 2.0, 2.0), (1, 20.0, 20.0))


def test_a_request_that_ends_without_push_is_timed_too() -> None:
    talk = opened() >> C(b"POST /") >> C(b"more", ACK) >> S(ACK, after_ms=2)
    assert timed(talk.flow(), "srt") == NEVER  # it may be the middle of the request
    flow = (talk >> S(b"200 OK", after_ms=18)).flow()
    assert (timed(flow, "srt"), timed(flow, "art")) == ((1, 2.0, 2.0), (1, 20.0, 20.0))


def test_acknowledgements_within_a_request_are_no_responses() -> None:
    talk = opened()
    for _ in range(3):
        talk = talk >> C(b"upload", ACK) >> S(ACK, after_ms=5)
    flow = (talk >> C(b"end") >> S(b"201 Created", after_ms=9)).flow()
    assert (timed(flow, "srt"), timed(flow, "art")) == (NEVER, (1, 9.0, 9.0))


def test_a_hole_before_the_response_is_no_response() -> None:
    assert timed((opened() >> C(b"GET /") >> S(b"end of it", shift=100)).flow(), "art") == NEVER


@pytest.mark.parametrize("broken", [RST, SYN | FIN, 0])
def test_a_reset_or_impossible_flags_end_what_is_timed(broken: int) -> None:
    flow = (opened() >> C(b"GET /") >> S(broken) >> S(b"200 OK")).flow()
    assert timed(flow, "art") == NEVER


def test_a_syn_within_a_request_ends_it() -> None:
    """One that comes late, or of whoever has the port now."""
    assert timed((opened() >> C(b"GET /") >> C(SYN, shift=-6) >> S(b"200 OK")).flow(), "art") == NEVER


def test_an_older_packet_times_nothing() -> None:
    flow = (opened() >> C(b"GET /") >> S(b"200 OK", after_ms=-2)).flow()
    assert timed(flow, "art") == NEVER


def test_several_responses_to_one_request_are_one() -> None:
    flow = (opened() >> C(b"GET /") >> S(b"200", after_ms=4) >> S(b"more", after_ms=4)).flow()
    assert timed(flow, "art") == (1, 4.0, 4.0)


def test_a_conversation_over_the_end_of_the_number_space() -> None:
    talk = opened((2**32 - 3, 2**32 - 1)) >> C(b"GET /") >> S(ACK, after_ms=2) >> S(b"200 OK", after_ms=3)
    flow = (talk >> C(b"GET /2") >> S(b"200 OK")).flow()
    assert (timed(flow, "srt"), timed(flow, "art")) == ((1, 2.0, 2.0), (2, 6.0, 5.0))
    assert (flow.retrans_tx, flow.ooo_tx, flow.retrans_rx, flow.ooo_rx) == (0, 0, 0, 0)


def test_udp_response() -> None:
    talk = Conversation("10.0.0.9", 5000, "10.0.0.2", 53, UDP) >> Says(b"a?") >> Says(b"aaaa?")
    [flow] = play(talk >> Hears(b"1") >> Hears(b"2") >> Says(b"b?") >> Hears(b"3"))
    assert timed(flow, "art") == (2, 2.0, 1.0)
    assert (flow.l3_bytes_tx, flow.l4_bytes_tx, flow.close_type) == (3 * 28 + 9, 9, "unknown")


def test_icmp_echo() -> None:
    [flow] = play(Conversation("10.0.0.9", 0, "10.0.0.2", 0, ICMP) >> Says(b"ping") >> Hears(b"ping") >> Hears(b"x"))
    assert timed(flow, "srt") == (1, 1.0, 1.0)
    assert (flow.l3_bytes_tx, flow.l4_bytes_tx) == (32, 0)
