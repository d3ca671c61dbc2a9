# cython: annotation_typing=False
"""What the head of a response says: columns of the call."""

from __future__ import annotations

from typing import Final

from weir_probe.protocols import trace
from weir_probe.protocols.http1.head import Field, Head, line_end
from weir_probe.protocols.message import CLIENT_ERROR, EXCEPTION, OK, SERVER_ERROR, Message
from weir_probe.wire.cursor import Cursor

#: Of the reason phrase, which is told of an error.
MAX_REASON: Final = 64
_MAX_REASON, _EXCEPTION = MAX_REASON, EXCEPTION
_OK, _CLIENT_ERROR, _SERVER_ERROR = OK, CLIENT_ERROR, SERVER_ERROR
_WANTED = 1 << ord("x") - ord("a") | 1 << ord("u") - ord("a")  # of Head.letters
_X_REQUEST = trace.X_REQUEST


class Response:
    """After `put`, `upgrades` says whether the server goes on with HTTP/2 in clear text."""

    def __init__(self) -> None:
        self.upgrades = False
        self.field = Field()

    def put(self, cursor: Cursor, head: Head, message: Message) -> None:
        """Write the columns that the head of a response gives."""
        self.upgrades = False
        message.has_code = True
        message.code = head.code
        message.status = _OK if head.code < 400 else _CLIENT_ERROR if head.code < 500 else _SERVER_ERROR
        if head.code >= 400 and head.fields > 0:
            self._reason(cursor, head.code_end, head.fields, message)
        at = head.fields if head.letters & _WANTED else -1
        while 0 <= at < head.end:
            behind = line_end(cursor, at, head.end)
            if behind == 0:
                return
            first = cursor.u8(at) | 0x20
            if (first == 0x78 or first == 0x75) and self.field.read(cursor, at, behind):
                self._put_field(cursor, message)
            at = behind

    def _put_field(self, cursor: Cursor, message: Message) -> None:
        """Trace context is the request's, but for the request's number."""
        field = self.field
        if trace.format_of(cursor, field.name, field.name_size) == _X_REQUEST:
            trace.put(_X_REQUEST, cursor, field.value, field.value_size, message)
        elif field.has_name(cursor, b"upgrade"):
            self.upgrades = field.has_value(cursor, b"h2c")

    def _reason(self, cursor: Cursor, at: int, end: int, message: Message) -> None:
        while at < end and cursor.u8(at) <= 0x20:
            at += 1
        while end > at and cursor.u8(end - 1) <= 0x20:
            end -= 1
        message.put(_EXCEPTION, cursor, at, min(end - at, _MAX_REASON))
