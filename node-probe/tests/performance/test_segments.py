"""Retransmissions, order and windows; also against a plain set of the bytes that were seen."""

import random

import pytest

from talk import ACK, FIN, PSH, RST, SYN, C, S, Talk, opened
from weir_probe.replay import Flow


def told(flow: Flow) -> tuple[int, int, int, int]:
    return flow.retrans_tx, flow.retrans_rx, flow.ooo_tx, flow.ooo_rx


def test_data_again_is_a_retransmission() -> None:
    assert told((opened() >> C(b"GET /") >> C(b"GET /", shift=-5) >> S(b"200") >> S(b"200", shift=-3)).flow()) == (
        1,
        1,
        0,
        0,
    )


def test_data_that_fills_a_hole_is_out_of_order() -> None:
    talk = opened() >> C(b"second", shift=5) >> C(b"first", shift=-11)
    assert told(talk.flow()) == (0, 0, 1, 0)
    assert told((talk >> C(b"first", shift=-11)).flow()) == (1, 0, 1, 0)


def test_a_segment_that_reaches_beyond_what_was_seen_is_a_retransmission() -> None:
    assert told((opened() >> C(b"abcd") >> C(b"cdef", shift=-2) >> C(b"ef", shift=-2)).flow()) == (2, 0, 0, 0)


def test_acknowledgements_and_fins_are_never_retransmissions() -> None:
    talk = opened() >> C(b"abcd") >> C(ACK) >> C(ACK) >> C(ACK, shift=-1) >> C(FIN | ACK) >> C(FIN | ACK, shift=-1)
    assert (told(talk.flow()), talk.flow().fin) == ((0, 0, 0, 0), 2)


def test_a_fin_with_data_again_is_a_retransmission() -> None:
    last = FIN | PSH | ACK
    assert told((opened() >> C(b"bye", last) >> C(b"bye", last, shift=-4)).flow()) == (1, 0, 0, 0)


def test_mid_stream_the_first_segment_is_new() -> None:
    assert told((Talk() >> C(b"middle") >> S(b"of it") >> C(b"older", shift=-100)).flow()) == (0, 0, 1, 0)


def test_over_the_end_of_the_number_space() -> None:
    talk = Talk((2**32 - 7, 0)) >> C(b"0123456789") >> C(b"0123456789", shift=10) >> C(b"9", shift=-21)
    assert told((talk >> C(b"x", shift=-20)).flow()) == (1, 0, 1, 0)


def test_many_gigabytes_are_no_retransmissions() -> None:
    talk = Talk()
    for _ in range(40):
        talk = talk >> C(b"jump", shift=2**28)
    assert told(talk.flow()) == (0, 0, 0, 0)
    assert told((talk >> C(b"ages ago", shift=-(2**30) - 5)).flow()) == (0, 0, 0, 0)


def test_beyond_eight_ranges_the_lowest_hole_is_taken_as_filled() -> None:
    talk = Talk()
    for _ in range(9):
        talk = talk >> C(b"island", shift=4)
    lowest_hole = -9 * 10 + 4 + 6 + 1
    assert told((talk >> C(b"?", shift=lowest_hole)).flow()) == (1, 0, 0, 0)
    assert told((talk >> C(b"?", shift=lowest_hole + 10)).flow()) == (1, 0, 1, 0)


def test_zero_windows_after_the_handshake() -> None:
    talk = Talk() >> C(SYN, window=0) >> S(SYN | ACK, window=0) >> C(ACK, window=0)
    flow = (talk >> S(ACK, window=0) >> S(ACK, window=0) >> S(ACK) >> C(RST, window=0)).flow()
    assert (flow.zero_win_tx, flow.zero_win_rx) == (1, 2)


def test_ports_used_again_start_anew() -> None:
    first = opened() >> C(b"GET /") >> S(b"200") >> C(FIN | ACK) >> S(FIN | ACK) >> C(ACK)
    one, two = (first >> C(SYN, shift=-500) >> S(SYN | ACK, shift=-500) >> C(ACK) >> C(b"GET /", shift=-400)).flows()
    assert told(one) == told(two) == (0, 0, 0, 0)
    assert (one.syn, two.syn, one.close_type, two.close_type) == (1, 1, "finish", "unknown")


def test_a_syn_with_another_number_starts_anew_in_one_flow() -> None:
    flow = (Talk() >> C(SYN) >> C(b"x" * 10) >> C(SYN, shift=-900) >> S(SYN | ACK) >> C(b"x" * 9, shift=-899)).flow()
    assert (told(flow), flow.retrans_syn, flow.syn) == ((0, 0, 0, 0), 0, 2)


@pytest.mark.parametrize("seed", range(40))
def test_as_a_set_of_bytes_says(seed: int) -> None:
    """Up to eight ranges, any order, over the end of the number space: every byte that was seen, kept one by one."""
    chance = random.Random(seed)
    start = 2**32 - chance.randrange(60)
    talk, seen, retrans, ooo = Talk((start, 0)), set[int](), 0, 0
    for _ in range(60):
        at, length = chance.randrange(8) * 8, chance.choice([1, 4, 8, 12])
        talk = talk >> C(b"x" * length, shift=start + at - (talk.due or [start])[0])
        retrans += at in seen
        ooo += at not in seen and bool(seen) and at < max(seen)
        seen |= set(range(at, at + length))
    flow = talk.flow()
    assert (flow.retrans_tx, flow.ooo_tx) == (retrans, ooo)
