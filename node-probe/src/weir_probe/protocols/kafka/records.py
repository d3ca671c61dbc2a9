# cython: annotation_typing=False
"""Record batches (kafka.apache.org/documentation, Message Format): what the first one and its first record say."""

from __future__ import annotations

from weir_probe.protocols.kafka.compressed import Compressed
from weir_probe.protocols.message import Message
from weir_probe.protocols.trace import format_of, put
from weir_probe.wire.cursor import Cursor

#: Of a batch, before its records; of a magic of 2.
_HEADER, _MAGIC = 61, 2
_MAX_HEADERS = 32
_CUT = -1


class Batch:
    """The first batch of some records; `count` of -1: it is not there, or older than magic 2 (Kafka 0.11)."""

    def __init__(self) -> None:
        #: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
        self.compression = 0
        self.count = -1
        self.value = 0  # what `_varint` has read
        self.compressed: Compressed | None = None  # from the first such batch on

    def read(self, cursor: Cursor, at: int, end: int) -> None:
        """The header of the batch that starts at `at`."""
        self.count = -1
        self.compression = 0
        if at + _HEADER <= end and cursor.u8(at + 16) == _MAGIC and cursor.u32(at + 57) <= 0x7FFFFFFF:
            self.compression = cursor.u16(at + 21) & 7
            self.count = cursor.u32(at + 57)

    def read_trace(self, cursor: Cursor, at: int, end: int, message: Message) -> None:
        """Trace context of the headers of the first record, which are behind its key and value."""
        if self.count <= 0:
            return
        at += _HEADER
        if self.compression:
            if self.compressed is None:
                self.compressed = Compressed()
            if not self.compressed.read(self.compression, cursor, at, end):
                return
            cursor = self.compressed.cursor
            at, end = 0, cursor.end
        at = self._varint(cursor, at, end)
        if at < 0 or self.value < 0:
            return
        end = min(end, at + self.value)
        at = self._varint(cursor, at + 1, end)  # attributes, then differences of time and offset
        if at > 0:
            at = self._varint(cursor, at, end)
        for _ in range(2):  # key and value; -1 for null
            if at > 0:
                at = self._varint(cursor, at, end)
                at += max(self.value, 0)
        if at > 0:
            at = self._varint(cursor, at, end)
        for _ in range(min(self.value, _MAX_HEADERS)):
            if at <= 0 or at >= end:
                return
            name = self._varint(cursor, at, end)
            name_length = self.value
            if name <= 0 or name_length < 0:
                return
            at = self._varint(cursor, name + name_length, end)
            if at <= 0 or at + max(self.value, 0) > end:
                return
            kind = format_of(cursor, name, name_length)
            if kind and self.value > 0:
                put(kind, cursor, at, self.value, message)
            at += max(self.value, 0)

    def _varint(self, cursor: Cursor, at: int, end: int) -> int:
        """Read a zigzag varint into `value`; behind it, or -1. A time's difference may have ten bytes."""
        value = 0
        shift = 0
        while shift < 70:
            if at < 0 or at >= end:
                return _CUT
            octet = cursor.u8(at)
            at += 1
            if shift < 32:
                value |= (octet & 0x7F) << shift
            if octet < 0x80:
                self.value = -(value >> 1) - 1 if value & 1 else value >> 1
                return at
            shift += 7
        return _CUT
