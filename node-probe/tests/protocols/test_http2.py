"""HTTP/2: streams and what becomes of them, in conversations."""

from __future__ import annotations

import struct

import pytest

from http2_frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    GET,
    HAS_PRIORITY,
    HEADERS,
    OK,
    PADDED,
    PING,
    PREFACE,
    PUSH_PROMISE,
    both,
    data,
    frame,
    goaway,
    reset,
    settings,
)
from play import RESET, C, Call, S, Wait, again, client_error, cut, early, end, ok, play, server_error, timeout
from weir_probe.protocols.registry import BY_NAME, PROTOCOLS

http2 = PROTOCOLS[BY_NAME["http2"]]

OPENING = PREFACE + settings((3, 100))


def begun() -> play:
    """A connection whose two sides have said who they are."""
    return play(http2) >> C(OPENING) >> S(settings((4, 65_536)) + settings(ack=True)) >> C(settings(ack=True))


def test_a_request_and_its_response() -> None:
    client, server = both()
    (
        begun()
        >> C(client.headers(1, GET, end=True))
        >> S(server.headers(1, OK) + data(1, b"hello", end=True))
        << Call(
            "GET",
            ok,
            protocol="HTTP/2",
            domain="shop",
            resource="/items/42?page=2",
            endpoint="/items/{id}",
            request_id=1,
            code=200,
            ms=1.0,
        )
        << end
    )


@pytest.mark.parametrize(
    ("code", "status"),
    [(204, ok), (304, ok), (404, client_error), (499, client_error), (500, server_error), (503, server_error)],
)
def test_the_status_says_whose_error_it_is(code: int, status: str) -> None:
    client, server = both()
    answer = server.headers(1, [(":status", str(code))], end=True)
    begun() >> C(client.headers(1, GET, end=True)) >> S(answer) << Call("GET", status, code=code) << end


def test_streams_are_interleaved() -> None:
    client, server = both()
    played = begun()
    for stream in (1, 3, 5):
        played >> C(client.headers(stream, [*GET[:3], (":path", f"/{stream}a")], end=True))
    played >> S(server.headers(3, OK)) >> S(server.headers(1, [(":status", "404")]))
    played >> S(data(3, b"x" * 100) + data(1, b"y" * 7, end=True)) >> S(server.headers(5, OK, end=True))
    played >> S(data(3, b"x", end=True))
    played << Call("GET", client_error, resource="/1a", request_id=1, ms=4.0)
    played << Call("GET", ok, resource="/3a", request_id=3, ms=2.0, response_bytes=10 + 109 + 10)
    played << Call("GET", ok, resource="/5a", request_id=5, ms=4.0) << end


def test_a_thousand_streams_in_flight() -> None:
    client, server = both()
    played = begun()
    for stream in range(1, 2001, 2):
        played >> C(client.headers(stream, [*GET[:3], (":path", f"/a{stream}")], end=True))
    for stream in range(1999, 0, -2):
        played >> S(server.headers(stream, OK, end=True))
    for stream in range(1, 2001, 2):
        played << Call("GET", ok, resource=f"/a{stream}", request_id=stream)
    played << end


def test_an_upload_counts_its_bytes() -> None:
    client, server = both()
    head = client.headers(1, [(":method", "PUT"), *GET[1:]])
    played = begun() >> C(head) >> C(data(1, b"a" * 1000)) >> C(data(1, b"b" * 500, end=True))
    answer = server.headers(1, [(":status", "201")], end=True)
    played >> S(answer) << Call("PUT", ok, request_bytes=len(head) + 1518, response_bytes=len(answer), ms=3.0) << end


@pytest.mark.parametrize("step", [1, 2, 3, 5, 8, 13, 21, 34, 100])
def test_in_pieces_of_every_size(step: int) -> None:
    client, server = both()
    asked = OPENING + b"".join(
        client.headers(stream, [*GET, ("user-agent", "x" * 50)], end=True, pieces=2) for stream in (1, 3)
    )
    told = settings() + server.headers(3, OK, pieces=3) + data(3, b"z" * 60, end=True) + server.headers(1, OK, end=True)
    played = play(http2)
    for way, text in ((C, asked), (S, told)):
        for at in range(0, len(text), step):
            played >> way(text[at : at + step])
    for stream in (1, 3):
        played << Call(
            "GET", ok, request_id=stream, resource="/items/42?page=2", attributes={"user_agent.original": "x" * 50}
        )
    played << end


