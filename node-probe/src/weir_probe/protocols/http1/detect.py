# cython: annotation_typing=False
"""Is it HTTP/1? A whole first line says so: no other protocol names this version at its end, or at its beginning."""

from __future__ import annotations

from weir_probe.protocols.http1.head import HTTP, is_version, method_end
from weir_probe.protocols.parser import FROM_CLIENT, FROM_SERVER, INVALID, NEED_MORE
from weir_probe.wire.cursor import Cursor

#: Of a request line that does not end, what is enough where a method of RFC 9110 asks for a path.
LONG_LINE = 1000
_LONG_LINE, _HTTP = LONG_LINE, HTTP
_FROM_CLIENT, _FROM_SERVER, _INVALID, _NEED_MORE = FROM_CLIENT, FROM_SERVER, INVALID, NEED_MORE
_MIN_METHOD = 3
_STATUS_LINE = 13  # with what ends the code


def detect(cursor: Cursor, at: int, end: int) -> int:
    """A request line, with methods of capital letters, or a status line.

    Empty lines may come before a request (RFC 9112 §2.2).
    """
    if cursor.u32(at) == _HTTP and cursor.u8(at + 4) == 0x2F:
        return _status_line(cursor, at, end)
    while at < end and (cursor.u8(at) == 0x0D or cursor.u8(at) == 0x0A):
        at += 1
    return _request_line(cursor, at, end)


def _status_line(cursor: Cursor, at: int, end: int) -> int:
    """`HTTP/1.1 200 `, to the end of the code."""
    if end - at < _STATUS_LINE:
        return _NEED_MORE
    if not is_version(cursor, at) or cursor.u8(at + 8) != 0x20 or cursor.u8(at + 9) == 0x30:
        return _INVALID
    for place in range(at + 9, at + 12):
        if cursor.u8(place) < 0x30 or cursor.u8(place) > 0x39:
            return _INVALID
    after = cursor.u8(at + 12)
    return _FROM_SERVER if after == 0x20 or after == 0x0D or after == 0x0A else _INVALID


def _request_line(cursor: Cursor, at: int, end: int) -> int:
    """`GET /path HTTP/1.1` and the end of its line."""
    space = method_end(cursor, at, end)
    for place in range(at, space):
        byte = cursor.u8(place)
        if (byte < 0x41 or byte > 0x5A) and (place == at or (byte > 0x39 and byte != 0x5F)):
            return _INVALID
    if space == end:
        return _NEED_MORE
    if space - at < _MIN_METHOD or cursor.u8(space) != 0x20:
        return _INVALID
    place = space + 1
    while place < end and cursor.u8(place) > 0x20 and cursor.u8(place) != 0x7F:
        place += 1
    if place < end:
        return _version(cursor, place, end) if place > space + 1 else _INVALID
    if end - at >= _LONG_LINE and cursor.u8(space + 1) == 0x2F and _is_common(cursor, at, space - at):
        return _FROM_CLIENT
    return _NEED_MORE


def _version(cursor: Cursor, at: int, end: int) -> int:
    """` HTTP/1.1` and the end of the line."""
    if cursor.u8(at) != 0x20:
        return _INVALID
    if end - at < 10:
        return _NEED_MORE
    if not is_version(cursor, at + 1):
        return _INVALID
    if cursor.u8(at + 9) == 0x0D:
        if end - at < 11:
            return _NEED_MORE
        return _FROM_CLIENT if cursor.u8(at + 10) == 0x0A else _INVALID
    return _FROM_CLIENT if cursor.u8(at + 9) == 0x0A else _INVALID


def _is_common(cursor: Cursor, at: int, count: int) -> bool:
    """Methods that ask for a path (RFC 9110 §9.1, RFC 5789)."""
    if count == 3:
        return cursor.is_name(at, count, b"get") or cursor.is_name(at, count, b"put")
    if count == 4:
        return cursor.is_name(at, count, b"post") or cursor.is_name(at, count, b"head")
    if count == 5:
        return cursor.is_name(at, count, b"patch")
    if count == 6:
        return cursor.is_name(at, count, b"delete")
    return cursor.is_name(at, count, b"options")
