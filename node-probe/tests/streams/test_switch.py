"""A connection that goes on with another protocol: calls before it, in flight, and after it."""

from __future__ import annotations

from play import C, Call, S, Wait, end, ok, play, unknown
from weir_probe.protocols.message import NOTHING, OK, REQUEST, RESPONSE, TYPE, Message
from weir_probe.protocols.parser import FROM_CLIENT, FROM_SERVER, INVALID, NEED_MORE, Parser, Spec
from weir_probe.protocols.registry import BY_NAME, PROTOCOLS
from weir_probe.wire.cursor import Cursor

redis = PROTOCOLS[BY_NAME["redis"]]
GET = b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"


class Lines(Parser):
    """`?word` asks, `?word+` for a switch; `!` answers, `!>` answers and switches, `>` switches without an answer.
    `mark` begins each line."""

    mark = b"L"[0]
    asked = False

    def frame(self, cursor: Cursor, at: int, end: int, way: int) -> int:
        if self.asked and way == 0:
            return NEED_MORE
        if cursor.u8(at) != self.mark:
            return INVALID
        for place in range(at, end):
            if cursor.u8(place) == 0x0A:
                return place + 1 - at
        return NEED_MORE

    def parse(self, cursor: Cursor, at: int, end: int, way: int, message: Message) -> bool:
        said = cursor.copied(at + 1, end - 1)
        message.part = REQUEST if way == 0 else RESPONSE if said[:1] == b"!" else NOTHING
        message.ends = True
        message.id = 1
        message.status = OK if way else 0
        message.put_text(TYPE, said[1:] if way == 0 else b"")
        self.asked = said[-1:] == b"+"
        self.switches = said[-1:] == b">"
        return True


class Tagged(Lines):
    """The same, paired by an id which is always 1; its lines begin with a T."""

    mark = b"T"[0]


def detect_lines(cursor: Cursor, at: int, end: int) -> int:
    return _detect(cursor, at, end, Lines.mark)


def detect_tagged(cursor: Cursor, at: int, end: int) -> int:
    return _detect(cursor, at, end, Tagged.mark)


def _detect(cursor: Cursor, at: int, end: int, mark: int) -> int:
    if cursor.u8(at) != mark:
        return INVALID
    if end - at < 2:
        return NEED_MORE
    return FROM_CLIENT if cursor.u8(at + 1) == 0x3F else FROM_SERVER


lines = Spec("lines", ("Lines",), detect_lines, Lines)
tagged = Spec("tagged", ("Tagged",), detect_tagged, Tagged, pairs_by_id=True)


def test_what_follows_is_another_protocol() -> None:
    (
        play(lines, redis)
        >> C(b"L?up\n")
        >> S(b"L!>\n")
        >> C(GET)
        >> S(b":1\r\n")
        << Call("up", ok, protocol="Lines", ms=1.0)
        << Call("GET", ok, protocol="Redis", src_port=40_000)
        << end
    )


def test_in_the_same_segment() -> None:
    (
        play(lines, tagged)
        >> C(b"L?up\n")
        >> S(b"L!>\nT!\n")
        >> C(b"T?one\n")
        >> S(b"T!\n")
        << Call("up", ok)
        << Call("one", ok, protocol="Tagged")
        << end
    )


def test_bytes_that_waited_in_the_other_direction_are_looked_at_again() -> None:
    """The client did not wait for the server's consent."""
    played = play(lines, redis) >> C(b"L?up+\n" + GET) >> S(b"L!>\n") >> S(b":1\r\n")
    played << Call("up+", ok) << Call("GET", ok, protocol="Redis", ms=2.0) << end


def test_a_call_in_flight_is_answered_by_its_id() -> None:
    """As the request of an upgrade to HTTP/2 is, on stream 1."""
    (
        play(lines, tagged)
        >> C(b"L?up\n")
        >> S(b"L>\n")
        >> S(b"T!\n")
        << Call("up", ok, protocol="Tagged", request_id=1, ms=2.0)
        << end
    )


def test_a_call_in_flight_that_nothing_names_ends() -> None:
    (
        play(lines, redis)
        >> C(b"L?up\n")
        >> S(b"L>\n")
        >> C(GET)
        >> S(b":1\r\n")
        << Call("up", unknown, protocol="Lines")
        << Call("GET", ok)
        << end
    )


def test_a_protocol_that_nobody_knows_is_left_alone() -> None:
    played = play(lines, redis) >> C(b"L?up\n") >> S(b"L>\n")
    for _ in range(20):
        played >> C(b"\x81\x05hello")
    played >> C(b"L?again\n") << Call("up", unknown) << end


def test_it_does_not_go_on_for_ever() -> None:
    played = play(lines) >> C(b"L?a\n") >> S(b"L>\n" * 1000) >> C(b"L?b\n") >> S(b"L!\n")
    played << Call("a", unknown) << end


def test_an_endpoint_is_still_asked_for_its_first_protocol() -> None:
    played = play(lines, tagged) >> C(b"L?up\n") >> S(b"L!>\n") >> Wait(1) >> C(b"T?one\n") >> S(b"T!\n")
    played << Call("up", ok) << Call("one", ok) << end
    assert [played.calls.protocols[m.protocol].name for m in played.calls.endpoints.known.values()] == ["lines"]
