"""HTTP/1: requests and responses, in conversations."""

from __future__ import annotations

import pytest

from play import (
    RESET,
    SYN,
    C,
    Call,
    S,
    Wait,
    again,
    client_error,
    cut,
    early,
    end,
    lost,
    ok,
    play,
    server_error,
    unknown,
)
from weir_probe.protocols.registry import BY_NAME, PROTOCOLS

http = PROTOCOLS[BY_NAME["http1"]]

GET = b"GET /users/42?page=2 HTTP/1.1\r\nHost: shop.example\r\n\r\n"
OTHER = b"GET /other HTTP/1.1\r\nHost: shop.example\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def response(code: int, reason: str = "X", *fields: bytes, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {code} {reason}".encode(), b"Content-Length: %d" % len(body), *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def test_a_request_and_its_response() -> None:
    (
        play(http)
        >> C(GET)
        >> S(OK)
        << Call(
            "GET",
            ok,
            protocol="HTTP",
            domain="shop.example",
            resource="/users/42?page=2",
            endpoint="/users/{id}",
            code=200,
            request_bytes=len(GET),
            response_bytes=len(OK),
            ms=1.0,
            truncated=False,
        )
        << end
    )


@pytest.mark.parametrize(
    ("code", "status"),
    [(200, ok), (302, ok), (400, client_error), (404, client_error), (500, server_error), (503, server_error)],
)
def test_the_status_code_tells_whose_error_it_is(code: int, status: str) -> None:
    told = play(http) >> C(GET) >> S(response(code, "Some Reason"))
    told << Call("GET", status, code=code, exception="" if status == ok else "Some Reason") << end


@pytest.mark.parametrize("method", [b"POST", b"PROPFIND", b"M-SEARCH", b"BASELINE-CONTROL", b"PURGE", b"X_OWN"])
def test_any_method(method: bytes) -> None:
    request = GET.replace(b"GET", method)
    play(http) >> C(request) >> S(OK) << Call(method.decode(), ok, endpoint="/users/{id}") << end


def test_pipelined_requests_in_one_segment_have_a_response_each() -> None:
    played = play(http) >> C(GET * 50 + OTHER + GET * 49) >> S(OK * 30) >> S(OK * 20 + response(404) + OK * 49)
    for number in range(100):
        status, path = (client_error, "/other") if number == 50 else (ok, "/users/42?page=2")
        played << Call("GET", status, resource=path, ms=1.0 if number < 30 else 2.0)
    played << end


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20])
def test_in_pieces_of_every_size(size: int) -> None:
    request = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nT: 1\r\n\r\n"
    answer = CHUNKED + b"1\r\na\r\nA\r\n0123456789\r\n0\r\n\r\n"
    played = play(http)
    for _ in range(2):
        for data, side in (request, C), (answer, S):
            for place in range(0, len(data), size):
                played >> side(data[place : place + size])
    call = Call("POST", ok, resource="/a", domain="h", request_bytes=len(request), response_bytes=len(answer))
    played << call << call << end


def test_a_long_body_is_passed_over() -> None:
    body = b"GET / HTTP/1.1\r\n\r\n" * 10_000
    request = b"PUT /big HTTP/1.1\r\ncontent-length:%d\r\n\r\n" % len(body) + body
    played = play(http)
    for place in range(0, len(request), 1400):
        played >> C(request[place : place + 1400])
    played >> S(OK) >> C(GET) >> S(OK)
    played << Call("PUT", ok, request_bytes=len(request)) << Call("GET", ok) << end


def test_a_long_chunked_body_of_which_segments_are_lost() -> None:
    """The response's end is not seen; the next request and response are in step again."""
    played = play(http) >> C(GET) >> S(CHUNKED + b"800\r\n" + b"x" * 1000) >> lost(S(b"x" * 1400)) >> S(b"x" * 300)
    played >> C(OTHER) >> S(OK) << Call("GET", ok, code=200, ms=1.0) << Call("GET", ok, resource="/other") << end


def test_a_request_whose_body_was_not_captured_has_its_response() -> None:
    request = b"POST /up HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    played = play(http) >> C(request + b"800\r\n" + b"x" * 500) >> lost(C(b"x" * 1548)) >> C(b"\r\n0\r\n\r\n") >> S(OK)
    played >> C(GET) >> S(OK) << Call("POST", ok, code=200) << Call("GET", ok) << end


