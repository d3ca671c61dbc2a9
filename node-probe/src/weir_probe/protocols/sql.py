# cython: annotation_typing=False
"""Text of SQL as a call tells it: without literals, in short ("SELECT users"), and the trace that a comment names.

One pass over the bytes that are there, nothing is allocated. What is not terminated, because the text was cut, is taken
for a literal to its end. The two dialects differ in what begins a string, a comment and an identifier.
"""

from __future__ import annotations

from typing import Final

from weir_probe.protocols.message import RESOURCE, Message
from weir_probe.protocols.sql_summary import Summary, in_word
from weir_probe.protocols.sql_trace import read_comment
from weir_probe.wire.cursor import Cursor

#: Bytes of a statement that are told.
MAX_SQL: Final = 512
_MAX_SQL = MAX_SQL
_RESOURCE = RESOURCE

#: The token before. A ROW is a closed parenthesis that had literals only.
_NONE, _WORD, _LITERAL, _OPEN, _COMMA, _ROW, _OTHER = range(7)
#: What is held back, since it goes if a literal follows: `,` in a list, or between rows; then `, (`, `, (?`, `, (?,`.
_IN_LIST, _ROWS, _ROW_OPEN, _ROW_LITERAL, _ROW_COMMA = range(1, 6)


class Sql:
    """Reads one statement after the other, of one dialect."""

    def __init__(self, mysql: bool) -> None:
        self.mysql = mysql
        #: A backslash escapes in plain strings: MySQL unless NO_BACKSLASH_ESCAPES; PostgreSQL where
        #: standard_conforming_strings is off.
        self.escapes = mysql
        #: Strings hold characters of two bytes whose second may be a backslash: GBK, Big5, Shift JIS.
        self.wide = False
        #: Where the comments stand that may name a trace: the first and the last.
        self.comment_at = self.comment_end = self.last_comment_at = self.last_comment_end = 0
        self.summary = Summary()
        self.cursor = Cursor()
        self.message = Message()
        self._begin(False)

    def _begin(self, writes: bool) -> None:
        self.writes = writes
        self.space = False  # before the next token
        self.held = 0
        self.before = _NONE
        self.depth = 0
        self.pure = False  # the innermost parenthesis has had literals only
        self.continues = False  # a string that goes on in the next line keeps its escapes (PostgreSQL §4.1.2.1)
        self.breaks = False  # a line has ended since the last string
        self.conditional = False  # within /*! */
        self.comment_at = self.comment_end = self.last_comment_at = self.last_comment_end = 0
        self.summary.begin()

    def read(self, cursor: Cursor, at: int, end: int, message: Message, redacts: bool) -> None:
        """Write the resource and the endpoint of the statement at `at`."""
        self.cursor = cursor
        self.message = message
        self._begin(redacts)
        if redacts:
            message.begin(_RESOURCE)
        else:
            message.put(_RESOURCE, cursor, at, min(end - at, _MAX_SQL))
            message.cut = message.cut or end - at > _MAX_SQL
        while at < end:
            at = self._token(at, end)
        self._flush()
        self.summary.write(message)
        if self.comment_end:
            read_comment(cursor, self.comment_at, self.comment_end, message)
            if self.last_comment_at != self.comment_at:
                read_comment(cursor, self.last_comment_at, self.last_comment_end, message)

    def tell_verb(self, column: int) -> None:
        """The statement's first keyword as a column, in capitals."""
        self.message.begin(column)
        self.summary.add_verb(self.message)

    # ---- tokens

    def _token(self, at: int, end: int) -> int:
        """Read what begins at `at`; where it ends."""
        cursor = self.cursor
        byte = cursor.u8(at)
        if byte <= 0x20:
            self.space = True
            self.breaks = self.breaks or byte == 0x0A or byte == 0x0D
            return at + 1
        if in_word(byte) and (byte < 0x30 or byte > 0x39) and byte != 0x24:
            return self._read_word(at, end)
        following = cursor.u8(at + 1) if at + 1 < end else 0
        if byte == 0x27 or (byte == 0x22 and self.mysql):
            self.continues = self.continues and self.breaks
            self.breaks = False
            at = self._string_end(at, end, byte, self.escapes or self.continues)
            self._literal()
            return at
        if (byte == 0x2F and following == 0x2A) or self._comments_line(byte, following, at, end):
            return self._comment(at, end, byte == 0x2F)
        if byte == 0x2A and following == 0x2F and self.conditional:
            self.conditional = False
            self.space = True
            return at + 2
        self.continues = False
        if _is_digit(byte) or (byte == 0x2E and _is_digit(following)):
            at = self._number_end(at, end)
            self._literal()
        elif byte == 0x22 or (byte == 0x60 and self.mysql):
            stop = self._string_end(at, end, byte, False)
            self._name(at, stop, 0)
            at = stop
        elif byte == 0x24 and not self.mysql:
            at = self._dollar(at, end)
        elif (byte == 0x2D or byte == 0x2B) and _is_digit(following) and self._signs():
            at = self._number_end(at + 1, end)
            self._literal()
        else:
            self._punctuation(byte)
            at += 1
        return at

    def _read_word(self, at: int, end: int) -> int:
        cursor = self.cursor
        stop = at
        word = 0
        while stop < end:
            byte = cursor.u8(stop)
            if not in_word(byte):
                break
            if 0x61 <= byte <= 0x7A:
                byte -= 0x20
            if stop - at < 8:
                word = word << 8 | byte
            stop += 1
        byte = cursor.u8(stop) if stop < end else 0
        if stop - at == 1 and (byte == 0x27 or (byte == 0x22 and self.mysql)) and word in b"EXBN":
            self.continues = word == 0x45 and not self.mysql
            self.breaks = False
            stop = self._string_end(stop, end, byte, self.escapes or self.continues)
            self._literal()
            return stop
        self.continues = False
        self._name(at, stop, word if stop - at <= 8 else 0)
        return stop

    def _string_end(self, at: int, end: int, quote: int, escapes: bool) -> int:
        """Behind the closing quote; a doubled one, or an escaped one, does not close."""
        cursor = self.cursor
        at += 1
        while at < end:
            byte = cursor.u8(at)
            if (byte == 0x5C and escapes) or (byte > 0x80 and self.wide):
                at += 2
            elif byte != quote:
                at += 1
            elif at + 1 < end and cursor.u8(at + 1) == quote:
                at += 2
            else:
                return at + 1
        return end

    def _number_end(self, at: int, end: int) -> int:
        cursor = self.cursor
        begun = at
        while at < end:
            byte = cursor.u8(at)
            if in_word(byte) or byte == 0x2E:
                at += 1
            elif (byte == 0x2B or byte == 0x2D) and at > begun and cursor.u8(at - 1) | 0x20 == 0x65:
                at += 1  # an exponent's sign
            else:
                break
        return at

    def _dollar(self, at: int, end: int) -> int:
        """A parameter `$1`, or a string between two tags `$tag$`."""
        cursor = self.cursor
        stop = at + 1
        while stop < end and in_word(cursor.u8(stop)) and cursor.u8(stop) != 0x24:
            stop += 1
        if stop > at + 1 and _is_digit(cursor.u8(at + 1)):
            self._other()
            self._write(at, stop)
            return stop
        if stop < end and cursor.u8(stop) != 0x24:
            self._punctuation(0x24)
            return at + 1
        self._literal()
        size = stop + 1 - at
        close = stop + 1
        while close + size <= end:
            same = 0
            while same < size and cursor.u8(close + same) == cursor.u8(at + same):
                same += 1
            if same == size:
                return close + size
            close += 1
        return end

    def _comments_line(self, byte: int, following: int, at: int, end: int) -> bool:
        if byte == 0x23:
            return self.mysql
        if byte != 0x2D or following != 0x2D:
            return False
        return not self.mysql or at + 2 >= end or self.cursor.u8(at + 2) <= 0x20

    def _comment(self, at: int, end: int, block: bool) -> int:
        """Pass over a comment. What MySQL executes, `/*! … */`, is a statement's text."""
        cursor = self.cursor
        self.space = True
        stop = at + 2
        if not block:
            stop = at + 1
            while stop < end and cursor.u8(stop) != 0x0A:
                stop += 1
        elif self.mysql and (cursor.u8(stop) == 0x21 or (cursor.u8(stop) == 0x4D and cursor.u8(stop + 1) == 0x21)):
            stop += 1 if cursor.u8(stop) == 0x21 else 2
            while stop < end and _is_digit(cursor.u8(stop)):
                stop += 1
            self.conditional = True
            return stop
        else:
            self.continues = False
            nested = 1
            while stop < end and nested > 0:
                if cursor.u8(stop) == 0x2A and cursor.u8(stop + 1) == 0x2F:
                    nested -= 1
                    stop += 1
                elif not self.mysql and cursor.u8(stop) == 0x2F and cursor.u8(stop + 1) == 0x2A:
                    nested += 1
                    stop += 1
                stop += 1
            stop = min(stop, end)
        if self.comment_end == 0:
            self.comment_at = at
            self.comment_end = stop
        self.last_comment_at = at
        self.last_comment_end = stop
        return stop

    # ---- what is written

    def _literal(self) -> None:
        self.summary.interrupt()
        if self.held == _IN_LIST:
            self.held = 0
            self.space = False
        elif self.held == _ROW_OPEN or self.held == _ROW_COMMA:
            self.held = _ROW_LITERAL
            self.space = False
        else:
            self._flush()
            self.space = self.space or self.before == _WORD
            self._write_byte(0x3F)
        self.before = _LITERAL

    def _signs(self) -> bool:
        """Whether a `-` here is a number's own."""
        return self.before == _OPEN or self.before == _COMMA

    def _other(self) -> None:
        """A token comes that is no literal."""
        self._flush()
        self.pure = False
        self.before = _OTHER

    def _punctuation(self, byte: int) -> None:
        if byte == 0x2C:
            self._comma()
        elif byte == 0x28 or byte == 0x5B:
            self._open(byte)
        elif byte == 0x29 or byte == 0x5D:
            self._close(byte)
        elif byte == 0x3F and self.mysql:  # a parameter
            self._literal()
        else:
            self.summary.interrupt()
            self._other()
            self._write_byte(byte)

    def _comma(self) -> None:
        self.summary.comma(self.depth)
        if self.held == _ROW_LITERAL:
            self.held = _ROW_COMMA
        elif self.held == 0 and self.before == _LITERAL and self.depth > 0:
            self.held = _IN_LIST
        elif self.held == 0 and self.before == _ROW:
            self.held = _ROWS
        else:
            self._flush()
            self._write_byte(0x2C)
        self.before = _COMMA
        if self.held:
            self.space = False

    def _open(self, byte: int) -> None:
        self.summary.interrupt()
        self.depth += 1
        if self.held == _ROWS and byte == 0x28:
            self.held = _ROW_OPEN
            self.space = False
        else:
            self._flush()
            self._write_byte(byte)
        self.pure = byte == 0x28
        self.before = _OPEN

    def _close(self, byte: int) -> None:
        if self.depth > 0:
            self.depth -= 1
        self.summary.close(self.depth)
        if self.held == _ROW_LITERAL and byte == 0x29:
            self.held = 0
            self.space = False
            self.before = _ROW
            return
        self._flush()
        self._write_byte(byte)
        self.before = _ROW if self.pure and self.before == _LITERAL else _OTHER
        self.pure = False

    def _flush(self) -> None:
        """Write what was held back: no literal followed."""
        held = self.held
        if held == 0:
            return
        space = self.space
        self.held = 0
        self.space = False
        self._write_byte(0x2C)
        if held >= _ROW_OPEN:
            self._write_byte(0x20)
            self._write_byte(0x28)
        if held >= _ROW_LITERAL:
            self._write_byte(0x3F)
        if held == _ROW_COMMA:
            self._write_byte(0x2C)
        self.space = space

    def _write_byte(self, byte: int) -> None:
        if not self._has_room(1):
            return
        self.message.add(byte)

    def _write(self, at: int, end: int) -> None:
        if self._has_room(end - at):
            self.message.add_from(self.cursor, at, end - at)

    def _has_room(self, count: int) -> bool:
        """Whether so much can be written, after the space that is due."""
        if not self.writes:
            return False
        used = self.message.length_of(_RESOURCE)
        due = self.space and used > 0
        if used + count + due > _MAX_SQL:
            self.message.cut = True
            self.writes = False
            return False
        if due:
            self.message.add(0x20)
        self.space = False
        return True

    def _name(self, at: int, end: int, word: int) -> None:
        """A keyword, or an identifier: `word` is 0 where it is quoted or long."""
        self._other()
        self._write(at, end)
        self.before = _WORD
        self.summary.name(self.cursor, at, end, word, self.depth)


def _is_digit(byte: int) -> bool:
    return 0x30 <= byte <= 0x39
