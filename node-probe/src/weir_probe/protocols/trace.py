# cython: annotation_typing=False
"""Trace context: from a header (attachment, key of a SQL comment) to the trace columns of a message.

A name says its format by `format_of`, its value is written by `put`. Where a message has several, the first of these
counts: W3C traceparent, B3, SkyWalking's sw8, Jaeger's uber-trace-id. A value that breaks its format is passed over.
"""

from __future__ import annotations

from typing import Final

from weir_probe.protocols.message import PARENT_SPAN_ID, SPAN_ID, TRACE_ID, X_REQUEST_ID, Message
from weir_probe.wire.cursor import Cursor

#: Answers of `format_of`; 0 is none of them.
X_REQUEST: Final = 1
UBER: Final = 2
SW8: Final = 3
B3: Final = 4
B3_TRACE_ID: Final = 5
B3_SPAN_ID: Final = 6
B3_PARENT_SPAN_ID: Final = 7
TRACEPARENT: Final = 8
#: Of an id as text: what is longer is no id.
MAX_ID: Final = 128

_X_REQUEST, _UBER, _SW8, _B3, _B3_TRACE_ID = X_REQUEST, UBER, SW8, B3, B3_TRACE_ID
_B3_SPAN_ID, _B3_PARENT_SPAN_ID, _TRACEPARENT, _MAX_ID = B3_SPAN_ID, B3_PARENT_SPAN_ID, TRACEPARENT, MAX_ID
_TRACE_ID, _SPAN_ID, _PARENT_SPAN_ID, _X_REQUEST_ID = TRACE_ID, SPAN_ID, PARENT_SPAN_ID, X_REQUEST_ID
_DASH, _COLON, _PERCENT = ord("-"), ord(":"), ord("%")


def format_of(cursor: Cursor, at: int, count: int) -> int:
    """Which format the name of a header announces, in any case of letters; 0: it is about something else."""
    if count == 2:
        return _B3 if cursor.is_name(at, count, b"b3") else 0
    if count == 3:
        return _SW8 if cursor.is_name(at, count, b"sw8") else 0
    if count == 11:
        if cursor.is_name(at, count, b"traceparent"):
            return _TRACEPARENT
        return _B3_SPAN_ID if cursor.is_name(at, count, b"x-b3-spanid") else 0
    if count == 12:
        if cursor.is_name(at, count, b"x-request-id"):
            return _X_REQUEST
        return _B3_TRACE_ID if cursor.is_name(at, count, b"x-b3-traceid") else 0
    if count == 13:
        return _UBER if cursor.is_name(at, count, b"uber-trace-id") else 0
    return _B3_PARENT_SPAN_ID if cursor.is_name(at, count, b"x-b3-parentspanid") else 0


def put(kind: int, cursor: Cursor, at: int, count: int, message: Message) -> None:
    """Write what the value of a header says; `kind` is what `format_of` said of its name."""
    if not cursor.has(at, count):
        return
    if kind == _TRACEPARENT:
        _traceparent(cursor, at, count, message)
    elif kind == _X_REQUEST:
        if 0 < count <= _MAX_ID:
            message.put(_X_REQUEST_ID, cursor, at, count)
    elif kind == _SW8:
        _sw8(cursor, at, at + count, message)
    elif kind == _UBER:
        _uber(cursor, at, at + count, message)
    elif kind == _B3:
        _b3(cursor, at, at + count, message)
    elif kind == _B3_TRACE_ID:
        if _is_id(cursor, at, count, 32) and _outranks(message, _B3):
            message.put(_TRACE_ID, cursor, at, count)
    elif kind == _B3_SPAN_ID:
        if _is_id(cursor, at, count, 16) and _outranks(message, _B3):
            message.put(_SPAN_ID, cursor, at, count)
    elif kind == _B3_PARENT_SPAN_ID and _is_id(cursor, at, count, 16) and _outranks(message, _B3):
        message.put(_PARENT_SPAN_ID, cursor, at, count)


def _outranks(message: Message, rank: int) -> bool:
    """Whether this format may write the columns; what one of less rank wrote is taken back."""
    if rank < message.trace_rank:
        return False
    if rank > message.trace_rank:
        message.begin(_TRACE_ID)
        message.begin(_SPAN_ID)
        message.begin(_PARENT_SPAN_ID)
        message.trace_rank = rank
    return True


def _is_id(cursor: Cursor, at: int, count: int, most: int) -> bool:
    """Hexadecimal digits, `most` at most, not all of them zero."""
    if count < 1 or count > most:
        return False
    some = False
    for place in range(at, at + count):
        byte = cursor.u8(place)
        if byte < 0x30 or (byte > 0x39 and ((byte | 0x20) < 0x61 or (byte | 0x20) > 0x66)):
            return False
        some = some or byte != 0x30
    return some


def _has_capitals(cursor: Cursor, at: int, end: int) -> bool:
    for place in range(at, end):
        if 0x41 <= cursor.u8(place) <= 0x5A:
            return True
    return False


