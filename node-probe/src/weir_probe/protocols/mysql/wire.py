# cython: annotation_typing=False
"""Packets, numbers and names of the MySQL client/server protocol (dev.mysql.com, Source Code Documentation)."""

from __future__ import annotations

from typing import Final

from weir_probe.wire.cursor import Cursor

#: Length of a packet that is continued by the next one.
FULL_PACKET: Final = 0xFFFFFF
#: Capabilities, as a client states them.
CONNECT_WITH_DB: Final = 1 << 3
COMPRESS: Final = 1 << 5
PROTOCOL_41: Final = 1 << 9
TLS: Final = 1 << 11
SECURE_CONNECTION: Final = 1 << 15
PLUGIN_AUTH_LENENC: Final = 1 << 21
DEPRECATE_EOF: Final = 1 << 24
ZSTD: Final = 1 << 26
QUERY_ATTRIBUTES: Final = 1 << 27
#: Commands; what else has a number has a name alone.
QUIT, INIT_DB, QUERY, FIELD_LIST = 1, 2, 3, 4
STATISTICS, CONNECT, PING, BINLOG_DUMP = 9, 11, 14, 18
CHANGE_USER, PREPARE, EXECUTE, LONG_DATA, CLOSE, RESET = 17, 22, 23, 24, 25, 26
FETCH, BINLOG_DUMP_GTID, RESET_CONNECTION, BULK_EXECUTE = 28, 30, 31, 250
NAMES: Final = (
    b"COM_SLEEP COM_QUIT COM_INIT_DB COM_QUERY COM_FIELD_LIST COM_CREATE_DB COM_DROP_DB COM_REFRESH COM_SHUTDOWN"
    b" COM_STATISTICS COM_PROCESS_INFO COM_CONNECT COM_PROCESS_KILL COM_DEBUG COM_PING COM_TIME COM_DELAYED_INSERT"
    b" COM_CHANGE_USER COM_BINLOG_DUMP COM_TABLE_DUMP COM_CONNECT_OUT COM_REGISTER_SLAVE COM_STMT_PREPARE"
    b" COM_STMT_EXECUTE COM_STMT_SEND_LONG_DATA COM_STMT_CLOSE COM_STMT_RESET COM_SET_OPTION COM_STMT_FETCH COM_DAEMON"
    b" COM_BINLOG_DUMP_GTID COM_RESET_CONNECTION"
).split()
_LAST: Final = len(NAMES) - 1
_BULK_EXECUTE = BULK_EXECUTE


def is_command(byte: int) -> bool:
    """Whether clients send it: not COM_SLEEP and others that are the server's own."""
    return (0 < byte <= _LAST and byte not in b"\x0b\x0f\x10\x14\x1d") or byte == _BULK_EXECUTE


def name_of(command: int) -> bytes:
    return NAMES[command] if command <= _LAST else b"COM_STMT_BULK_EXECUTE"


def u24(cursor: Cursor, at: int) -> int:
    return cursor.u16le(at) | cursor.u8(at + 2) << 16


def number(cursor: Cursor, at: int) -> int:
    """A length-encoded integer."""
    first = cursor.u8(at)
    if first < 0xFB:
        return first
    if first == 0xFC:
        return cursor.u16le(at + 1)
    if first == 0xFD:
        return u24(cursor, at + 1)
    return cursor.u64le(at + 1) if first == 0xFE else 0


def behind(cursor: Cursor, at: int) -> int:
    """Where a length-encoded integer ends."""
    first = cursor.u8(at)
    if first < 0xFC:
        return at + 1
    if first == 0xFC:
        return at + 3
    return at + 4 if first == 0xFD else at + 9


def is_compressed(cursor: Cursor, at: int, end: int) -> bool:
    """Whether a packet in the middle of a connection has the header of the compressed protocol: lengths before and
    after, and then a packet that fits, or zlib's own header (RFC 1950 §2.2)."""
    size = u24(cursor, at)
    if end - at < 12 or size < 5:
        return False
    before = u24(cursor, at + 4)
    if before == 0:
        return u24(cursor, at + 7) + 4 <= size and cursor.u8(at + 10) <= 1
    level = cursor.u8(at + 8)
    return before > size and cursor.u8(at + 7) == 0x78 and level in (0x01, 0x5E, 0x9C, 0xDA)  # in C, bytes are signed
