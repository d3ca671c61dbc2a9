# cython: annotation_typing=False
"""The head of a message: its first line, and what its fields say of the body's length (RFC 9112 §2 to §6)."""

from __future__ import annotations

from typing import Final

from weir_probe.wire.cursor import Cursor

#: The first four bytes of a status line, and of a version.
HTTP: Final = 0x48545450
#: `Head.length` where no field says it, and where one says nonsense, or two say different things.
NO_LENGTH: Final = -1
BAD_LENGTH: Final = -2
#: `Head.coding`, by the last of the transfer codings: none, chunked, another one.
PLAIN, CHUNKED, OTHER = range(3)
MAX_METHOD: Final = 32
_MAX_LENGTH = 1 << 53
_HTTP, _NO_LENGTH, _BAD_LENGTH, _MAX_METHOD = HTTP, NO_LENGTH, BAD_LENGTH, MAX_METHOD
_PLAIN, _CHUNKED, _OTHER = PLAIN, CHUNKED, OTHER


def is_version(cursor: Cursor, at: int) -> bool:
    """`HTTP/1.` and a digit."""
    return (
        cursor.u32(at) == _HTTP
        and cursor.u16(at + 4) == 0x2F31
        and cursor.u8(at + 6) == 0x2E
        and 0x30 <= cursor.u8(at + 7) <= 0x39
    )


def method_end(cursor: Cursor, at: int, end: int) -> int:
    """Behind the token (RFC 9110 §5.6.2) that starts at `at`."""
    last = min(end, at + _MAX_METHOD)
    while at < last:
        byte = cursor.u8(at)
        if byte <= 0x20 or byte >= 0x7F or byte in b'"(),/:;<=>?@[\\]{}':
            return at
        at += 1
    return at


def line_end(cursor: Cursor, at: int, end: int) -> int:
    """Behind the line end of the field at `at`, with lines that fold it (RFC 9112 §5.2); 0: it is not there.

    A lone LF ends a line too (§2.2).
    """
    while True:
        at = cursor.find(0x0A, at, end) + 1
        if at == 0 or (cursor.u8(at) != 0x20 and cursor.u8(at) != 0x09) or at >= end:
            return at


class Field:
    """A field of a head, after `read`: where its name, and its value without blanks around it, stand."""

    def __init__(self) -> None:
        self.name = self.name_size = 0
        self.value = self.value_size = 0

    def read(self, cursor: Cursor, at: int, end: int) -> bool:
        """False: the line has no colon."""
        colon = cursor.find(0x3A, at, end)
        if colon < 0:
            return False
        self.name = at
        self.name_size = colon - at
        at = colon + 1
        while at < end and cursor.u8(at) <= 0x20:
            at += 1
        while end > at and cursor.u8(end - 1) <= 0x20:
            end -= 1
        self.value = at
        self.value_size = end - at
        return True

    def has_name(self, cursor: Cursor, name: bytes) -> bool:
        """In any case of letters; `name` is in lower case."""
        return cursor.is_name(self.name, self.name_size, name)

    def has_value(self, cursor: Cursor, value: bytes) -> bool:
        """The same of the value."""
        return cursor.is_name(self.value, self.value_size, value)