def test_a_request_of_whose_body_several_pieces_were_not_captured() -> None:
    chunks = b"80\r\n" + b"x" * 128 + b"\r\n"
    played = play(http) >> C(b"POST /up HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + 5 * chunks)
    played >> lost(C(5 * chunks)) >> C(5 * chunks) >> cut(C(5 * chunks), 54 + 20) >> C(b"0\r\n\r\n") >> S(OK)
    played >> C(GET) >> S(OK) << Call("POST", ok, code=200) << Call("GET", ok) << end


def test_a_head_that_was_not_captured_whole() -> None:
    long = GET[:-2] + b"Cookie: " + b"c" * 3000 + b"\r\n\r\n"
    played = play(http) >> cut(C(long), 54 + 200) >> cut(S(OK[:-2] + b"x" * 500 + b"\r\n"), 54 + 20)
    played >> C(OTHER) >> S(OK)
    (
        played
        << Call("GET", ok, code=200, resource="/users/42?page=2", ms=1.0)
        << Call("GET", ok, resource="/other")
        << end
    )


def test_read_until_close() -> None:
    head = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n"
    played = play(http) >> C(GET) >> S(head) >> S(b"HTTP/1.1 500 no\r\n\r\n") >> S(b"more") >> RESET
    played << Call("GET", ok, code=200, response_bytes=len(head) + 19 + 4) << end


@pytest.mark.parametrize("code", [204, 304])
def test_codes_without_a_body(code: int) -> None:
    bare = b"HTTP/1.1 %d No\r\nContent-Length: 100\r\n\r\n" % code
    play(http) >> C(GET + OTHER) >> S(bare + OK) << Call("GET", ok, code=code) << Call("GET", ok, code=200) << end


def test_head_has_no_body() -> None:
    played = play(http) >> C(b"HEAD /h HTTP/1.1\r\n\r\n" + GET + OTHER)
    played >> S(b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n" + CHUNKED + b"0\r\n\r\n" + OK)
    played << Call("HEAD", ok) << Call("GET", ok) << Call("GET", ok, resource="/other") << end


def test_an_interim_response_is_not_the_answer() -> None:
    """The latency is that of the final one (RFC 9110 §15.2)."""
    head, body = b"POST /u HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", b"hello"
    played = play(http) >> C(head) >> S(b"HTTP/1.1 100 Continue\r\n\r\n") >> C(body)
    played >> S(b"HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\n") >> S(OK)
    played << Call("POST", ok, code=200, ms=4.0) << end


def test_a_refusal_instead_of_100_continue() -> None:
    head = b"POST /u HTTP/1.1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
    played = play(http) >> C(head) >> S(response(417)) >> C(b"0\r\n\r\n" + GET) >> S(OK)
    played << Call("POST", client_error, code=417) << Call("GET", ok) << end


def test_a_websocket() -> None:
    request = GET[:-2] + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
    played = play(http) >> C(request) >> S(answer + b"\x81\x05hello") >> C(b"\x81\x85abcdefghi") >> S(OK)
    played << Call("GET", ok, code=101) << end


def test_an_upgrade_to_http2_is_answered_on_stream_1() -> None:
    """The request was HTTP/1's, its response is HTTP/2's (RFC 7540 §3.2)."""
    http2 = PROTOCOLS[BY_NAME["http2"]]
    request = GET[:-2] + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
    consent = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    settings = b"\0\0\0\4\0\0\0\0\0"
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings
    get, found, broken = (
        b"\0\0\x03\1\5\0\0\0\3\x82\x84\x86",
        b"\0\0\1\1\5\0\0\0\1\x88",
        b"\0\0\1\1\5\0\0\0\3\x8e",
    )
    played = play(http, http2) >> C(request) >> S(consent + settings) >> C(preface + get) >> S(found) >> S(broken)
    (
        played
        << Call("GET", ok, protocol="HTTP/2", resource="/users/42?page=2", request_id=1, code=200, ms=3.0)
        << Call("GET", server_error, protocol="HTTP/2", resource="/", request_id=3, code=500, ms=2.0)
        << end
    )


def test_a_tunnel_is_asked_for_its_protocol() -> None:
    redis = PROTOCOLS[BY_NAME["redis"]]
    ping = b"*1\r\n$4\r\nPING\r\n"
    played = play(http, redis) >> C(b"CONNECT db:6379 HTTP/1.1\r\nHost: db:6379\r\n\r\n" + ping)
    played >> S(b"HTTP/1.1 200 Connection established\r\nTransfer-Encoding: chunked\r\n\r\n") >> S(b"+PONG\r\n")
    played << Call("CONNECT", ok, domain="db:6379", ms=1.0) << Call("PING", ok, ms=2.0) << end


def test_a_tunnel_of_socks() -> None:
    """RFC 1928: what its server says might be the length of a message of DNS, so it waits."""
    played = (
        play(*PROTOCOLS) >> C(b"\5\1\0") >> S(b"\5\0") >> C(b"\5\1\0\1\xc0\0\2\1\0\x50") >> S(b"\5\0\0\1" + bytes(6))
    )
    for _ in range(2):
        played >> C(GET) >> S(OK) << Call("GET", ok, domain="shop.example", response_bytes=len(OK))
    played << end


def test_a_tunnel_that_is_refused() -> None:
    played = play(http) >> C(b"CONNECT db:6379 HTTP/1.1\r\n\r\n") >> S(response(407)) >> C(GET) >> S(OK)
    played << Call("CONNECT", client_error, code=407) << Call("GET", ok) << end


@pytest.mark.parametrize(
    ("target", "domain", "resource"),
    [
        (b"http://other.example/a?b", "other.example", "/a?b"),
        (b"http://jane:pw@other.example:81/a", "other.example:81", "/a"),
        (b"http://other.example", "other.example", ""),
        (b"*", "shop.example", "*"),
        (b"a?b", "shop.example", "a?b"),
    ],
)
def test_forms_of_the_target(target: bytes, domain: str, resource: str) -> None:
    request = GET.replace(b"/users/42?page=2", target)
    play(http) >> C(request) >> S(OK) << Call("GET", ok, domain=domain, resource=resource) << end


def test_trace_context_and_attributes() -> None:
    fields = (
        b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nX-Request-Id: r1\r\n"
        b"USER-AGENT:  curl/8 \r\nX-Forwarded-For: 10.9.8.7, 10.0.0.9\r\n"
    )
    played = play(http) >> C(GET[:-2] + fields + b"\r\n") >> S(OK)
    played << Call(
        "GET",
        ok,
        trace_id="0af7651916cd43dd8448eb211c80319c",
        span_id="b7ad6b7169203331",
        x_request_id="r1",
        attributes={"user_agent.original": "curl/8", "client.address": "10.9.8.7, 10.0.0.9"},
    )


def test_an_attribute_ends_where_its_value_does() -> None:
    request = GET[:-2] + b"User-Agent: a\0client.address\0forged\r\nX-Forwarded-For: 10.9.8.7\r\n\r\n"
    told = {"user_agent.original": "a", "client.address": "10.9.8.7"}
    play(http) >> C(request) >> S(OK) << Call("GET", ok, attributes=told) << end


def test_the_server_names_the_request() -> None:
    play(http) >> C(GET) >> S(response(200, "OK", b"X-Request-ID: s9")) << Call("GET", ok, x_request_id="s9") << end


def test_secrets_do_not_leave() -> None:
    request = (
        b"GET /login?user=jane&token=s3cret&x=1&api_key=s3cret HTTP/1.1\r\nAuthorization: Basic s3cret\r\n"
        b"Proxy-Authorization: s3cret\r\nCookie: s3cret\r\n\r\n"
    )
    answer = response(200, "OK", b"Set-Cookie: s3cret", body=b"s3cret")
    call = (play(http) >> C(request) >> S(answer) >> Wait(0)).next()
    assert call is not None
    assert "s3cret" not in str(call)
    assert call["resource"] == "/login?user=jane&token=?&x=1&api_key=?"
    play(http, redacts=False) >> C(request) << Call("GET", resource="/login?user=jane&token=s3cret&x=1&api_key=s3cret")


# ---- lost, late and damaged


def test_segments_out_of_order_and_again() -> None:
    played = play(http) >> SYN >> C(GET[:20]) >> early(C(GET[20:])) >> S(OK) >> again(S(OK)) << Call("GET", ok)
    played >> C(OTHER) >> S(response(404)) << Call("GET", client_error) << end


def test_a_lost_response_does_not_shift_those_after_it() -> None:
    played = play(http) >> C(GET + OTHER) >> lost(S(OK)) >> S(response(404)) >> C(GET) >> S(OK)
    played << Call("GET") << Call("GET", resource="/other") << Call("GET", unknown)
    played >> Wait(2) >> C(OTHER) >> S(OK) << Call("GET", ok, resource="/other") << end


def test_a_start_in_the_middle() -> None:
    played = play(http) >> S(b"rest of a body") >> C(GET) >> S(OK) << Call("GET", ok) << end
    assert int(played.calls.book.losses.sum()) == 0


def test_a_response_first() -> None:
    played = play(http) >> S(OK) >> C(GET) >> S(response(500)) << Call("GET", server_error, src_port=40_000) << end
    assert played.calls.book.losses.tolist() == [0, 0, 1, 0]  # no_request


def test_nonsense_in_between() -> None:
    played = play(http) >> C(GET) >> S(OK) >> C(b"\0\1\2\3nonsense\r\n") >> Wait(2) >> C(OTHER) >> S(response(404))
    played << Call("GET", ok) << Call("GET", client_error, resource="/other") << end


# ---- how long is it? (RFC 9112 §6.3)


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 5\r\nContent-Length: 5\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Content-Length:\t5 \r\n",
        b"Content-Length: 5\n",  # a lone line feed
        b"Content-Length:\r\n 5\r\n",  # folded
        b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
        b"X: y\r\nCONTENT-LENGTH: 0005\r\n",
    ],
)
def test_a_body_of_five_bytes(fields: bytes) -> None:
    request = b"POST /five HTTP/1.1\r\n" + fields + b"\r\nGET /"
    played = play(http) >> C(request + GET) >> S(OK + response(404))
    (
        played
        << Call("POST", ok, request_bytes=len(request))
        << Call("GET", client_error, resource="/users/42?page=2")
        << end
    )


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding:\r\n\tCHUNKED\r\n",
        b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
    ],
)
def test_chunks_go_over_the_length(fields: bytes) -> None:
    request = b"POST /five HTTP/1.1\r\n" + fields + b"\r\n5\r\nGET /\r\n0\r\n\r\n"
    played = play(http) >> C(request + GET) >> S(OK + response(404))
    (
        played
        << Call("POST", ok, request_bytes=len(request))
        << Call("GET", client_error, resource="/users/42?page=2")
        << end
    )


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 4\r\nContent-Length: 5\r\n",
        b"Content-Length: 4, 5\r\n",
        b"Content-Length: 4 5\r\n",
        b"Content-Length: -5\r\n",
        b"Content-Length: 0x5\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Content-Length:\r\n",
        b"Transfer-Encoding: chunked, gzip\r\n",
    ],
)
def test_where_nobody_can_tell_nothing_is_smuggled_in(fields: bytes) -> None:
    """Everything up to the close belongs to that request; the server refuses it."""
    request = b"POST /five HTTP/1.1\r\n" + fields + b"\r\n12345"
    played = play(http) >> C(request + GET) >> S(response(400)) >> C(OTHER) >> RESET
    played << Call("POST", client_error, code=400) << end


