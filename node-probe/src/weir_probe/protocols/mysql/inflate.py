# cython: annotation_typing=False
"""The compressed protocol: packets of a stream of packets, which need not end where they do.

zlib makes an object per packet; it costs more than that does.
"""

from __future__ import annotations

import zlib
from typing import Final

from weir_probe.protocols.mysql.wire import u24
from weir_probe.wire.cursor import Cursor

#: Of one compressed packet, what is inflated; of a packet within that is not whole, what is kept.
MAX_INFLATED: Final = 65_536
MAX_KEPT: Final = 8192
_MAX_INFLATED, _MAX_KEPT = MAX_INFLATED, MAX_KEPT


class Inflated:
    """One direction. `cursor` reads what has come and was not taken yet."""

    def __init__(self) -> None:
        self.cursor = Cursor()
        self.kept = b""
        self.skip = 0  # bytes to come of a packet that was taken already
        self.unread = 0  # of the compressed packet: it was too long

    def feed(self, cursor: Cursor, at: int, end: int) -> int:
        """Add the payload of the compressed packet at `at`; returns how many bytes there are, or -1 if it has none."""
        before = u24(cursor, at + 4)
        data = cursor.copied(at + 7, end)
        if before > 0:
            try:
                data = zlib.decompressobj().decompress(data, _MAX_INFLATED)
            except zlib.error:
                return -1
            self.unread = max(0, before - len(data))
        if self.skip > 0:
            passed = min(self.skip, len(data))
            self.skip -= passed
            data = data[passed:]
        if self.kept:
            data = self.kept + data
            self.kept = b""
        self.cursor.bind(data)
        return len(data)

    def size(self, at: int, end: int) -> int:
        """Length of the packet at `at` if enough of it is there, else 0."""
        if end - at < 5:
            return 0
        size = u24(self.cursor, at) + 4
        return size if at + size <= end or end - at >= _MAX_KEPT else 0

    def taken(self, at: int, end: int) -> None:
        """All before `at` was taken; where that is beyond the end, the rest is skipped when it comes."""
        if at >= end:
            self.skip += at - end
        else:
            self.kept = self.cursor.copied(at, min(end, at + _MAX_KEPT))
            self.skip += max(0, end - at - _MAX_KEPT)
        if self.unread > self.skip:  # packets that nobody looked at: the next one is expected to begin with the next
            self.forget()
        self.skip -= min(self.skip, self.unread)
        self.unread = 0

    def forget(self) -> None:
        self.kept = b""
        self.skip = 0
