# cython: annotation_typing=False
"""The dynamic table of one direction (RFC 7541 §2.3.2), as somebody knows it who may have come late.

Indices count from the newest entry: those that were inserted unseen are unknown, and those that come after are right.
"""

from __future__ import annotations

from typing import Final

import numpy as np

#: Bytes that are kept, whatever SETTINGS_HEADER_TABLE_SIZE grants; what is older is unknown then.
MAX_TABLE: Final = 65_536
#: SETTINGS_HEADER_TABLE_SIZE at first, and what an entry counts beside its text (RFC 9113 §6.5.2, RFC 7541 §4.1).
DEFAULT_TABLE: Final = 4096
OVERHEAD: Final = 32
#: Columns of an entry. NAME is the length of the name, START and LENGTH are the value's, as far as it is kept.
KIND, NAME, SIZE, START, LENGTH = range(5)

_MAX_TABLE, _DEFAULT_TABLE, _OVERHEAD = MAX_TABLE, DEFAULT_TABLE, OVERHEAD
_KIND, _NAME, _SIZE, _START, _LENGTH = KIND, NAME, SIZE, START, LENGTH


class Table:
    """Entries and their values are in two rings, which grow as they are needed."""

    def __init__(self) -> None:
        self.slots = 32
        self.entries = np.zeros((self.slots, 5), np.uint32).data
        self.room = 1024
        self.text = np.zeros(self.room, np.uint8).data
        self.inserted = 0
        self.end = 0  # where the next value goes
        self.forget()

    def begin(self) -> None:
        """A connection begins."""
        self.forget()
        self.limit = _DEFAULT_TABLE
        self.certain = True

    def forget(self) -> None:
        """Insertions, and perhaps another limit, were not seen."""
        self.count = self.size = self.kept = 0
        self.limit = _MAX_TABLE
        #: The limit is the sender's own. If it is not, entries that are gone may be here still: nobody refers to them.
        self.certain = False

    def resize(self, limit: int) -> None:
        """A dynamic table size update (RFC 7541 §6.3)."""
        self.limit = min(limit, _MAX_TABLE)
        self.certain = limit <= _MAX_TABLE
        self._evict(0)

    def slot(self, index: int) -> int:
        """Where entry `index` is (1: the newest); -1: unknown."""
        return (self.inserted - index) & (self.slots - 1) if 0 < index <= self.count else -1

    def insert(self, kind: int, name: int, value: int, kept: int) -> int:
        """A new entry. `name` and `value` are lengths, `kept` bytes of the value go to `text` at the answer, around its
        end; -1: an entry larger than the table leaves it empty (RFC 7541 §4.4)."""
        size = min(name + value + _OVERHEAD, _MAX_TABLE)
        if size > self.limit and self.certain:
            self.count = self.size = self.kept = 0
            return -1
        self._evict(size)
        while self.count >= self.slots or self.kept + kept > self.room:
            self._grow()
        slot = self.inserted & (self.slots - 1)
        start = self.end
        self.entries[slot, _KIND] = kind
        self.entries[slot, _NAME] = name
        self.entries[slot, _SIZE] = size
        self.entries[slot, _START] = start
        self.entries[slot, _LENGTH] = kept
        self.inserted = (self.inserted + 1) & 0xFFFFFFFF
        self.count += 1
        self.size += size
        self.kept += kept
        self.end = (start + kept) & (self.room - 1)
        return start

    def _evict(self, wanted: int) -> None:
        while self.count > 0 and self.size + wanted > self.limit:
            slot = (self.inserted - self.count) & (self.slots - 1)
            self.size -= self.entries[slot, _SIZE]
            self.kept -= self.entries[slot, _LENGTH]
            self.count -= 1

    def _grow(self) -> None:
        """Double both rings; entries count 32 and their text, so MAX_TABLE bounds them."""
        slots, entries = self.slots, self.entries
        room, text = self.room, self.text
        self.slots = slots * 2
        self.entries = np.zeros((self.slots, 5), np.uint32).data
        self.room = room * 2
        self.text = np.zeros(self.room, np.uint8).data
        self.end = 0
        for index in range(self.count, 0, -1):
            old = (self.inserted - index) & (slots - 1)
            new = (self.inserted - index) & (self.slots - 1)
            for column in range(5):
                self.entries[new, column] = entries[old, column]
            self.entries[new, _START] = self.end
            for place in range(entries[old, _LENGTH]):
                self.text[self.end] = text[(entries[old, _START] + place) & (room - 1)]
                self.end += 1
