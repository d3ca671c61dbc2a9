# cython: annotation_typing=False
"""ErrorResponse: fields, each with a letter (PostgreSQL documentation §55.8)."""

from __future__ import annotations

from weir_probe.protocols.message import CODE, Message
from weir_probe.protocols.sql_errors import put_error, status_of_sqlstate
from weir_probe.protocols.strings import text_end
from weir_probe.wire.cursor import Cursor

_CODE = CODE


def read_error(cursor: Cursor, at: int, end: int, message: Message, redacts: bool) -> bool:
    """Write status, code and exception; whether it ends the session (FATAL, PANIC)."""
    fatal = False
    code = 0
    while at < end and cursor.u8(at) != 0:
        field = cursor.u8(at)
        stop = text_end(cursor, at + 1, end)
        if field == 0x56 or field == 0x53:  # severity
            fatal = cursor.u8(at + 1) == 0x46 or cursor.u8(at + 1) == 0x50
        elif field == 0x43:
            code = at + 1
            message.put(_CODE, cursor, code, min(stop - code, 5))
            message.status = status_of_sqlstate(cursor, code)
        elif field == 0x4D:
            put_error(cursor, at + 1, stop, message, redacts and (code == 0 or _quotes_values(cursor, code)))
        at = stop + 1
    return fatal


def _quotes_values(cursor: Cursor, at: int) -> bool:
    """Whether its text quotes more than names: data exceptions (22), syntax errors (42601), what functions raise (P0).

    Those that do not: 08, 23, 25, 28, 3D, 40, 42, 53, 55, 57.
    """
    first = cursor.u8(at)
    second = cursor.u8(at + 1)
    if first == 0x34 and second == 0x32:
        return cursor.u16(at + 2) == 0x3630  # 42601, 42602 and others that quote what they could not read
    if first == 0x34:
        return second != 0x30
    if first == 0x32:
        return second not in b"358"
    if first == 0x35:
        return second not in b"357"
    return not ((first == 0x30 and second == 0x38) or (first == 0x33 and second == 0x44))
