"""Is it RESP? A client's array of bulk strings says so; a server's first bytes alone are too like those of others."""

from __future__ import annotations

from weir_probe.protocols.parser import FROM_CLIENT, INVALID, NEED_MORE
from weir_probe.protocols.redis.resp import line_end, number
from weir_probe.wire.cursor import Cursor

_MAX_ARGUMENTS = 1_048_576  # redis.c, processMultibulkBuffer
_MAX_VERB = 64


def detect(cursor: Cursor, at: int, end: int) -> int:
    """`*<n>\\r\\n$<n>\\r\\n<a command's name>\\r\\n`."""
    if cursor.u8(at) != ord("*"):
        return INVALID
    first = line_end(cursor, at + 1, end)
    if first <= 0:
        return first if end - at < 16 else INVALID
    if not 0 < number(cursor, at + 1, first) <= _MAX_ARGUMENTS:
        return INVALID
    if first >= end:
        return NEED_MORE
    if cursor.u8(first) != ord("$"):
        return INVALID
    second = line_end(cursor, first + 1, end)
    if second <= 0:
        return second if end - first < 16 else INVALID
    size = number(cursor, first + 1, second)
    if not 0 < size <= _MAX_VERB:
        return INVALID
    there = min(second + size, end)
    if not all(_in_a_name(cursor.u8(place)) for place in range(second, there)):
        return INVALID
    if second + size + 2 > end:
        return NEED_MORE
    closed = cursor.u8(second + size) == 0x0D and cursor.u8(second + size + 1) == 0x0A
    return FROM_CLIENT if closed else INVALID


def _in_a_name(byte: int) -> bool:
    """Letters, digits, `_`, `.` and `-`: modules' commands are called FT.SEARCH."""
    return (chr(byte).isalnum() and byte < 0x80) or byte in b"_.-"
