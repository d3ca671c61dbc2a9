"""Trace context in headers: names to formats, values to the trace columns."""

from __future__ import annotations

import pytest

from weir_probe.protocols import trace
from weir_probe.protocols.message import PARENT_SPAN_ID, SPAN_ID, TRACE_ID, X_REQUEST_ID, Message
from weir_probe.wire.cursor import Cursor

TRACE, SPAN, PARENT = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331", b"05e3ac9a4f6e3b90"
W3C = b"00-" + TRACE + b"-" + SPAN + b"-01"
SW8 = b"1-YWJjLjEuMg==-c2VnLjQuNQ==-3-c2hvcA==-aQ==-L29yZGVycw==-MTAuMC4wLjE6ODA="


def told(*headers: tuple[bytes, bytes]) -> tuple[bytes, bytes, bytes]:
    """Trace, span and parent that a message with these headers has."""
    message = read(*headers)
    return message.of(TRACE_ID), message.of(SPAN_ID), message.of(PARENT_SPAN_ID)


def read(*headers: tuple[bytes, bytes]) -> Message:
    message = Message()
    cursor = Cursor()
    for name, value in headers:
        cursor.bind(name + value)
        kind = trace.format_of(cursor, 0, len(name))
        if kind:
            trace.put(kind, cursor, len(name), len(value), message)
    return message


def test_traceparent() -> None:
    assert told((b"traceparent", W3C)) == (TRACE, SPAN, b"")


def test_a_later_version_may_say_more() -> None:
    assert told((b"Traceparent", b"cc" + W3C[2:] + b"-what-is-to-come")) == (TRACE, SPAN, b"")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        W3C[:-1],
        W3C + b"-00",  # of version 00
        W3C + b".",
        b"ff" + W3C[2:],
        W3C.upper(),
        W3C.replace(b"-", b"_"),
        W3C.replace(TRACE, b"0" * 32),
        W3C.replace(SPAN, b"0" * 16),
        W3C.replace(SPAN, b"g" * 16),
        b"\0" * 55,
    ],
)
def test_what_breaks_the_format_names_no_trace(value: bytes) -> None:
    assert told((b"traceparent", value)) == (b"", b"", b"")


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        (TRACE + b"-" + SPAN, (TRACE, SPAN, b"")),
        (TRACE + b"-" + SPAN + b"-1", (TRACE, SPAN, b"")),
        (TRACE[16:] + b"-" + SPAN + b"-d-" + PARENT, (TRACE[16:], SPAN, PARENT)),
        (b"0", (b"", b"", b"")),  # a sampling state
        (TRACE, (b"", b"", b"")),
        (TRACE + b"-" + SPAN + b"x-1", (b"", b"", b"")),
    ],
)
def test_b3_in_one_header(value: bytes, ids: tuple[bytes, bytes, bytes]) -> None:
    assert told((b"b3", value)) == ids


def test_b3_in_several() -> None:
    headers = (b"X-B3-TraceId", TRACE), (b"X-B3-SpanId", SPAN), (b"X-B3-ParentSpanId", PARENT), (b"X-B3-Sampled", b"1")
    assert told(*headers) == (TRACE, SPAN, PARENT)


def test_sw8_names_a_span_by_its_segment() -> None:
    assert told((b"sw8", SW8)) == (b"abc.1.2", b"seg.4.5-3", b"")


@pytest.mark.parametrize(
    "value", [b"", b"1-YWJj", b"1-YWJj-!-3-", b"1--c2Vn-3-", SW8.replace(b"-3-", b"-x-"), b"-" * 500]
)
def test_sw8_that_is_none(value: bytes) -> None:
    assert told((b"sw8", value)) == (b"", b"", b"")


def test_an_id_has_a_limit() -> None:
    assert told((b"sw8", b"1-" + b"YWJj" * 43 + b"-c2Vn-3-x")) == (b"", b"", b"")
    assert read((b"x-request-id", b"r" * 129)).of(X_REQUEST_ID) == b""


@pytest.mark.parametrize("colon", [b":", b"%3A", b"%3a"])
@pytest.mark.parametrize(("parent", "told_parent"), [(PARENT, PARENT), (b"0", b"")])
def test_uber_trace_id(colon: bytes, parent: bytes, told_parent: bytes) -> None:
    value = colon.join((TRACE, SPAN, parent, b"1"))
    assert told((b"uber-trace-id", value)) == (TRACE, SPAN, told_parent)


def test_uber_trace_id_that_is_cut() -> None:
    assert told((b"uber-trace-id", TRACE + b":" + SPAN + b":0")) == (b"", b"", b"")


def test_of_several_formats_the_first_counts_in_any_order() -> None:
    b3 = b"b3", PARENT + b"-" + PARENT + b"-1-" + SPAN
    for headers in ((b"traceparent", W3C), b3, (b"sw8", SW8)), ((b"sw8", SW8), b3, (b"traceparent", W3C)):
        assert told(*headers) == (TRACE, SPAN, b"")
    assert told((b"sw8", SW8), (b"traceparent", b"broken")) == (b"abc.1.2", b"seg.4.5-3", b"")


def test_x_request_id_is_a_column_of_its_own() -> None:
    message = read((b"traceparent", W3C), (b"X-Request-ID", b"7f1c"))
    assert (message.of(X_REQUEST_ID), message.of(TRACE_ID)) == (b"7f1c", TRACE)


@pytest.mark.parametrize("name", [b"", b"b4", b"sw6", b"tracestate", b"x-b3-sampled", b"x-request-ix", b"xrequest-id"])
def test_other_headers(name: bytes) -> None:
    cursor = Cursor()
    cursor.bind(name)
    assert trace.format_of(cursor, 0, len(name)) == 0


def test_a_name_or_value_beyond_the_bytes_that_are_there() -> None:
    cursor = Cursor()
    cursor.bind(b"traceparen")
    assert trace.format_of(cursor, 0, 11) == 0
    message = Message()
    trace.put(trace.TRACEPARENT, cursor, 0, 55, message)
    assert message.of(TRACE_ID) == b""
