"""Is it MySQL? A server's greeting says so; in the middle, a command or an answer that is like nothing else."""

from __future__ import annotations

import zlib

from weir_probe.protocols.mysql.wire import EXECUTE, PING, PREPARE, QUERY, is_command, is_compressed, u24
from weir_probe.protocols.parser import FROM_CLIENT, FROM_SERVER, INVALID, NEED_MORE
from weir_probe.protocols.sql_detect import is_statement, is_text
from weir_probe.protocols.strings import text_end
from weir_probe.wire.cursor import Cursor

_MAX_VERSION = 64


def detect(cursor: Cursor, at: int, end: int) -> int:
    if end - at < 5:
        return NEED_MORE if end - at < 4 or cursor.u8(at + 3) <= 1 else INVALID
    if is_compressed(cursor, at, end):
        return _compressed(cursor, at, end)
    size, seq, first = u24(cursor, at), cursor.u8(at + 3), cursor.u8(at + 4)
    if seq == 0 and first == 10:
        return _greeting(cursor, at, end, size)
    if seq == 0 and first == 0xFF:
        return _refusal(cursor, at, end, size)
    if seq == 0:
        return _command(cursor, at, end, size, first)
    return _answer(cursor, at, end, size, first) if seq == 1 else INVALID


def _compressed(cursor: Cursor, at: int, end: int) -> int:
    """Of a compressed packet what is in it; only a client's is like nothing else."""
    inner = Cursor()
    data = cursor.copied(at + 7, min(end, at + 7 + u24(cursor, at)))
    if u24(cursor, at + 4):
        try:
            data = zlib.decompressobj().decompress(data, 1024)
        except zlib.error:
            return INVALID
    inner.bind(data)
    return detect(inner, 0, len(data)) if not is_compressed(inner, 0, len(data)) else INVALID


def _greeting(cursor: Cursor, at: int, end: int, size: int) -> int:
    """HandshakeV10: version, id, salt, a zero; later ten that are zero too, of which MariaDB uses four."""
    if not 40 <= size <= 255:
        return INVALID
    stop = text_end(cursor, at + 5, min(end, at + 5 + _MAX_VERSION))
    version = cursor.copied(at + 5, stop)
    if not all(0x20 <= byte < 0x7F for byte in version) or (stop > at + 5 and not version[:1].isdigit()):
        return INVALID
    if end - at < size + 4:
        return NEED_MORE if stop < end or stop < at + 5 + _MAX_VERSION else INVALID
    zeros = all(cursor.u8(place) == 0 for place in range(stop + 22, stop + 28))
    return FROM_SERVER if b"." in version and cursor.u8(stop + 13) == 0 and zeros and end - at == size + 4 else INVALID


def _refusal(cursor: Cursor, at: int, end: int, size: int) -> int:
    """An error instead of a greeting: too many connections, host not allowed."""
    if not 1000 <= cursor.u16le(at + 5) < 2000 or size > 512:
        return INVALID
    if not is_text(cursor, at + 7, min(end, at + 4 + size)):
        return INVALID
    return NEED_MORE if end - at < size + 4 else FROM_SERVER if end - at == size + 4 and size > 8 else INVALID


def _command(cursor: Cursor, at: int, end: int, size: int, command: int) -> int:
    if not is_command(command) or size == 0:
        return INVALID
    if command in (QUERY, PREPARE):
        body = at + 7 if command == QUERY and cursor.u16(at + 5) == 1 else at + 5  # no query attributes
        stop = min(end, at + 4 + size)
        if not is_text(cursor, body, min(stop, body + 32)):
            return INVALID
        if is_statement(cursor, body, stop):
            return FROM_CLIENT if end - stop < 5 or _is_next(cursor, stop) else INVALID
        return NEED_MORE if stop - body < 16 and end - at < size + 4 else INVALID
    if end - at > size + 4:
        return INVALID
    if command == EXECUTE and size >= 10 and end - at == size + 4:
        return FROM_CLIENT if cursor.u8(at + 9) < 0x10 and cursor.u32le(at + 10) == 1 else INVALID
    return FROM_CLIENT if command == PING and size == 1 else NEED_MORE


def _is_next(cursor: Cursor, at: int) -> bool:
    """Whether a command follows that did not wait for an answer."""
    return cursor.u8(at + 3) == 0 and u24(cursor, at) > 0 and is_command(cursor.u8(at + 4))


def _answer(cursor: Cursor, at: int, end: int, size: int, first: int) -> int:
    following = at + 4 + size
    if first == 0xFF:
        told = cursor.u8(at + 7) == ord("#") and 1000 <= cursor.u16le(at + 5) < 5000 and size >= 9
        return FROM_SERVER if told and is_text(cursor, at + 8, min(end, following)) else INVALID
    if first == 0 and size == 7:  # OK, without a message
        quiet = cursor.u8(at + 5) < 0xFB and cursor.u8(at + 6) < 0xFB and cursor.u16le(at + 9) < 0x100
        return FROM_SERVER if quiet and cursor.u16le(at + 7) < 0x4000 and end == following else INVALID
    defines = first if size <= 2 else size == 12 and first == 0 and cursor.u8(at + 13) == 0
    if not defines:
        return INVALID
    if end - following < 8:
        return NEED_MORE
    definition = cursor.u8(following + 3) == 2 and cursor.u32(following + 4) == 0x03646566  # in the catalog "def"
    return FROM_SERVER if definition else INVALID
