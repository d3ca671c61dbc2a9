# cython: annotation_typing=False
"""What a compressed batch begins with: the headers of its first record are there.

It is decompressed from its first byte on, so one of which only the beginning was captured is read as far as that goes.
"""

from __future__ import annotations

import zlib
from typing import Final

import numpy as np

from weir_probe.wire.copying import copy_bytes
from weir_probe.wire.cursor import Cursor

#: Of one batch.
MAX_BYTES: Final = 16_384
_MAX_BYTES = MAX_BYTES
#: Numbers of Batch.compression.
_GZIP, _SNAPPY, _LZ4 = 1, 2, 3
_WITH_HEADER: Final = 16 + zlib.MAX_WBITS  # zlib.h, inflateInit2: gzip's
#: snappy-java's SnappyCodec: before the blocks of Java's and Python's clients; librdkafka's is a block alone.
_XERIAL, _XERIAL_SIZE = 0x82534E41, 20
#: LZ4 Frame Format 1.6: magic, flags, block sizes, a checksum; by the flags a length and a dictionary's number.
_FRAME, _FRAME_SIZE, _HAS_LENGTH, _HAS_DICTIONARY = 0x184D2204, 7, 0x08, 0x01
_STORED = 0x80000000  # of the length of a block
_LEAST_MATCH = 4


class Compressed:
    """One batch at a time; `cursor` reads what was in it."""

    def __init__(self) -> None:
        self.out = np.zeros(MAX_BYTES, np.uint8).data
        self.used = 0
        self.cursor = Cursor()
        self.source = Cursor()
        self.at = self.end = 0

    def read(self, kind: int, cursor: Cursor, at: int, end: int) -> bool:
        """Whether anything could be made of the bytes before `end`, which are compressed so."""
        self.source, self.at, self.end = cursor, at, min(end, cursor.end)
        self.used = 0
        if kind == _GZIP:
            return self._gzip()
        if kind == _SNAPPY:
            self._snappy()
        elif kind == _LZ4:
            self._lz4()
        self.cursor.bind(self.out)
        self.cursor.limit(self.used)
        return self.used > 0

    def _gzip(self) -> bool:
        try:
            data = zlib.decompressobj(_WITH_HEADER).decompress(self.source.copied(self.at, self.end), _MAX_BYTES)
        except zlib.error:
            return False
        self.cursor.bind(data)
        return len(data) > 0

    def _snappy(self) -> None:
        """A block: its length, then literals and copies (Snappy's format_description.txt)."""
        if self.source.u32(self.at) == _XERIAL:
            self.at += _XERIAL_SIZE
        while self._next() >= 0x80:
            pass
        more = True
        while more and self.at < self.end:
            tag = self._next()
            size = 1 + (tag >> 2)
            if tag & 3 == 0:
                more = self._literal(size if size <= 60 else 1 + self._little(size - 60))
            elif tag & 3 == 1:
                more = self._copy((tag >> 5) << 8 | self._next(), _LEAST_MATCH + (tag >> 2 & 7))
            else:
                more = self._copy(self._little(2 if tag & 3 == 2 else 4), size)

    def _lz4(self) -> None:
        """The first block of a frame: literals and copies by turns (LZ4 Block Format)."""
        if self.source.u32le(self.at) != _FRAME:
            return
        flags = self.source.u8(self.at + 4)
        self.at += _FRAME_SIZE + (8 if flags & _HAS_LENGTH else 0) + (4 if flags & _HAS_DICTIONARY else 0)
        size = self._little(4)
        if size & _STORED:
            self._literal(size ^ _STORED)
            return
        self.end = min(self.end, self.at + size)
        more = True
        while more and self.at < self.end:
            token = self._next()
            more = self._literal(self._length(token >> 4)) and self.at < self.end
            if more:
                offset = self._little(2)
                more = self._copy(offset, _LEAST_MATCH + self._length(token & 15))

    def _next(self) -> int:
        """The next byte; 0 beyond the end."""
        self.at += 1
        return self.source.u8(self.at - 1) if self.at <= self.end else 0

    def _little(self, size: int) -> int:
        """The next number of so many bytes, the lowest first."""
        number = 0
        for place in range(size):
            number |= self._next() << 8 * place
        return number

    def _length(self, nibble: int) -> int:
        """Of LZ4: 15 goes on in bytes, of which the last is not 255."""
        length = nibble
        byte = 255 if nibble == 15 else 0
        while byte == 255 and length < _MAX_BYTES:
            byte = self._next()
            length += byte
        return length

    def _literal(self, size: int) -> bool:
        """The next bytes as they are. False: this is as far as it goes."""
        there = min(size, self.end - self.at, _MAX_BYTES - self.used)
        if there > 0:
            copy_bytes(self.out, self.used, self.source.buffer, self.at, there)
            self.used += there
            self.at += there
        return there == size

    def _copy(self, offset: int, size: int) -> bool:
        """Bytes again that came `offset` bytes before; they may be some that this adds. False: as of `_literal`."""
        there = min(size, _MAX_BYTES - self.used)
        if self.at > self.end or not 0 < offset <= self.used:
            return False
        copy_bytes(self.out, self.used, self.out, self.used - offset, there)
        self.used += there
        return there == size