@pytest.mark.parametrize("line", [b"5 \r\n", b"05;a=b;c\r\n", b"5\n", b"5\t\r\n"])
def test_lines_of_chunks(line: bytes) -> None:
    request = b"POST /five HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + line + b"GET /\r\n0\r\n\r\n"
    played = play(http) >> C(request + GET) >> S(OK + response(404))
    played << Call("POST", ok) << Call("GET", client_error, resource="/users/42?page=2") << end


@pytest.mark.parametrize(
    "line", [b"\r\n", b"x\r\n", b"-5\r\n", b"fffffffffffffffff\r\n", b"5" * 5000, b"4\r\nlonger\r\n0\r\n\r\n"]
)
def test_chunks_that_are_none(line: bytes) -> None:
    """The connection is looked at anew from the next segment that begins like a message."""
    request = b"POST /five HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    played = play(http) >> C(GET) >> S(OK) >> C(request) >> C(line) >> Wait(2) >> C(OTHER) >> S(OK)
    played << Call("GET", ok) << Call("POST") << Call("GET", ok, resource="/other") << end


def test_empty_lines_before_the_first_request() -> None:
    play(http) >> C(b"\r\n\r\n" + GET) >> S(OK) << Call("GET", ok, domain="shop.example") << end


def test_lenient_where_servers_are() -> None:
    """Empty lines before a request, lone line feeds, a blank in the target, a folded field."""
    request = b"\r\n\r\nGET /a b HTTP/1.1\nHost:\n shop.example\n\n"
    (
        play(http)
        >> C(GET)
        >> S(OK)
        >> C(request)
        >> S(b"HTTP/1.0 200\n\n")
        << Call("GET", ok)
        << Call("GET", ok, resource="/a b", domain="shop.example")
        << end
    )


