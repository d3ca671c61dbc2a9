# cython: annotation_typing=False
"""Errors of databases: whose they are, and their text, which may quote values of the statement: literals, as in it."""

from __future__ import annotations

from typing import Final

from weir_probe.protocols.message import CLIENT_ERROR, EXCEPTION, SERVER_ERROR, Message
from weir_probe.wire.cursor import Cursor

#: Bytes of an error's text that are told.
MAX_ERROR: Final = 200
_MAX_ERROR, _EXCEPTION = MAX_ERROR, EXCEPTION
_CLIENT_ERROR, _SERVER_ERROR = CLIENT_ERROR, SERVER_ERROR


def status_of_sqlstate(cursor: Cursor, at: int) -> int:
    """Whose fault it is, by class (ISO/IEC 9075-2 §24.1; PostgreSQL documentation, appendix A).

    The server's: it cannot be reached (08), undoes a transaction (40), has no resources (53), meets a limit (54), was
    told to stop (57) or fails (58, F0, HV, XX). All others say something of the statement.
    """
    first = cursor.u8(at)
    second = cursor.u8(at + 1)
    if first == 0x30:
        return _SERVER_ERROR if second == 0x38 else _CLIENT_ERROR
    if first == 0x34:
        return _SERVER_ERROR if second == 0x30 else _CLIENT_ERROR
    if first == 0x35:
        return _SERVER_ERROR if second in b"3478" else _CLIENT_ERROR
    if first == 0x46 or first == 0x58:
        return _SERVER_ERROR
    return _SERVER_ERROR if first == 0x48 and second == 0x56 else _CLIENT_ERROR


def put_error(cursor: Cursor, at: int, end: int, message: Message, hides: bool) -> None:
    """Write the exception. Where it hides, `?` stands for numbers and for all from the first quote to the last, since
    what is quoted may have quotes; texts that were translated quote by other marks, none of which is ASCII."""
    first = at
    while first < end and not _quotes(cursor.u8(first)):
        first += 1
    last = end - 1
    while last > first and not _quotes(cursor.u8(last)):
        last -= 1
    message.begin(_EXCEPTION)
    numbers = False
    while at < end:
        if message.length_of(_EXCEPTION) >= _MAX_ERROR:
            message.cut = True
            return
        byte = cursor.u8(at)
        if hides and at == first:
            message.add(0x3F)
            at = last + 1 if last > first else end
            continue
        digit = 0x30 <= byte <= 0x39
        if not (hides and digit):
            message.add(byte)
        elif not numbers:
            message.add(0x3F)
        numbers = digit
        at += 1


def _quotes(byte: int) -> bool:
    return byte == 0x22 or byte == 0x27 or byte == 0x60 or byte >= 0x80
