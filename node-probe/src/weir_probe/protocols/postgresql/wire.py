# cython: annotation_typing=False
"""Headers and strings of the frontend/backend protocol 3 (PostgreSQL documentation §55.7)."""

from __future__ import annotations

from typing import Final

from weir_probe.wire.cursor import Cursor

#: What a message may be long (PQ_LARGE_MESSAGE_LIMIT), and a startup packet (MAX_STARTUP_PACKET_LENGTH).
MAX_MESSAGE: Final = 0x3FFFFFFF
MAX_STARTUP: Final = 10_000
#: Codes of packets without a type.
PROTOCOL_3: Final = 3
CANCEL: Final = 80_877_102
SSL: Final = 80_877_103
GSSENC: Final = 80_877_104
_MAX_MESSAGE = MAX_MESSAGE


def is_kind(kind: int, way: int) -> bool:
    """Whether messages of that direction have such a type."""
    if way:
        return kind in b"123ACDEGHIKNRSTVWZcdnstv"
    return kind in b"BCDEFHPQSXcdfp"


def size_of(cursor: Cursor, at: int, way: int) -> int:
    """Length of the message whose header is at `at`, its type with it; -1: it is none."""
    size = cursor.u32(at + 1)
    if size < 4 or size > _MAX_MESSAGE or not is_kind(cursor.u8(at), way):
        return -1
    return size + 1


def key_of(cursor: Cursor, at: int, end: int) -> int:
    """A number that stands for a name (FNV-1a)."""
    key = 0xCBF29CE484222325
    for place in range(at, end):
        key = ((key ^ cursor.u8(place)) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return key


def chains(cursor: Cursor, at: int, end: int, way: int) -> bool:
    """Whether messages stand here one behind the other: two at least, or up to the end exactly."""
    for _ in range(3):
        if end - at < 5:
            return True
        size = size_of(cursor, at, way)
        if size < 0:
            return False
        at += size
        if at >= end:
            return at == end
    return True
