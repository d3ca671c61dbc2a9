"""What observations want left out, beyond what always is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from play import C, Call, S, play
from weir_probe.protocols import redaction
from weir_probe.protocols.http1 import SPEC as HTTP1

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
