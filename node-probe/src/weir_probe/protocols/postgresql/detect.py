"""Is it PostgreSQL? A startup packet says so; in the middle, messages whose inside fits their lengths exactly."""

from __future__ import annotations

from weir_probe.protocols.parser import FROM_CLIENT, FROM_SERVER, INVALID, NEED_MORE
from weir_probe.protocols.postgresql.wire import CANCEL, GSSENC, MAX_STARTUP, PROTOCOL_3, SSL, size_of
from weir_probe.protocols.sql_detect import VERBS, is_statement, is_text
from weir_probe.protocols.strings import text_end
from weir_probe.wire.cursor import Cursor

_MAX_MESSAGES = 8
#: Of an error or a notice: they quote statements.
_MAX_ERROR = 1 << 20
#: Minor versions that are in use, and the one by which clients try what a server answers.
_MINORS = (0, 2, 9999)


def detect(cursor: Cursor, at: int, end: int) -> int:
    """A packet without a type; else a chain of messages of one direction, one of which is past doubt."""
    if cursor.u8(at) == 0:
        return _startup(cursor, at, end)
    client = _chain(cursor, at, end, 0)
    if client == FROM_CLIENT:
        return client
    server = _chain(cursor, at, end, 1)
    return server if server != INVALID else client


def _startup(cursor: Cursor, at: int, end: int) -> int:
    if end - at < 8:
        return NEED_MORE
    size, code = cursor.u32(at), cursor.u32(at + 4)
    if code in (SSL, GSSENC):
        return FROM_CLIENT if size == 8 == end - at else INVALID
    if code == CANCEL:
        return FROM_CLIENT if size in range(16, 269) else INVALID  # a key has 4 bytes, or up to 256 (protocol 3.2)
    if code >> 16 != PROTOCOL_3 or code & 0xFFFF not in _MINORS or not 13 <= size <= MAX_STARTUP:
        return INVALID
    place, last, user = at + 8, min(end, at + size), False
    while place < last and cursor.u8(place) != 0:
        stop = text_end(cursor, place, last)
        if not is_text(cursor, place, stop):
            return INVALID
        user = user or cursor.is_name(place, stop - place, b"user")
        place = stop + 1
    if end - at < size:
        return NEED_MORE
    return FROM_CLIENT if user and place == at + size - 1 else INVALID


def _chain(cursor: Cursor, at: int, end: int, way: int) -> int:
    """FROM_CLIENT or FROM_SERVER where a message is past doubt and none is wrong."""
    certain = False
    for _ in range(_MAX_MESSAGES):
        if end - at < 5:
            break
        size = size_of(cursor, at, way)
        if size < 0:
            return INVALID
        fits = (_of_server if way else _of_client)(cursor, at, min(end, at + size), size)
        if fits < 0:
            return INVALID
        certain = certain or fits > 0
        at += size
        if at >= end:
            break
    if certain:
        return FROM_SERVER if way else FROM_CLIENT
    return NEED_MORE


def _of_client(cursor: Cursor, at: int, end: int, size: int) -> int:
    """1: nobody else sends this; 0: it could be; -1: it is not a message of a client."""
    kind, body, whole = chr(cursor.u8(at)), at + 5, end - at == size
    if kind == "Q":
        return _query(cursor, body, end, whole)
    if kind == "P":
        stop = text_end(cursor, body, end)
        close = text_end(cursor, stop + 1, end)
        if not is_text(cursor, body, stop):
            return -1
        if not whole:
            return 1 if is_statement(cursor, stop + 1, end) else 0
        return 1 if close + 3 + 4 * cursor.u16(close + 1) == end and is_text(cursor, stop + 1, close) else -1
    if kind == "B":
        stop = text_end(cursor, text_end(cursor, body, end) + 1, end)
        formats = cursor.u16(stop + 1)
        if not whole:
            return 0
        return _bound(cursor, stop + 3 + 2 * formats, end)
    if kind in "DC":
        target = cursor.u8(body) in b"SP" and text_end(cursor, body + 1, end) + 1 == end
        return 0 if target or not whole else -1
    if kind == "E":
        return 0 if text_end(cursor, body, end) + 5 == end or not whole else -1
    return -1 if kind in "SHX" and size != 5 else 0


def _query(cursor: Cursor, at: int, end: int, whole: bool) -> int:
    if not whole:
        return 1 if is_statement(cursor, at, end) else 0
    stop = text_end(cursor, at, end)
    return 1 if stop + 1 == end and stop > at and is_text(cursor, at, stop) else -1


def _bound(cursor: Cursor, at: int, end: int) -> int:
    """The values of a Bind, and the formats of its results, fill it."""
    count, place = cursor.u16(at), at + 2
    for _ in range(min(count, end - at)):
        length = cursor.u32(place)
        place += 4 + (0 if length == 0xFFFFFFFF else length)
        if place > end:
            return -1
    return 1 if place + 2 + 2 * cursor.u16(place) == end else -1


def _of_server(cursor: Cursor, at: int, end: int, size: int) -> int:
    kind, body, whole = chr(cursor.u8(at)), at + 5, end - at == size
    if kind == "Z":
        return 1 if size == 6 and (not whole or cursor.u8(body) in b"ITE") else -1
    if kind == "C":
        stop = text_end(cursor, body, end)
        if whole and stop + 1 == end:
            words = cursor.copied(body, min(stop, body + 64)).split()
            return 1 if words and words[0] in VERBS else -1
        return -1 if whole else 0
    if kind in "EN":
        if whole and (cursor.u8(end - 1) or cursor.u8(end - 2)):
            return -1
        stop = text_end(cursor, body, end)
        if size > _MAX_ERROR or cursor.u8(body) != ord("S") or not is_text(cursor, body, stop):
            return -1
        if stop + 1 >= end:
            return 0
        return 1 if cursor.u8(stop + 1) in b"VC" else -1  # severity again, untranslated (since 9.6), or the code
    if kind == "T":
        return _columns(cursor, body, end, whole)
    if kind == "R":
        return 1 if size in (9, 13) and cursor.u32(body) in (0, 3, 5) else 0 if cursor.u32(body) <= 12 else -1
    if kind == "S":
        stop = text_end(cursor, body, end)
        return 0 if is_text(cursor, body, stop) and (not whole or cursor.u8(end - 1) == 0) else -1
    return -1 if kind in "123nsIc" and size != 5 else 0


def _columns(cursor: Cursor, at: int, end: int, whole: bool) -> int:
    """A RowDescription: as many columns as it says, and nothing else."""
    count, place = cursor.u16(at), at + 2
    if not 0 < count <= 1664:  # MaxTupleAttributeNumber
        return -1
    for _ in range(count):
        stop = text_end(cursor, place, end)
        if stop + 19 > end:
            return -1 if whole else 0
        if cursor.u16(stop + 17) > 1 or not is_text(cursor, place, stop):
            return -1
        place = stop + 19
    return 1 if place == end else -1
