# cython: annotation_typing=False
"""Where a chunked body ends (RFC 9112 §7.1): a size in a line, so many bytes; in the end fields and an empty line."""

from __future__ import annotations

from typing import Final

from weir_probe.protocols.http1.head import line_end
from weir_probe.protocols.parser import INVALID
from weir_probe.wire.cursor import Cursor

#: Of a line that gives a size, with its extensions, and of all trailer fields.
MAX_LINE: Final = 4096
_MAX_LINE, _INVALID = MAX_LINE, INVALID
_MAX_DIGITS = 13  # 2^52


def size_of(cursor: Cursor, at: int, end: int) -> int:
    """The size that a chunk's line gives; -1: it is none."""
    size = 0
    first = at
    while at < end and at - first <= _MAX_DIGITS:
        byte = cursor.u8(at)
        if 0x30 <= byte <= 0x39:
            size = size * 16 + byte - 0x30
        elif 0x61 <= (byte | 0x20) <= 0x66:
            size = size * 16 + (byte | 0x20) - 0x57
        else:
            return size if at > first and (byte <= 0x20 or byte == 0x3B) else -1
        at += 1
    return -1


class Chunks:
    """After `walk`, `at` is behind the chunks that are there, or whose length is known; `over`: the last was one."""

    def __init__(self) -> None:
        self.at = 0
        self.over = False

    def walk(self, cursor: Cursor, at: int, end: int) -> int:
        """1, or INVALID."""
        self.over = False
        self.at = at
        while self.at < end:
            data = cursor.find(0x0A, self.at, min(end, self.at + _MAX_LINE)) + 1
            if data == 0:
                return _INVALID if end - self.at >= _MAX_LINE else 1
            size = size_of(cursor, self.at, data)
            if size < 0:
                return _INVALID
            if size == 0:
                return self._trailers(cursor, data, end)
            behind = data + size
            if behind + 2 <= end or cursor.u8(behind) == 0x0A:
                if cursor.u8(behind) == 0x0A:  # a lone LF
                    behind += 1
                elif cursor.u8(behind) == 0x0D and cursor.u8(behind + 1) == 0x0A:
                    behind += 2
                else:
                    return _INVALID
            else:
                behind += 2
            self.at = behind
        return 1

    def _trailers(self, cursor: Cursor, at: int, end: int) -> int:
        """Where they are not whole, `at` stays before the last chunk."""
        first = at
        while at < end:
            behind = line_end(cursor, at, end)
            if behind == 0:
                break
            if cursor.u8(at) == 0x0A or (cursor.u8(at) == 0x0D and behind == at + 2):
                self.at = behind
                self.over = True
                return 1
            at = behind
        return _INVALID if end - first >= _MAX_LINE else 1
