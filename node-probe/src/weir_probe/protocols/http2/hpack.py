# cython: annotation_typing=False
"""HPACK (RFC 7541): the field blocks of one direction, read byte by byte, so that a block may be cut anywhere.

Kept are the values of fields that a call is told from (fields.py), for as long as a block lasts, and the dynamic table.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from weir_probe.protocols.http2.fields import (
    KINDS,
    MAX_NAME,
    OTHER,
    STATIC,
    STATIC_KIND,
    STATIC_LENGTH,
    STATIC_NAME,
    STATIC_START,
    STATIC_TEXT,
    UNKNOWN,
    kind_of,
)
from weir_probe.protocols.http2.huffman import EMITS, ENDS, FAILED, STEPS
from weir_probe.protocols.http2.table import KIND, LENGTH, NAME, START, Table
from weir_probe.wire.cursor import Cursor

#: Of a value, and of all values of a block; the table keeps no more of a value either.
MAX_VALUE: Final = 1024
ROOM: Final = 2048

_MAX_NAME, _MAX_VALUE, _ROOM, _STATIC = MAX_NAME, MAX_VALUE, ROOM, STATIC
_OTHER, _UNKNOWN = OTHER, UNKNOWN
_KIND, _NAME, _START, _LENGTH = KIND, NAME, START, LENGTH
_EMITS, _FAILED = EMITS, FAILED
_ONE = 1  # of the width of `seen`
_STEPS, _ENDS = STEPS.data, ENDS.data
_STATIC_KIND, _STATIC_NAME = STATIC_KIND.data, STATIC_NAME.data
_STATIC_START, _STATIC_LENGTH = STATIC_START.data, STATIC_LENGTH.data
_STATIC_TEXT = STATIC_TEXT.data

#: What comes next: a field (or a size update), the length of a string, the rest of a number, the rest of a string.
_A_FIELD, _A_LENGTH, _A_NUMBER, _A_STRING = 0, 1, 2, 3
#: What the number, or the string, is (RFC 7541 §6).
_INDEXED, _INCREMENTAL, _LITERAL, _RESIZE, _A_NAME, _A_VALUE = 0, 1, 2, 3, 4, 5


class Decoder:
    """`values` has the values of the fields that were seen in the block: `length[kind]` bytes at `start[kind]`."""

    def __init__(self) -> None:
        self.table = Table()
        self.name = np.zeros(MAX_NAME, np.uint8).data
        self.names = Cursor()
        self.names.bind(self.name)
        self.text = np.zeros(ROOM, np.uint8).data
        self.values = Cursor()
        self.values.bind(self.text)
        self.start = np.zeros(KINDS, np.uint16).data
        self.length = np.zeros(KINDS, np.uint16).data
        self.kind = self.name_size = self.number = self.shift = self.left = self.size = self.node = 0
        self.huffman = self.inserts = self.keeps = False
        self.begin()

    def begin(self) -> None:
        """A field block begins."""
        self.step = _A_FIELD
        self.what = _INDEXED
        self.seen = 0  # by kind, a bit each
        self.used = 0
        self.fields = 0
        #: Fields of which at least the name is unknown; a value had no room.
        self.unknown = 0
        self.cut = False

    def lost(self) -> None:
        """Bytes of the direction are missing."""
        self.table.forget()
        self.begin()

    def has(self, kind: int) -> bool:
        """Whether the block had such a field; the first of several counts."""
        return bool(self.seen >> kind & 1)

    def whole(self) -> bool:
        """Whether the block may end here."""
        return self.step == _A_FIELD

    def feed(self, cursor: Cursor, at: int, end: int) -> bool:
        """Read a fragment of the block. False: it is none (RFC 7541 calls that a decoding error)."""
        while at < end:
            if self.step == _A_STRING:
                stop = min(at + self.left, end)
                if not self._string(cursor, at, stop):
                    return False
                at = stop
                continue
            byte = cursor.u8(at)
            at += 1
            if self.step == _A_NUMBER:
                if self.shift > 21:  # nobody has so much
                    return False
                self.number += (byte & 0x7F) << self.shift
                self.shift += 7
                if byte & 0x80:
                    continue
            else:
                most = 0x7F
                if self.step == _A_LENGTH:
                    self.huffman = byte >= 0x80
                elif byte & 0x80:
                    self.what = _INDEXED
                elif byte & 0x40:
                    self.what = _INCREMENTAL
                    most = 0x3F
                elif byte & 0x20:
                    self.what = _RESIZE
                    most = 0x1F
                else:
                    self.what = _LITERAL
                    most = 0x0F
                self.number = byte & most
                if self.number == most:
                    self.step = _A_NUMBER
                    self.shift = 0
                    continue
            if not self._numbered():
                return False
        return True

    def _numbered(self) -> bool:
        """A number is complete."""
        if self.what >= _A_NAME:
            self.step = _A_STRING
            self.left = self.number
            self.size = self.node = 0
            if self.what == _A_VALUE:
                self.keeps = self.kind > _UNKNOWN and (self.inserts or not self.seen >> self.kind & 1)
            return self.left > 0 or self._spelled()
        if self.what == _RESIZE:
            self.step = _A_FIELD
            self.table.resize(self.number)
            return self.fields == 0  # RFC 7541 §4.2: before the first field
        if self.what == _INDEXED:
            self.step = _A_FIELD
            self.fields += 1
            return self.number > 0 and self._indexed(self.number)
        self.step = _A_LENGTH
        self.inserts = self.what == _INCREMENTAL
        self.what = _A_VALUE if self.number else _A_NAME
        if self.number:
            self._named(self.number)
        return True

    def _indexed(self, index: int) -> bool:
        """A field that is in a table."""
        if index <= _STATIC:
            self._copy(_STATIC_KIND[index], _STATIC_TEXT, _STATIC_START[index], _STATIC_LENGTH[index], 0xFFFF)
            return True
        slot = self.table.slot(index - _STATIC)
        if slot < 0 or self.table.entries[slot, _KIND] == _UNKNOWN:
            self.unknown += 1
            return True
        entries = self.table.entries
        self._copy(
            entries[slot, _KIND], self.table.text, entries[slot, _START], entries[slot, _LENGTH], self.table.room - 1
        )
        return True

    def _copy(self, kind: int, text: memoryview, start: int, count: int, mask: int) -> None:
        """Of a field from a table, its value."""
        if kind <= _UNKNOWN or self.seen >> kind & 1:
            return
        self.start[kind] = self.used
        if count > _ROOM - self.used:
            count = _ROOM - self.used
            self.cut = True
        for place in range(count):
            self.text[self.used + place] = text[(start + place) & mask]
        self._see(kind, count)

    def _see(self, kind: int, count: int) -> None:
        """The value of a field stands in `text`."""
        self.seen |= _ONE << kind
        self.start[kind] = self.used
        self.length[kind] = count
        self.used += count
        if count >= _MAX_VALUE:
            self.cut = True

    def _named(self, index: int) -> None:
        """The name of a field is in a table."""
        if index <= _STATIC:
            self.kind = _STATIC_KIND[index]
            self.name_size = _STATIC_NAME[index]
            return
        slot = self.table.slot(index - _STATIC)
        self.kind = _UNKNOWN if slot < 0 else self.table.entries[slot, _KIND]
        self.name_size = 0 if slot < 0 else self.table.entries[slot, _NAME]

    def _string(self, cursor: Cursor, at: int, end: int) -> bool:
        """A part of a name or value; `size` counts what is decoded, and the beginning of it is written."""
        self.left -= end - at
        names = self.what == _A_NAME
        room = _MAX_NAME if names else min(_MAX_VALUE, _ROOM - self.used)
        if not names and not self.keeps:
            room = 0
        if not self.huffman:
            while at < end and self.size < room:
                self._put(names, cursor.u8(at))
                at += 1
            self.size += end - at
        elif room or self.inserts:
            node = self.node
            while at < end:
                byte = cursor.u8(at)
                at += 1
                entry = _STEPS[node << 4 | byte >> 4]
                if entry & _EMITS:
                    if self.size < room:
                        self._put(names, entry >> 8 & 0xFF)
                    else:
                        self.size += 1
                bits = entry & _FAILED
                entry = _STEPS[(entry & 0xFF) << 4 | byte & 0x0F]
                if entry & _EMITS:
                    if self.size < room:
                        self._put(names, entry >> 8 & 0xFF)
                    else:
                        self.size += 1
                if (entry | bits) & _FAILED:
                    return False
                node = entry & 0xFF
            self.node = node
        return self.left > 0 or self._spelled()

    def _put(self, names: bool, byte: int) -> None:
        if names:
            self.name[self.size] = byte
        else:
            self.text[self.used + self.size] = byte
        self.size += 1

    def _spelled(self) -> bool:
        """A name or value is complete."""
        if self.huffman and not _ENDS[self.node]:
            return False
        if self.what == _A_NAME:
            self.kind = kind_of(self.names, 0, self.size) if self.size <= _MAX_NAME else _OTHER
            self.name_size = self.size
            self.what = _A_VALUE
            self.step = _A_LENGTH
            return self.size > 0
        self.step = _A_FIELD
        self.fields += 1
        kept = min(self.size, _MAX_VALUE, _ROOM - self.used) if self.keeps else 0
        if self.inserts:
            self._insert(kept)
        if self.kind == _UNKNOWN:
            self.unknown += 1
        elif self.kind > _UNKNOWN and not self.seen >> self.kind & 1:
            if kept < self.size:
                self.cut = True
            self._see(self.kind, kept)
        return True

    def _insert(self, kept: int) -> None:
        """The field goes to the table; one whose value found no room is unknown there."""
        kind = self.kind
        if kept < min(self.size, _MAX_VALUE) and kind > _UNKNOWN:
            kind = _UNKNOWN
            kept = 0
        start = self.table.insert(kind, self.name_size, self.size, kept)
        if start >= 0:
            for place in range(kept):
                self.table.text[(start + place) & (self.table.room - 1)] = self.text[self.used + place]
