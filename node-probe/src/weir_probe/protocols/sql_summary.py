# cython: annotation_typing=False
"""A statement in short, as OpenTelemetry's db.query.summary: `SELECT users orders`. What it names has no literals."""

from __future__ import annotations

from typing import Final

import numpy as np

from weir_probe.protocols.message import ENDPOINT, Message
from weir_probe.wire.cursor import Cursor

#: Bytes of a summary.
MAX_SUMMARY: Final = 96
#: Tables that it names.
MAX_TARGETS: Final = 4
_MAX_SUMMARY, _MAX_TARGETS, _ENDPOINT = MAX_SUMMARY, MAX_TARGETS, ENDPOINT
_MAX_VERB: Final = 24


def packed(word: bytes) -> int:
    """A keyword of up to 8 letters as a number."""
    return int.from_bytes(word, "big")


_COPY, _CALL, _DELETE, _EXISTS, _FROM, _IF = map(packed, (b"COPY", b"CALL", b"DELETE", b"EXISTS", b"FROM", b"IF"))
_IGNORE, _INSERT, _INTO, _JOIN, _NOT, _ONLY = map(packed, (b"IGNORE", b"INSERT", b"INTO", b"JOIN", b"NOT", b"ONLY"))
_REPLACE, _SELECT, _TABLE, _TRUNCATE = map(packed, (b"REPLACE", b"SELECT", b"TABLE", b"TRUNCATE"))
_UPDATE, _WITH, _DISTINCT, _LATERAL = map(packed, (b"UPDATE", b"WITH", b"DISTINCT", b"LATERAL"))
_DUMPFILE, _OUTFILE, _WHERE, _GROUP, _ORDER = map(packed, (b"DUMPFILE", b"OUTFILE", b"WHERE", b"GROUP", b"ORDER"))
_HAVING, _LIMIT, _SET, _VALUES, _UNION = map(packed, (b"HAVING", b"LIMIT", b"SET", b"VALUES", b"UNION"))
_FOR, _WINDOW, _FETCH, _OFFSET = map(packed, (b"FOR", b"WINDOW", b"FETCH", b"OFFSET"))
_MAX_DEPTH: Final = 64


class Summary:
    """Told of a statement's names and punctuation in their order; positions are of the cursor."""

    def __init__(self) -> None:
        self.target_at = np.zeros(MAX_TARGETS, np.intp).data
        self.target_end = np.zeros(MAX_TARGETS, np.intp).data
        self.cursor = Cursor()
        self.begin()

    def begin(self) -> None:
        """A statement begins."""
        self.verb = self.word = 0
        self.verb_at = self.verb_end = 0
        self.targets = 0
        self.expects = False  # the name of a table
        self.lists = False  # tables, separated by commas
        self.list_depth = 0
        self.selects = 0  # a bit for each depth at which a FROM names tables

    def interrupt(self) -> None:
        """What comes is no name."""
        self.expects = False

    def comma(self, depth: int) -> None:
        self.expects = self.lists and depth == self.list_depth

    def close(self, depth: int) -> None:
        """A parenthesis is closed; `depth` is what it stands in."""
        self.expects = False
        if depth + 1 < _MAX_DEPTH:
            self.selects &= ~(_BIT << (depth + 1))
        if depth < self.list_depth:
            self.lists = False

    def name(self, cursor: Cursor, at: int, end: int, word: int, depth: int) -> None:
        """A keyword, packed, or an identifier: `word` is 0 where it is quoted or long."""
        self.cursor = cursor
        if self.verb_end == 0:
            self.verb_at = at
            self.verb_end = min(end, at + _MAX_VERB)
            self.verb = word
            self.expects = word == _UPDATE or word == _TRUNCATE or word == _COPY or word == _CALL
        elif self.verb == _WITH and depth == 0 and _changes_or_selects(word):
            self.verb_at = at
            self.verb_end = end
            self.verb = word
            self.expects = word == _UPDATE
        elif word == _FROM:
            if self.word != _DISTINCT and depth < _MAX_DEPTH and self.selects >> depth & 1:
                self.lists = self.expects = True
                self.list_depth = depth
        elif word == _JOIN or word == _INTO or word == _TABLE:
            self.expects = True
        elif self.expects and not _qualifies(word):
            self.expects = False
            if not _cannot_be_a_table(word):
                self._target(at)
        if (word == _SELECT or word == _DELETE) and depth < _MAX_DEPTH:
            self.selects |= _BIT << depth
        if _ends_tables(word):
            self.lists = False
        self.word = word

    def write(self, message: Message) -> None:
        """The endpoint; nothing where no table is named."""
        if self.targets == 0:
            return
        message.begin(_ENDPOINT)
        self.add_verb(message)
        for index in range(self.targets):
            if message.length_of(_ENDPOINT) + self.target_end[index] - self.target_at[index] >= _MAX_SUMMARY:
                return
            message.add(0x20)
            for place in range(self.target_at[index], self.target_end[index]):
                byte = self.cursor.u8(place)
                if byte != 0x22 and byte != 0x60:
                    message.add(byte)

    def add_verb(self, message: Message) -> None:
        """Append the statement's first keyword, in capitals."""
        for place in range(self.verb_at, self.verb_end):
            byte = self.cursor.u8(place)
            message.add(byte - 0x20 if 0x61 <= byte <= 0x7A else byte)

    def _target(self, at: int) -> None:
        """A table's name begins here; with its schema where it has one."""
        cursor = self.cursor
        stop = at
        while True:
            stop = _name_end(cursor, stop)
            if cursor.u8(stop) != 0x2E or stop + 1 >= cursor.end:
                break
            stop += 1
        for index in range(self.targets):
            size = self.target_end[index] - self.target_at[index]
            same = 0
            while same < size and cursor.u8(self.target_at[index] + same) == cursor.u8(at + same):
                same += 1
            if same == size and size == stop - at:
                return
        if self.targets < _MAX_TARGETS:
            self.target_at[self.targets] = at
            self.target_end[self.targets] = stop
            self.targets += 1


_BIT = 1


def in_word(byte: int) -> bool:
    """Letters, digits, `_`, `$`, and whatever is not ASCII."""
    return 0x61 <= byte <= 0x7A or 0x41 <= byte <= 0x5A or 0x30 <= byte <= 0x39 or byte in b"_$" or byte >= 0x80


def _name_end(cursor: Cursor, at: int) -> int:
    quote = cursor.u8(at)
    if quote == 0x22 or quote == 0x60:
        at += 1
        while at < cursor.end and cursor.u8(at) != quote:
            at += 1
        return min(at + 1, cursor.end)
    while at < cursor.end and in_word(cursor.u8(at)):
        at += 1
    return at


def _qualifies(word: int) -> bool:
    """Comes between a keyword and the table that it names."""
    return word in (_ONLY, _IF, _NOT, _EXISTS, _IGNORE)


def _cannot_be_a_table(word: int) -> bool:
    return word in (_SELECT, _LATERAL, _OUTFILE, _DUMPFILE)


def _changes_or_selects(word: int) -> bool:
    return word in (_SELECT, _INSERT, _UPDATE, _DELETE, _REPLACE)


def _ends_tables(word: int) -> bool:
    """A list of tables is over."""
    return word in (
        _WHERE, _GROUP, _ORDER, _HAVING, _LIMIT, _SET, _VALUES, _UNION, _FOR, _WINDOW, _FETCH, _OFFSET, _SELECT
    )  # fmt: skip