class Head:
    """Reads a head from the front. `end` is behind what was read, which is the `whole` of it or not yet."""

    def __init__(self) -> None:
        self.end = 0
        self.whole = False
        self.fields = -1  # where they begin, behind the first line; -1: that is not whole
        #: What the names of fields begin with: a bit for each letter of either case, the first for A.
        self.letters = 0
        self.length = NO_LENGTH
        self.coding = PLAIN
        #: Of a request: where its method and its target end; the target starts behind the method and a blank.
        self.method_end = 0
        self.target_end = 0
        #: Of a response; 0: it is not there yet.
        self.code = 0
        self.code_end = 0

    def request_line(self, cursor: Cursor, at: int, end: int) -> bool:
        """Read the first line of a request, or what is there of it. False: it is none.

        A target may have blanks in it, which some clients send as they are: the version is what ends the line.
        """
        self.fields = -1
        self.method_end = method_end(cursor, at, end)
        if self.method_end == at:
            return False
        self.target_end = end
        if self.method_end == end:
            return True
        if cursor.u8(self.method_end) != 0x20:
            return False
        line = cursor.find(0x0A, self.method_end, end)
        if line < 0:
            return True
        self.fields = line + 1
        if cursor.u8(line - 1) == 0x0D:
            line -= 1
        self.target_end = line - 9
        return self.target_end > self.method_end + 1 and cursor.u8(line - 9) == 0x20 and is_version(cursor, line - 8)

    def status_line(self, cursor: Cursor, at: int, end: int) -> bool:
        """The same of a response."""
        self.fields = -1
        self.code = 0
        if end - at < 12:
            return cursor.u8(at) == 0x48
        if not is_version(cursor, at) or cursor.u8(at + 8) != 0x20:
            return False
        for place in range(at + 9, at + 12):
            digit = cursor.u8(place) - 0x30
            if digit < 0 or digit > 9:
                return False
            self.code = self.code * 10 + digit
        self.code_end = at + 12
        line = cursor.find(0x0A, at + 12, end)
        if line >= 0:
            self.fields = line + 1
        return self.code >= 100

    def read(self, cursor: Cursor, end: int) -> None:
        """Read the `fields`, as long as they are there, and the empty line."""
        at = self.fields
        self.letters = 0
        self.whole = False
        self.end = at
        while 0 <= at < end:
            behind = line_end(cursor, at, end)
            if behind == 0:
                return
            first = cursor.u8(at)
            if first == 0x0A or (first == 0x0D and behind == at + 2):
                self.end = behind
                self.whole = True
                return
            if behind >= end:  # a fold may follow
                return
            first |= 0x20
            self.letters |= 1 << ((first - 0x61) & 31)
            if first == 0x63 and cursor.is_name(at, 15, b"content-length:"):
                self._content_length(cursor, at + 15, behind)
            elif first == 0x74 and cursor.is_name(at, 18, b"transfer-encoding:"):
                self._transfer_encoding(cursor, at + 18, behind)
            at = behind
            self.end = at

    def _content_length(self, cursor: Cursor, at: int, end: int) -> None:
        """Digits; the same again, in a list or in a further field, is taken (RFC 9110 §8.6)."""
        value = _NO_LENGTH
        done = False  # a blank stood behind the digits
        while at < end:
            byte = cursor.u8(at)
            at += 1
            if 0x30 <= byte <= 0x39 and value < _MAX_LENGTH and not done:
                value = (0 if value < 0 else value) * 10 + byte - 0x30
            elif byte == 0x2C and value >= 0:
                self._says(value)
                value = _NO_LENGTH
                done = False
            elif byte == 0x20 or byte == 0x09 or byte == 0x0D or byte == 0x0A:
                done = value >= 0
            else:
                self.length = _BAD_LENGTH
                return
        self._says(value)

    def _says(self, length: int) -> None:
        self.length = length if length >= 0 and (self.length == _NO_LENGTH or self.length == length) else _BAD_LENGTH

    def _transfer_encoding(self, cursor: Cursor, at: int, end: int) -> None:
        """The last of the codings tells (RFC 9112 §6.3); parameters of a coding are passed over."""
        while end > at and cursor.u8(end - 1) <= 0x20:
            end -= 1
        start = end
        while start > at and cursor.u8(start - 1) > 0x20 and cursor.u8(start - 1) != 0x2C:
            start -= 1
        if start == end or cursor.is_name(start, end - start, b"identity"):  # RFC 2616 §3.6: none
            return
        self.coding = _CHUNKED if cursor.is_name(start, end - start, b"chunked") else _OTHER