def test_padding_and_priority_are_passed_over() -> None:
    client, server = both()
    block = client.block(GET)
    head = frame(
        HEADERS,
        END_HEADERS | END_STREAM | PADDED | HAS_PRIORITY,
        1,
        b"\x07" + struct.pack(">IB", 0, 15) + block + bytes(7),
    )
    body = frame(DATA, END_STREAM | PADDED, 1, b"\x05" + b"hello" + bytes(5))
    begun() >> C(head) >> S(server.headers(1, OK) + body) << Call("GET", ok, resource="/items/42?page=2") << end


def test_interim_responses_come_before_the_one_that_counts() -> None:
    client, server = both()
    early_hints = server.headers(1, [(":status", "103"), ("link", "</style.css>")])
    (
        begun()
        >> C(client.headers(1, GET, end=True))
        >> S(early_hints)
        >> S(server.headers(1, OK, end=True))
        << Call("GET", ok, code=200, ms=2.0)
        << end
    )


def test_trailers_of_either_side_belong_to_the_call() -> None:
    client, server = both()
    played = begun() >> C(client.headers(1, GET) + data(1, b"x")) >> C(client.headers(1, [("checksum", "1")], end=True))
    played >> S(server.headers(1, OK) + data(1, b"y")) >> S(server.headers(1, [("checksum", "2")], end=True))
    played << Call("GET", ok, ms=2.0) << end


@pytest.mark.parametrize(("error", "name"), [(7, "REFUSED_STREAM"), (2, "INTERNAL_ERROR"), (8, "CANCEL")])
def test_a_stream_that_the_server_resets(error: int, name: str) -> None:
    client, _ = both()
    played = begun() >> C(client.headers(1, GET, end=True)) >> S(reset(1, error))
    played << Call("GET", server_error, exception=name, ms=1.0) << end


def test_a_stream_that_the_server_resets_and_blames_the_client_for() -> None:
    client, _ = both()
    played = begun() >> C(client.headers(1, GET)) >> S(reset(1, 11))
    played << Call("GET", client_error, exception="ENHANCE_YOUR_CALM") << end


def test_a_client_that_gives_up() -> None:
    """There is no response, and so no latency; what was on its way then is no response to anything else."""
    client, server = both()
    played = begun() >> C(client.headers(1, GET, end=True)) >> C(reset(1, 8))
    played >> S(server.headers(1, OK) + data(1, b"late", end=True))
    played >> C(client.headers(3, GET, end=True)) >> S(server.headers(3, OK, end=True))
    played << Call("GET", client_error, exception="CANCEL", latency_us=None, request_id=1)
    played << Call("GET", ok, request_id=3) << end
    assert not any(played.calls.book.losses)


def test_a_response_that_is_cut_off() -> None:
    client, server = both()
    played = (
        begun() >> C(client.headers(1, GET, end=True)) >> S(server.headers(1, OK) + data(1, b"half")) >> S(reset(1, 2))
    )
    played << Call("GET", server_error, code=200, exception="INTERNAL_ERROR", ms=1.0) << end


def test_goaway_refuses_what_came_too_late() -> None:
    client, server = both()
    played = begun()
    for stream in (1, 3, 5):
        played >> C(client.headers(stream, GET, end=True))
    played >> S(goaway(1, 11, b"too many") + server.headers(1, OK, end=True))
    played << Call("GET", ok, request_id=1)
    for stream in (3, 5):
        played << Call("GET", server_error, request_id=stream, exception="ENHANCE_YOUR_CALM: too many", latency_us=None)
    played << end


def test_a_promise_is_a_call_of_its_own() -> None:
    client, server = both()
    promise = frame(
        PUSH_PROMISE, END_HEADERS, 1, struct.pack(">I", 2) + server.block([*GET[:3], (":path", "/style.css")])
    )
    played = begun() >> C(client.headers(1, GET, end=True)) >> S(promise) >> S(server.headers(1, OK, end=True))
    played >> S(server.headers(2, OK) + data(2, b"css", end=True))
    played << Call("GET", ok, request_id=1, resource="/items/42?page=2", ms=2.0)
    played << Call("GET", ok, request_id=2, resource="/style.css", ms=2.0) << end


def test_connect_and_what_is_tunnelled() -> None:
    client, server = both()
    asked = client.headers(1, [(":method", "CONNECT"), (":authority", "db:5432")])
    played = begun() >> C(asked) >> S(server.headers(1, OK)) >> C(data(1, b"Q")) >> S(data(1, b"Z", end=True))
    played << Call("CONNECT", ok, domain="db:5432", resource="", code=200, ms=1.0) << end


def test_a_websocket_by_extended_connect() -> None:
    """RFC 8441 §4."""
    client, server = both()
    fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", "/chat"),
        (":authority", "shop"),
    ]
    played = begun() >> C(client.headers(1, fields)) >> S(server.headers(1, OK)) >> C(data(1, b"\x81\x00", end=True))
    played >> S(data(1, b"\x88\x00", end=True))
    played << Call("CONNECT", ok, resource="/chat", attributes={"http.connect.protocol": "websocket"}) << end


