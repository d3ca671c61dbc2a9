"""HTTP/2 that begins as HTTP/1: the upgrade of RFC 7540 §3.2."""

from __future__ import annotations

import pytest

from http2_frames import GET, OK, PREFACE, both, data, settings
from play import C, Call, S, client_error, end, ok, play
from weir_probe.protocols.registry import BY_NAME, PROTOCOLS

http1, http2 = (PROTOCOLS[BY_NAME[name]] for name in ("http1", "http2"))

ASKS = (
    b"GET /items/7?page=1 HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
)
SWITCHES = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"


@pytest.mark.parametrize("at_once", [True, False], ids=["with the 101", "after the preface"])
def test_the_request_of_the_upgrade_is_answered_on_stream_1(at_once: bool) -> None:
    client, server = both()
    answer = server.headers(1, [(":status", "404")]) + data(1, b"no", end=True)
    played = play(http1, http2) >> C(ASKS)
    if at_once:
        played >> S(SWITCHES + settings() + answer) >> C(PREFACE + settings())
    else:
        played >> S(SWITCHES + settings()) >> C(PREFACE + settings()) >> S(answer)
    played >> C(client.headers(3, GET, end=True)) >> S(server.headers(3, OK, end=True))
    played << Call(
        "GET",
        client_error,
        protocol="HTTP/2",
        resource="/items/7?page=1",
        domain="shop",
        request_id=1,
        code=404,
        ms=1.0 if at_once else 3.0,
    )
    played << Call("GET", ok, protocol="HTTP/2", request_id=3, resource="/items/42?page=2", ms=1.0) << end
    assert not any(played.calls.book.losses)


def test_a_server_that_does_not_upgrade_answers_in_http_1() -> None:
    played = play(http1, http2) >> C(ASKS) >> S(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    played << Call("GET", ok, protocol="HTTP", resource="/items/7?page=1") << end
