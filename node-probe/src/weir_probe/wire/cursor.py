# cython: annotation_typing=False
"""All reads of packet bytes: checked against one end, in both byte orders.

A read that does not lie wholly before the end gives 0 and sets `cut`, so a parser reads a whole header and asks once.
Nothing else in the probe indexes into packet bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cython  # type: ignore[import-untyped]  # Cython's stubs are not under this name

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_NOTHING = memoryview(b"")


class Cursor:
    """Checked reads of one buffer. Positions are absolute; `limit` says how far they may go."""

    def __init__(self) -> None:
        self.buffer = _NOTHING
        self.size = 0
        self.end = 0
        self.cut = False

    def bind(self, buffer: ReadableBuffer) -> None:
        """Read from this buffer (bytes, a memory map, a numpy array of uint8) from now on, up to its end."""
        self.buffer = buffer if cython.compiled else memoryview(buffer)  # type: ignore[assignment]  # it makes one itself
        self.size = len(self.buffer)
        self.limit(self.size)

    def limit(self, end: int) -> None:
        """Let reads go up to `end` (never beyond the buffer) and forget that any was cut."""
        self.end = end if end < self.size else self.size
        self.cut = False

    def has(self, at: int, count: int) -> bool:
        """Whether `count` bytes can be read at `at`."""
        return 0 <= at <= self.end - count

    def find(self, byte: int, at: int, end: int) -> int:
        """Where the byte stands first at or after `at`, before `end`; -1: nowhere there."""
        end = min(end, self.end)
        at = max(at, 0)
        if cython.compiled:
            return index_of(cython.address(self.buffer[0]), byte, at, end) if at < end else -1  # type: ignore[name-defined]  # noqa: F821
        while at < end and self.buffer[at] != byte:
            at += 1
        return at if at < end else -1

    def copied(self, at: int, end: int) -> bytes:
        """The bytes from `at` on that stand before `end`."""
        end = min(end, self.end)
        at = max(at, 0)
        if cython.compiled:
            return bytes_of(cython.address(self.buffer[0]), at, end) if at < end else b""  # type: ignore[name-defined]  # noqa: F821
        return bytes(self.buffer[at:end])

    def is_name(self, at: int, count: int, name: bytes) -> bool:
        """Whether these `count` bytes are `name`, in any case of ASCII letters; `name` itself is in lower case."""
        if count != len(name) or not self.has(at, count):
            return False
        for letter in name:
            byte = self.buffer[at]
            if byte != letter and (byte < 0x41 or byte > 0x5A or byte + 0x20 != letter):
                return False
            at += 1
        return True

    def u8(self, at: int) -> int:
        if at < 0 or at >= self.end:
            self.cut = True
            return 0
        return self.buffer[at]

    def u16(self, at: int) -> int:
        """Network byte order, as are all names without `le`."""
        if at < 0 or at > self.end - 2:
            self.cut = True
            return 0
        return self.buffer[at] << 8 | self.buffer[at + 1]

    def u32(self, at: int) -> int:
        if at < 0 or at > self.end - 4:
            self.cut = True
            return 0
        value = self.buffer[at]
        value = value << 8 | self.buffer[at + 1]
        value = value << 8 | self.buffer[at + 2]
        return value << 8 | self.buffer[at + 3]

    def u16le(self, at: int) -> int:
        if at < 0 or at > self.end - 2:
            self.cut = True
            return 0
        return self.buffer[at + 1] << 8 | self.buffer[at]

    def u32le(self, at: int) -> int:
        if at < 0 or at > self.end - 4:
            self.cut = True
            return 0
        value = self.buffer[at + 3]
        value = value << 8 | self.buffer[at + 2]
        value = value << 8 | self.buffer[at + 1]
        return value << 8 | self.buffer[at]

    def u64le(self, at: int) -> int:
        low = self.u32le(at)
        high = self.u32le(at + 4)
        return high << 32 | low