def _traceparent(cursor: Cursor, at: int, count: int, message: Message) -> None:
    """`version-trace-parent-flags`, of fixed length (W3C Trace Context §3.2); a later version may append."""
    if count < 55 or (count > 55 and (cursor.u16(at) == 0x3030 or cursor.u8(at + 55) != _DASH)):
        return
    if cursor.u8(at + 2) != _DASH or cursor.u8(at + 35) != _DASH or cursor.u8(at + 52) != _DASH:
        return
    if cursor.u16(at) == 0x6666 or not (cursor.u16(at) == 0x3030 or _is_id(cursor, at, 2, 2)):
        return
    if not _is_id(cursor, at + 3, 32, 32) or not _is_id(cursor, at + 36, 16, 16):
        return
    if not (cursor.u16(at + 53) == 0x3030 or _is_id(cursor, at + 53, 2, 2)) or _has_capitals(cursor, at, at + 55):
        return
    if _outranks(message, _TRACEPARENT):
        message.put(_TRACE_ID, cursor, at + 3, 32)
        message.put(_SPAN_ID, cursor, at + 36, 16)


def _stop(cursor: Cursor, at: int, end: int, mark: int) -> int:
    """Where the next `mark` stands, or the end."""
    while at < end and cursor.u8(at) != mark:
        at += 1
    return at


def _b3(cursor: Cursor, at: int, end: int, message: Message) -> None:
    """`trace-span[-sampled[-parent]]`; a lone sampling state names no trace (B3 single header)."""
    span = _stop(cursor, at, end, _DASH) + 1
    sampled = _stop(cursor, span, end, _DASH) + 1
    parent = _stop(cursor, sampled, end, _DASH) + 1
    if not _is_id(cursor, at, span - 1 - at, 32) or not _is_id(cursor, span, sampled - 1 - span, 16):
        return
    if _outranks(message, _B3):
        message.put(_TRACE_ID, cursor, at, span - 1 - at)
        message.put(_SPAN_ID, cursor, span, sampled - 1 - span)
        if _is_id(cursor, parent, end - parent, 16):
            message.put(_PARENT_SPAN_ID, cursor, parent, end - parent)


def _uber_stop(cursor: Cursor, at: int, end: int) -> int:
    """Where the next colon stands, which some senders escape as %3A."""
    while at < end and cursor.u8(at) != _COLON and cursor.u8(at) != _PERCENT:
        at += 1
    return at


def _behind(cursor: Cursor, at: int, end: int) -> int:
    """Behind the colon at `at`."""
    return at + 3 if at < end and cursor.u8(at) == _PERCENT else at + 1


def _uber(cursor: Cursor, at: int, end: int, message: Message) -> None:
    """`trace:span:parent:flags`; no parent is 0 (jaegertracing.io, Client Libraries, Propagation Format)."""
    trace_end = _uber_stop(cursor, at, end)
    span = _behind(cursor, trace_end, end)
    span_end = _uber_stop(cursor, span, end)
    parent = _behind(cursor, span_end, end)
    parent_end = _uber_stop(cursor, parent, end)
    if parent_end >= end or not _is_id(cursor, at, trace_end - at, 32) or not _is_id(cursor, span, span_end - span, 16):
        return
    if _outranks(message, _UBER):
        message.put(_TRACE_ID, cursor, at, trace_end - at)
        message.put(_SPAN_ID, cursor, span, span_end - span)
        if _is_id(cursor, parent, parent_end - parent, 16):
            message.put(_PARENT_SPAN_ID, cursor, parent, parent_end - parent)


def _sw8(cursor: Cursor, at: int, end: int, message: Message) -> None:
    """`sample-trace-segment-span-…`, the ids in Base64 (SkyWalking Cross Process Propagation Headers v3). A span's
    number is unique within its segment, so both name it."""
    trace = _stop(cursor, at, end, _DASH) + 1
    segment = _stop(cursor, trace, end, _DASH) + 1
    span = _stop(cursor, segment, end, _DASH) + 1
    span_end = _stop(cursor, span, end, _DASH)
    if span >= end or span_end == span or span_end - span > 10:
        return
    for place in range(span, span_end):
        if cursor.u8(place) < 0x30 or cursor.u8(place) > 0x39:
            return
    if not _is_base64(cursor, trace, segment - 1) or not _is_base64(cursor, segment, span - 1):
        return
    if _outranks(message, _SW8):
        message.begin(_TRACE_ID)
        _add_decoded(cursor, trace, segment - 1, message)
        message.begin(_SPAN_ID)
        _add_decoded(cursor, segment, span - 1, message)
        message.add(_DASH)
        message.add_from(cursor, span, span_end - span)


def _sextet(byte: int) -> int:
    """What a letter of Base64 stands for (RFC 4648 §4); -1: it is none."""
    if 0x41 <= byte <= 0x5A:
        return byte - 0x41
    if 0x61 <= byte <= 0x7A:
        return byte - 0x61 + 26
    if 0x30 <= byte <= 0x39:
        return byte - 0x30 + 52
    if byte == 0x2B:
        return 62
    return 63 if byte == 0x2F else -1


def _is_base64(cursor: Cursor, at: int, end: int) -> bool:
    """Some letters of Base64, of no more than MAX_ID bytes; padding is optional."""
    while end > at and cursor.u8(end - 1) == 0x3D:
        end -= 1
    if end <= at or (end - at) * 3 > _MAX_ID * 4:
        return False
    for place in range(at, end):
        if _sextet(cursor.u8(place)) < 0:
            return False
    return True


def _add_decoded(cursor: Cursor, at: int, end: int, message: Message) -> None:
    bits = 0
    held = 0
    for place in range(at, end):
        value = _sextet(cursor.u8(place))
        if value < 0:
            return
        held = (held << 6 | value) & 0xFFFF
        bits += 6
        if bits >= 8:
            bits -= 8
            message.add(held >> bits & 0xFF)
