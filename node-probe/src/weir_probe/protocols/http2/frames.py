# cython: annotation_typing=False
"""Frame headers (RFC 9113 §4.1): length, type, flags, stream."""

from __future__ import annotations

from typing import Final

from weir_probe.wire.cursor import Cursor

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
#: ALTSVC (RFC 7838), ORIGIN (RFC 8336), PRIORITY_UPDATE (RFC 9218): the further ones that are seen in practice.
_ALTSVC, _ORIGIN, _PRIORITY_UPDATE = 0x0A, 0x0C, 0x10
END_STREAM, ACK, END_HEADERS, PADDED, HAS_PRIORITY = 0x01, 0x01, 0x04, 0x08, 0x20
HEADER: Final = 9
#: SETTINGS_MAX_FRAME_SIZE at first, and at most (RFC 9113 §6.5.2).
MAX_FRAME: Final = 16_384
LARGEST_FRAME: Final = (1 << 24) - 1

_DATA, _HEADERS, _PRIORITY, _RST_STREAM, _SETTINGS = DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS
_PUSH_PROMISE, _PING, _GOAWAY, _WINDOW_UPDATE, _CONTINUATION = PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION
_HEADER, _MAX_FRAME, _RESERVED = HEADER, MAX_FRAME, 0x80000000
#: Flags that a type does not define.
_NOT_DATA, _NOT_HEADERS, _NOT_PROMISE, _NOT_CONTINUATION = 0xF6, 0xD2, 0xF3, 0xFB


def length_of(cursor: Cursor, at: int) -> int:
    """Of the payload."""
    return cursor.u16(at) << 8 | cursor.u8(at + 2)


def stream_of(cursor: Cursor, at: int) -> int:
    """The stream, without the reserved bit."""
    return cursor.u32(at + 5) & 0x7FFFFFFF


def lawful(cursor: Cursor, at: int) -> bool:
    """Whether a receiver has to take the frame: RFC 9113 fixes stream and length for most types."""
    length = length_of(cursor, at)
    kind = cursor.u8(at + 3)
    stream = stream_of(cursor, at)
    if kind == _DATA or kind == _HEADERS or kind == _CONTINUATION:
        return stream > 0
    if kind == _PRIORITY:
        return stream > 0 and length == 5
    if kind == _RST_STREAM:
        return stream > 0 and length == 4
    if kind == _PUSH_PROMISE:
        return stream > 0 and length >= 4
    if kind == _SETTINGS:
        return stream == 0 and length % 6 == 0 and (length == 0 or not cursor.u8(at + 4) & 1)
    if kind == _PING:
        return stream == 0 and length == 8
    if kind == _GOAWAY:
        return stream == 0 and length >= 8
    return kind != _WINDOW_UPDATE or length == 4


def strict(cursor: Cursor, at: int) -> bool:
    """Whether this is the header of a frame as they are sent in practice: what arbitrary bytes hardly ever are."""
    length = length_of(cursor, at)
    kind = cursor.u8(at + 3)
    flags = cursor.u8(at + 4)
    if length > _MAX_FRAME or cursor.u8(at + 5) >= 0x80 or not lawful(cursor, at):
        return False
    if kind == _DATA:
        return flags & _NOT_DATA == 0 and (length > 0 or flags > 0)
    if kind == _HEADERS:
        return flags & _NOT_HEADERS == 0 and length > 0
    if kind == _SETTINGS:
        return flags <= 1 and length <= 240
    if kind == _PING:
        return flags <= 1
    if kind == _PUSH_PROMISE:
        return flags & _NOT_PROMISE == 0
    if kind == _CONTINUATION:
        return flags & _NOT_CONTINUATION == 0
    if kind <= _WINDOW_UPDATE:
        return flags == 0 and (kind != _WINDOW_UPDATE or not cursor.has(at, 13) or 0 < cursor.u32(at + 9) < _RESERVED)
    return flags == 0 and (kind == _ALTSVC or kind == _ORIGIN or kind == _PRIORITY_UPDATE)
