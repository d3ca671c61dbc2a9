# cython: annotation_typing=False
"""What the answer of a call comes to: rows, and command tags (PostgreSQL documentation §55.7, CommandComplete)."""

from __future__ import annotations

from typing import Final

from weir_probe.protocols.message import ATTRIBUTES, RESULT, TYPE, Message
from weir_probe.protocols.strings import text_end
from weir_probe.wire.cursor import Cursor

_TYPE, _RESULT, _ATTRIBUTES = TYPE, RESULT, ATTRIBUTES
_MAX_TAG: Final = 64


class Tally:
    """Of the call that is answered."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.rows = self.affected = self.tags = 0
        self.returns = self.affects = False

    def tag(self, cursor: Cursor, at: int, end: int, message: Message) -> None:
        """`SELECT 5`, `INSERT 0 1`, `CREATE TABLE`: the last one is the result, the first one's words are the type."""
        stop = min(text_end(cursor, at, end), at + _MAX_TAG)
        message.put(_RESULT, cursor, at, stop - at)
        words = at
        while words < stop and not 0x30 <= cursor.u8(words) <= 0x39:
            words += 1
        self.tags += 1
        if self.tags == 1:
            message.put(_TYPE, cursor, at, words - at - 1 if words < stop else words - at)
        number = stop
        while number > words and 0x30 <= cursor.u8(number - 1) <= 0x39:
            number -= 1
        if number == stop:
            return
        count = 0
        for place in range(number, min(stop, number + 18)):
            count = count * 10 + cursor.u8(place) - 0x30
        if cursor.is_name(at, 6, b"select") or cursor.is_name(at, 5, b"fetch"):
            self.returns = True
        else:
            self.affects = True
            self.affected += count

    def tell(self, message: Message) -> None:
        """Write the attributes."""
        message.begin(_ATTRIBUTES)
        if self.returns or self.rows:
            message.add_attribute(b"db.response.returned_rows", self.rows)
        if self.affects:
            message.add_attribute(b"affected_rows", self.affected)
        if self.tags > 1:
            message.add_attribute(b"statements", self.tags)
