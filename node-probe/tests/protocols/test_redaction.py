"""What observations want left out, beyond what always is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from play import C, Call, S, play
from weir_probe.protocols import redaction
from weir_probe.protocols.http1 import SPEC as HTTP1
from weir_probe.protocols.http2 import SPEC as HTTP2

REQUEST = (
    b"GET /orders?page=2&Card=4111&token=x HTTP/1.1\r\nHost: shop\r\nUser-Agent: curl\r\n"
    b"X-Forwarded-For: 192.0.2.7\r\nX-Request-Id: abc-123\r\n\r\n"
)
RESPONSE = b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.fixture(autouse=True)
def nothing_else() -> Iterator[None]:
    yield
    redaction.leave_out((), ())


def test_headers_and_query_parameters_in_any_case() -> None:
    redaction.leave_out(["USER-agent", "x-request-id"], ["card", "PAGE"])
    (
        play(HTTP1)
        >> C(REQUEST)
        >> S(RESPONSE)
        << Call(
            "GET",
            "ok",
            domain="shop",
            resource="/orders?page=?&Card=?&token=?",
            x_request_id="",
            attributes={"client.address": "192.0.2.7"},
        )
    )


def test_what_nobody_wants_left_out_is_told() -> None:
    redaction.leave_out(["user-agent"], ["card"])
    redaction.leave_out((), ())
    (
        play(HTTP1)
        >> C(REQUEST)
        >> S(RESPONSE)
        << Call(
            "GET",
            "ok",
            resource="/orders?page=2&Card=4111&token=?",
            x_request_id="abc-123",
            attributes={"user_agent.original": "curl", "client.address": "192.0.2.7"},
        )
    )


def test_without_redaction_a_capture_file_is_told_as_it_is() -> None:
    (
        play(HTTP1, redacts=False)
        >> C(REQUEST)
        >> S(RESPONSE)
        << Call("GET", "ok", resource="/orders?page=2&Card=4111&token=x")
    )


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One of HTTP/2 (RFC 9113 §4.1)."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def field(name: bytes, value: bytes) -> bytes:
    """A literal without indexing (RFC 7541 §6.2.2)."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def test_fields_of_http2_by_name_and_by_index() -> None:
    redaction.leave_out(["User-Agent", "x-request-id"], ["card"])
    get, agent_by_index = b"\x82", b"\x0f\x2b\x04curl"
    asked = get + field(b":path", b"/orders?card=4111") + field(b":authority", b"shop") + agent_by_index
    asked += field(b"x-request-id", b"abc-123") + field(b"x-forwarded-for", b"192.0.2.7")
    opening = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0)
    (
        play(HTTP2)
        >> C(opening + frame(1, 5, 1, asked))
        >> S(frame(4, 0, 0) + frame(1, 5, 1, b"\x88"))
        << Call(
            "GET",
            "ok",
            domain="shop",
            resource="/orders?card=?",
            x_request_id="",
            attributes={"client.address": "192.0.2.7"},
        )
    )
