"""Is it HTTP/2? The client's preface says so; in the middle of a connection, frames and what their fields are about."""

from __future__ import annotations

from typing import Final

from weir_probe.protocols.http2.fields import AUTHORITY, GRPC_STATUS, METHOD, PATH, SCHEME, STATUS
from weir_probe.protocols.http2.frames import (
    END_HEADERS,
    HAS_PRIORITY,
    HEADER,
    HEADERS,
    PADDED,
    length_of,
    stream_of,
    strict,
)
from weir_probe.protocols.http2.hpack import Decoder
from weir_probe.protocols.http2.response import number
from weir_probe.protocols.parser import FROM_CLIENT, FROM_SERVER, INVALID, NEED_MORE
from weir_probe.wire.cursor import Cursor

#: RFC 9113 §3.4.
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_ASKS: Final = (METHOD, SCHEME, PATH, AUTHORITY)
_FIRST: Final = (*_ASKS, STATUS, GRPC_STATUS)


def detect(cursor: Cursor, at: int, end: int) -> int:
    """Frames without fields of a request or response do not say who sends them: more is needed then."""
    there = min(end - at, len(PREFACE))
    if cursor.u8(at) == PREFACE[0] and all(cursor.u8(at + place) == PREFACE[place] for place in range(there)):
        return FROM_CLIENT if there == len(PREFACE) else NEED_MORE
    while end - at >= HEADER:
        if not strict(cursor, at):
            return INVALID
        size = HEADER + length_of(cursor, at)
        if cursor.u8(at + 3) == HEADERS:
            side = _side(cursor, at, end, at + size)
            if side != NEED_MORE:
                return side
        at += size
    return NEED_MORE


def _side(cursor: Cursor, at: int, end: int, stop: int) -> int:
    """Who sends these HEADERS; NEED_MORE: they do not say it, or not yet."""
    flags = cursor.u8(at + 4)
    place = at + HEADER
    if flags & PADDED:
        stop -= cursor.u8(place)
        place += 1
    if flags & HAS_PRIORITY:
        place += 5
    if place >= stop:
        return INVALID
    block = Decoder()
    there = min(end, stop)
    while place < there and block.fields == 0:
        if not block.feed(cursor, place, place + 1):
            return INVALID
        place += 1
    if block.fields and not block.unknown and not any(block.has(kind) for kind in _FIRST):
        return INVALID  # pseudo-headers come first (RFC 9113 §8.3)
    whole = flags & END_HEADERS and end >= stop
    if not block.feed(cursor, place, there) or (whole and not block.whole()):
        return INVALID
    asks = sum(block.has(kind) for kind in _ASKS)
    answers = block.has(STATUS) or block.has(GRPC_STATUS)
    if asks and (answers or not stream_of(cursor, at) & 1 or not _is_method(block) or not _is_path(block)):
        return INVALID
    if block.has(STATUS) and not 100 <= number(block, STATUS) <= 599:
        return INVALID
    if block.has(GRPC_STATUS) and number(block, GRPC_STATUS) < 0:
        return INVALID
    if not (whole or block.fields > 2) or not (answers or asks >= 2):
        return NEED_MORE
    return FROM_SERVER if answers else FROM_CLIENT


def _is_method(block: Decoder) -> bool:
    """A token in capitals, where it is known."""
    at = block.start[METHOD]
    return all(0x41 <= block.values.u8(at + place) <= 0x5A for place in range(block.length[METHOD]))


def _is_path(block: Decoder) -> bool:
    """It starts with a slash, or is `*` (RFC 9113 §8.3.1), where it is known."""
    return not block.has(PATH) or block.values.u8(block.start[PATH]) in b"/*"