def test_frames_that_are_about_the_connection_say_nothing_of_calls() -> None:
    client, server = both()
    noise = frame(PING, 0, 0, bytes(8)) + frame(8, 0, 0, struct.pack(">I", 1000)) + frame(0xF1, 3, 0, b"unknown type")
    noise += frame(2, 0, 1, struct.pack(">IB", 0, 1))
    played = (
        begun()
        >> C(noise + client.headers(1, GET, end=True) + noise)
        >> S(noise + server.headers(1, OK, end=True) + noise)
    )
    played << Call("GET", ok) << end


def test_trace_context_and_the_number_of_the_request() -> None:
    client, server = both()
    fields = [
        *GET,
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("x-request-id", "r-17"),
        ("x-forwarded-for", "192.0.2.7"),
    ]
    played = begun() >> C(client.headers(1, fields, end=True)) >> S(server.headers(1, OK, end=True))
    played << Call(
        "GET",
        ok,
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        span_id="00f067aa0ba902b7",
        x_request_id="r-17",
        attributes={"client.address": "192.0.2.7"},
    )
    played << end


def test_secrets_do_not_leave() -> None:
    client, server = both()
    fields = [
        *GET[:3],
        (":path", "/login?user=ann&password=hunter2"),
        ("authorization", "Bearer hunter2"),
        ("cookie", "session=hunter2"),
    ]
    answer = [(":status", "200"), ("set-cookie", "session=hunter2")]
    for redacts in (True, False):
        played = play(http2, redacts=redacts) >> C(OPENING + client.headers(1, fields, end=True))
        call = (played >> S(settings() + server.headers(1, answer, end=True))).next()
        assert call is not None
        assert call["resource"] == "/login?user=ann&password=" + ("?" if redacts else "hunter2")
        call.pop("resource")
        assert "hunter2" not in str(call)
        client, server = both()


def test_no_response_in_time() -> None:
    client, _ = both()
    played = begun() >> C(client.headers(1, GET, end=True)) >> Wait(40) >> C(frame(PING, 0, 0, bytes(8)))
    played << Call("GET", timeout, latency_us=None) << end


def test_no_response_by_the_end() -> None:
    client, _ = both()
    begun() >> C(client.headers(1, GET, end=True)) >> RESET << Call("GET", latency_us=None) << end


def test_segments_out_of_order_and_twice() -> None:
    client, server = both()
    first, second = client.headers(1, GET, end=True), client.headers(3, GET, end=True)
    played = begun() >> C(first) >> early(C(second)) >> again(C(second))
    played >> S(server.headers(1, OK, end=True) + server.headers(3, OK, end=True))
    played << Call("GET", ok, request_id=3, domain="shop") << Call("GET", ok, request_id=1, domain="shop") << end


def test_a_long_body_is_passed_over() -> None:
    client, server = both()
    body = b"".join(data(1, b"v" * 16_384) for _ in range(8)) + data(1, b"", end=True)
    played = begun() >> C(client.headers(1, GET, end=True)) >> S(server.headers(1, OK))
    for at in range(0, len(body), 1400):
        played >> S(body[at : at + 1400])
    played >> C(client.headers(3, GET, end=True)) >> S(server.headers(3, OK, end=True))
    (
        played
        << Call("GET", ok, request_id=1, response_bytes=10 + len(body), ms=1.0)
        << Call("GET", ok, request_id=3)
        << end
    )


def test_a_frame_larger_than_what_is_kept() -> None:
    """SETTINGS_MAX_FRAME_SIZE allows it; of such HEADERS the beginning is told."""
    client, server = both()
    fields = [*GET, ("cookie", "c" * 40_000), ("x-request-id", "late")]
    played = begun()
    asked = client.headers(1, fields, end=True)
    for at in range(0, len(asked), 1400):
        played >> C(asked[at : at + 1400])
    played >> S(server.headers(1, OK) + frame(DATA, END_STREAM, 1, bytes(60_000)))
    played << Call("GET", ok, resource="/items/42?page=2", x_request_id="", truncated=True) << end


def test_a_body_of_which_a_part_was_not_captured() -> None:
    client, server = both()
    told = server.headers(1, OK) + data(1, b"v" * 1000, end=True) + server.headers(3, OK, end=True)
    played = begun() >> C(client.headers(1, GET, end=True) + client.headers(3, GET, end=True))
    played >> cut(S(told), 54 + 100) << Call("GET", ok, request_id=1)
    assert played.next() is not None  # whose response lies in what was not captured
    played << end
