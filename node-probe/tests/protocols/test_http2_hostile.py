"""HTTP/2 from those who mean harm, and what is not HTTP/2 at all."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from http2_frames import (
    CONTINUATION,
    END_HEADERS,
    GET,
    HEADERS,
    OK,
    PADDED,
    PREFACE,
    RPC,
    RPC_OK,
    both,
    data,
    frame,
    message,
    reset,
    settings,
)
from play import C, Call, S, ok, play
from recording import calls_of
from weir_probe.protocols.http2.detect import detect
from weir_probe.protocols.http2.streams import MAX_STREAMS, Streams
from weir_probe.protocols.parser import FROM_CLIENT, FROM_SERVER, INVALID, NEED_MORE
from weir_probe.protocols.registry import BY_NAME, PROTOCOLS
from weir_probe.wire.cursor import Cursor

unhurried = hypothesis_settings(deadline=None)
http2 = PROTOCOLS[BY_NAME["http2"]]
PCAPS = Path(__file__).parents[4] / "shared/fixtures/pcap"


def answer(raw: bytes) -> int:
    cursor = Cursor()
    cursor.bind(raw)
    return detect(cursor, 0, len(raw))


def begun() -> play:
    return play(http2) >> C(PREFACE + settings()) >> S(settings() + settings(ack=True))


@pytest.mark.parametrize(
    "harm",
    [
        frame(HEADERS, 0, 3, b"\x82") + frame(CONTINUATION, 0, 3, b"\x84" * 100) * 500,
        frame(HEADERS, 0, 3) + frame(CONTINUATION, 0, 3) * 5000,
        frame(HEADERS, END_HEADERS | PADDED, 3, b"\xff"),
        frame(HEADERS, END_HEADERS, 3, b"\x44\xff\xff\xff\xff\x0f"),
        frame(HEADERS, END_HEADERS, 3, b"\x40\x7f\xff\xff\xff\x7f" + b"n" * 200),
        frame(HEADERS, END_HEADERS, 3, b"\x3f\xff\xff\xff\x7f\x82"),
        b"".join(reset(stream, 8) for stream in range(3, 999, 2)),
        frame(9, END_HEADERS, 77, b"\x82"),
        frame(0x50, 0xFF, 0x7FFFFFFF, b"?" * 3000),
    ],
    ids=[
        "many continuations",
        "empty continuations",
        "padding",
        "long value",
        "long name",
        "table",
        "resets",
        "stray",
        "type",
    ],
)
def test_harm_stays_in_its_stream(harm: bytes) -> None:
    client, server = both()
    played = begun() >> C(client.headers(1, GET, end=True))
    for at in range(0, len(harm), 1400):
        played >> C(harm[at : at + 1400])
    played >> C(client.headers(1001, [*GET[:3], (":path", "/new")], end=True))
    played >> S(server.headers(1, OK, end=True) + server.headers(1001, OK, end=True))
    played << Call("GET", ok, request_id=1, resource="/items/42?page=2")
    call = played.next()
    while call is not None and call["request_id"] != 1001:
        call = played.next()
    assert call is not None
    assert (call["type"], call["status"], call["resource"]) == ("GET", "ok", "/new")


def test_streams_without_an_end_take_no_more_room() -> None:
    streams = Streams()
    for stream in range(1, 200_001, 2):
        streams.open(stream, 0)
    assert streams.places == MAX_STREAMS
    assert streams.find(199_999) >= 0
    assert streams.find(1) < 0


def test_more_streams_than_a_connection_may_have_in_flight() -> None:
    """The oldest are given up; those that are in flight are paired rightly."""
    client, server = both()
    played = begun()
    for stream in range(1, 4001, 2):
        played >> C(client.headers(stream, GET, end=True))
    for stream in range(3999, 2001, -2):
        played >> S(server.headers(stream, [(":status", str(200 + stream % 9))], end=True))
    told = []
    while call := played.next():
        told.append(call)
    answered = [call for call in told if call["code"] is not None]
    assert all(call["code"] == 200 + call["request_id"] % 9 for call in answered)
    assert len(told) == 2000


@unhurried
@given(st.binary(max_size=400), st.integers(0, 1), st.integers(1, 100))
def test_no_bytes_bring_it_down(raw: bytes, side: int, step: int) -> None:
    client, _ = both()
    played = begun() >> C(client.headers(1, GET))
    way = S if side else C
    for at in range(0, len(raw), step):
        played >> way(raw[at : at + step])
    while played.next() is not None:
        pass


FRAMES = st.tuples(
    st.integers(0, 10), st.integers(0, 255), st.sampled_from([0, 1, 2, 3, 5, 7]), st.binary(max_size=60)
).map(lambda parts: frame(*parts))


@unhurried
@given(st.lists(st.tuples(st.booleans(), FRAMES), max_size=30))
def test_no_frames_bring_it_down(frames: list[tuple[bool, bytes]]) -> None:
    played = begun()
    for from_server, text in frames:
        played >> (S(text) if from_server else C(text))
    count = 0
    while (call := played.next()) is not None:
        assert len(str(call)) < 10_000
        count += 1
    assert count <= len(frames)


def test_what_begins_a_connection() -> None:
    assert answer(PREFACE) == FROM_CLIENT
    assert all(answer(PREFACE[:size]) == NEED_MORE for size in range(1, len(PREFACE)))
    assert answer(b"PRI /x HTTP/1.1\r\n\r\n" + bytes(9)) == INVALID
    assert answer(settings((3, 100))) == NEED_MORE


def test_who_speaks_in_the_middle() -> None:
    client, server = both()
    for _ in range(2):  # the second time most is in the dynamic table
        assert answer(client.headers(7, RPC) + data(7, message(b"x"))) == FROM_CLIENT
        assert answer(frame(8, 0, 0, struct.pack(">I", 5)) + server.headers(7, RPC_OK)) == FROM_SERVER
        assert answer(server.trailers(7, 5, "gone")) in {FROM_SERVER, NEED_MORE}


def test_random_bytes_are_not_http2() -> None:
    """Some with zeros in front, as a frame has them, or with much of a header."""
    chance = random.Random(7)
    taken = 0
    cursor = Cursor()
    for number in range(20_000):
        raw = chance.randbytes(chance.randrange(9, 60))
        if number % 3 == 0:
            raw = b"\x00\x00" + raw
        elif number % 3 == 1:
            raw = bytes([0, 0, chance.randrange(60), 1, chance.choice((4, 5, 0x25))]) + raw
        cursor.bind(raw)
        taken += detect(cursor, 0, len(raw)) > 0
    # a third of them has the header of HEADERS, which chance would write once in 16 million
    assert taken < 30


@pytest.mark.skipif(not PCAPS.exists(), reason="../shared/fixtures/pcap is absent")
def test_captures_of_other_protocols_are_not_http2() -> None:
    others = [path for path in sorted(PCAPS.rglob("*.pcap")) if not path.name.startswith(("grpc", "h2c"))]
    assert len(others) > 50
    for path in others:
        assert not calls_of(path, [http2]), path
