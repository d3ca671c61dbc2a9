# cython: annotation_typing=False
"""What commands carry: names of users, query attributes before a statement."""

from __future__ import annotations

from typing import Final

from weir_probe.protocols import trace
from weir_probe.protocols.message import ENDPOINT, RESOURCE, Message
from weir_probe.protocols.mysql.wire import (
    CONNECT_WITH_DB,
    PLUGIN_AUTH_LENENC,
    SECURE_CONNECTION,
    behind,
    number,
)
from weir_probe.protocols.strings import text_end
from weir_probe.wire.cursor import Cursor

_CONNECT_WITH_DB, _SECURE_CONNECTION, _PLUGIN_AUTH_LENENC = CONNECT_WITH_DB, SECURE_CONNECTION, PLUGIN_AUTH_LENENC
_RESOURCE, _ENDPOINT = RESOURCE, ENDPOINT
_MAX_NAME: Final = 64
_MAX_ATTRIBUTES: Final = 32


def read_login(cursor: Cursor, at: int, end: int, capabilities: int, message: Message) -> None:
    """User and database of a handshake response from the user's name on, or of a COM_CHANGE_USER; not the password."""
    user_end = text_end(cursor, at, end)
    place = user_end + 1
    if capabilities & _PLUGIN_AUTH_LENENC:
        place = behind(cursor, place) + min(number(cursor, place), end)
    elif capabilities & _SECURE_CONNECTION:
        place += 1 + cursor.u8(place)
    else:
        place = text_end(cursor, place, end) + 1
    database = place if capabilities & _CONNECT_WITH_DB and place < end else 0
    for column in (_RESOURCE, _ENDPOINT):
        message.begin(column)
        message.add_text(b"Login username: ")
        message.add_from(cursor, at, min(user_end - at, _MAX_NAME))
        if database and text_end(cursor, database, end) > database:
            message.add_text(b" db: ")
            message.add_from(cursor, database, min(text_end(cursor, database, end) - database, _MAX_NAME))


def behind_attributes(cursor: Cursor, at: int, end: int, message: Message) -> int:
    """Where the statement begins behind query attributes, which may name a trace; `end` where that cannot be told."""
    count = number(cursor, at)
    at = behind(cursor, behind(cursor, at))  # and the number of sets, which is 1
    if count == 0:
        return at
    if count > _MAX_ATTRIBUTES:
        return end
    nulls = at
    at += (count + 7) // 8
    if cursor.u8(at) != 1:
        return end
    values = at + 1
    for _ in range(count):
        values = behind(cursor, values + 2) + min(number(cursor, values + 2), end)
    name = at + 1
    for index in range(count):
        kind = cursor.u8(name)
        size = min(number(cursor, name + 2), end)
        name = behind(cursor, name + 2)
        if values > end:
            return end
        if not cursor.u8(nulls + index // 8) >> index % 8 & 1:
            announced = trace.format_of(cursor, name, size)
            length = _length(cursor, values, kind)
            value = behind(cursor, values) if length < 0 else values
            length = min(number(cursor, values) if length < 0 else length, end)
            if announced:
                trace.put(announced, cursor, value, length, message)
            values = value + length
        name += size
    return min(values, end)


def _length(cursor: Cursor, at: int, kind: int) -> int:
    """Bytes of a binary value by its type; -1: a length stands before it (enum_field_types)."""
    if kind == 1:  # tiny
        return 1
    if kind == 2 or kind == 13:  # short, year
        return 2
    if kind == 3 or kind == 4 or kind == 9:  # long, float, int24
        return 4
    if kind == 5 or kind == 8:  # double, longlong
        return 8
    if kind == 6:  # null
        return 0
    if kind == 7 or kind == 10 or kind == 11 or kind == 12:  # times, of one byte's length
        return 1 + cursor.u8(at)
    return -1