# ---- limits


def test_a_head_of_many_fields() -> None:
    many = b"".join(b"X-Field-%d: %s\r\n" % (number, b"v" * 100) for number in range(500))
    request = b"POST /many HTTP/1.1\r\nHost: h\r\n" + many + b"Content-Length: 5\r\n\r\nGET /"
    played = play(http)
    for place in range(0, len(request), 1400):
        played >> C(request[place : place + 1400])
    played >> C(GET) >> S(OK + response(404))
    played << Call("POST", ok, request_bytes=len(request), domain="h") << Call("GET", client_error) << end


def test_a_field_that_is_longer_than_all_buffers() -> None:
    request = GET[:-2] + b"Cookie: " + b"c" * 100_000 + b"\r\n\r\n"
    played = play(http)
    for place in range(0, len(request), 1400):
        played >> C(request[place : place + 1400])
    played >> S(OK) >> C(OTHER) >> S(OK) << Call("GET", ok, request_bytes=len(request)) << Call("GET", ok) << end


def test_a_target_that_is_longer_than_all_buffers() -> None:
    request = b"GET /" + b"a" * 50_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n"
    played = play(http)
    for place in range(0, len(request), 1400):
        played >> C(request[place : place + 1400])
    played >> S(OK) >> C(OTHER) >> S(OK)
    played << Call("GET", ok, resource="/" + "a" * 511, truncated=True) << Call("GET", ok, resource="/other") << end
