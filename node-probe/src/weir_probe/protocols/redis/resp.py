# cython: annotation_typing=False
"""Where values of RESP end: a header line each, then nothing, bytes, or further values."""

from __future__ import annotations

from weir_probe.wire.cursor import Cursor

#: A line of anything but a bulk string: an error, a simple string, a number.
MAX_LINE = 65_536
#: What a bulk string may be long (redis.conf proto-max-bulk-len) and an aggregate may hold.
MAX_BULK, MAX_ITEMS = 1 << 29, 1 << 24
_MAX_LINE, _MAX_BULK, _MAX_ITEMS = MAX_LINE, MAX_BULK, MAX_ITEMS
_NEED_MORE, _INVALID = 0, -1


def line_end(cursor: Cursor, at: int, end: int) -> int:
    """Behind the CRLF that ends the line at `at`; NEED_MORE, INVALID (a lone CR or LF, too long)."""
    last = min(end, at + _MAX_LINE)
    while at < last:
        byte = cursor.u8(at)
        if byte == 0x0A:
            return _INVALID
        if byte == 0x0D:
            if at + 1 >= end:
                return _NEED_MORE
            return at + 2 if cursor.u8(at + 1) == 0x0A else _INVALID
        at += 1
    return _INVALID if last < end else _NEED_MORE


def inline_end(cursor: Cursor, at: int, end: int) -> int:
    """Behind the LF that ends an inline command, with a CR before it or without (redis: processInlineBuffer)."""
    last = min(end, at + _MAX_LINE)
    behind = cursor.find(0x0A, at, last) + 1
    if behind > 0:
        return behind
    return _INVALID if last < end else _NEED_MORE


def number(cursor: Cursor, at: int, end: int) -> int:
    """The decimal number of the line at `at`, whose CRLF ends before `end`; -1 for a null, -2 where it is none."""
    if end - at == 4 and cursor.u8(at) == 0x2D and cursor.u8(at + 1) == 0x31:
        return -1
    if end - at < 3 or end - at > 12:
        return -2
    value = 0
    for place in range(at, end - 2):
        digit = cursor.u8(place) - 0x30
        if digit < 0 or digit > 9:
            return -2
        value = value * 10 + digit
    return value


class Values:
    """Walks values. After `walk`, `owed` are those that are still to come, and `at` is where they come."""

    def __init__(self) -> None:
        self.owed = 0
        self.at = 0

    def walk(self, cursor: Cursor, at: int, end: int, owed: int) -> int:
        """Go on as long as values are there, wholly or with a known length: 1, or INVALID."""
        while owed > 0 and at < end:
            kind = cursor.u8(at)
            behind = line_end(cursor, at + 1, end)
            if behind == _INVALID:
                return _INVALID
            if behind == _NEED_MORE:
                break
            if kind in b"$!=":  # bulk string, bulk error, verbatim string
                size = number(cursor, at + 1, behind)
                if size < -1 or size > _MAX_BULK:
                    return _INVALID
                if size >= 0:
                    behind += size + 2
                    if behind <= end and (cursor.u8(behind - 2) != 0x0D or cursor.u8(behind - 1) != 0x0A):
                        return _INVALID
            elif kind in b"*~>%|":  # array, set, push, map, attribute
                size = number(cursor, at + 1, behind)
                if size < -1 or size > _MAX_ITEMS:
                    return _INVALID
                if size > 0:
                    owed += size * 2 if kind in b"%|" else size
                if kind == 0x7C:  # what an attribute describes comes after it
                    owed += 1
            elif kind not in b"+-:_#,(":
                return _INVALID
            owed -= 1
            at = behind
        self.owed = owed
        self.at = at
        return 1
