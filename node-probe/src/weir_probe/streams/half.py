# cython: annotation_typing=False
"""One direction of a connection: where its bytes stand, what waits for the rest of its frame, what came too early."""

from __future__ import annotations

from typing import Any, Final

from weir_probe.wire.copying import copy_bytes
from weir_probe.wire.cursor import Cursor

#: Segments, and bytes of them, that wait for an earlier one.
MAX_HELD: Final = 64
MAX_HELD_BYTES: Final = 262_144
_FIRST_SIZE = 1024


class Half:
    """`cursor` reads the buffer, whose first `used` bytes are the beginning of a frame."""

    def __init__(self) -> None:
        self.begin(0)

    def begin(self, limit: int) -> None:
        """Be another connection's, with `limit` bytes of a frame to keep; the memory of the last one is given back."""
        self.limit = limit
        self.started = False
        self.next_seq = 0
        self.end_seq = 0  # behind the bytes that are looked at, or wait in the buffer
        #: Bytes to come that belong to a frame which was parsed already.
        self.skip = 0
        #: What follows starts somewhere within a frame.
        self.astray = False
        self.used = 0
        #: When the first byte of the buffer came.
        self.first_ns = 0
        self.cursor: Any = None  # none until something waits
        self.buffer: Any = None
        self.size = 0
        #: (sequence number, bytes, length on the wire, time): rare, and so Python's.
        self.held: list[tuple[int, bytes, int, int]] | None = None
        self.held_bytes = 0
        self.waits = False  # something is held

    def keep(self, cursor: Cursor, at: int, count: int) -> bool:
        """Append bytes to the buffer; False: there is no room for them."""
        if self.used + count > self.size and not self._grow(self.used + count):
            return False
        copy_bytes(self.buffer, self.used, cursor.buffer, at, count)
        self.used += count
        return True

    def drop(self, count: int) -> None:
        """The first bytes of the buffer are done with."""
        self.used -= count
        if count and self.used:
            copy_bytes(self.buffer, 0, self.buffer, count, self.used)

    def _grow(self, wanted: int) -> bool:
        if wanted > self.limit:
            return False
        size = max(_FIRST_SIZE, self.size)
        while size < wanted:
            size *= 2
        larger = bytearray(min(size, self.limit))
        if self.used:
            larger[: self.used] = bytes(self.buffer[: self.used])
        self.buffer = memoryview(larger)
        self.size = len(larger)
        self.cursor = Cursor()
        self.cursor.bind(larger)
        return True

    def hold(self, seq: int, data: bytes, length: int, ts_ns: int) -> None:
        """Keep a segment that came before an earlier one."""
        if self.held is None:
            self.held = []
        self.held.append((seq, data, length, ts_ns))
        self.held_bytes += len(data)
        self.waits = True

    @property
    def full(self) -> bool:
        """Whether what is held is too much to go on waiting."""
        return len(self.held or ()) >= MAX_HELD or self.held_bytes > MAX_HELD_BYTES

    def earliest(self) -> tuple[int, bytes, int, int]:
        """Take the held segment that comes first in the stream."""
        assert self.held
        base = self.next_seq
        # distances are modulo 2^32 (RFC 9293 §3.4), and signed: what was overtaken meanwhile comes first
        first = min(self.held, key=lambda held: (held[0] - base + 0x80000000) & 0xFFFFFFFF)
        self.held.remove(first)
        self.held_bytes -= len(first[1])
        self.waits = bool(self.held)
        return first
