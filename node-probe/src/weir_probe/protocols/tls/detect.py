# cython: annotation_typing=False
"""Is it TLS? A hello of either side, with its lengths one in the other."""

from __future__ import annotations

from weir_probe.protocols.parser import FROM_CLIENT, FROM_SERVER, INVALID, NEED_MORE
from weir_probe.wire.cursor import Cursor

_HANDSHAKE = 22
_CLIENT_HELLO, _SERVER_HELLO = 1, 2
_MAX_RECORD = 16_384  # of plaintext (RFC 8446 §5.1)
_MAX_HELLO = 65_536
#: From a hello's type to the length of its session id, and that.
_UP_TO_SESSION = 4 + 2 + 32 + 1


def detect(cursor: Cursor, at: int, end: int) -> int:
    """The records' headers, and of the hello what is in front of its lists: 16 bytes that are known or bounded."""
    hello = bytearray()
    records = 0
    while len(hello) < _UP_TO_SESSION + 34:
        if cursor.has(at, 1) and cursor.u8(at) != _HANDSHAKE:
            return INVALID
        if cursor.has(at + 1, 1) and cursor.u8(at + 1) != 3:
            return INVALID
        if cursor.has(at + 2, 1) and cursor.u8(at + 2) > 4:
            return INVALID
        if at + 5 > end:
            break
        length = cursor.u16(at + 3)
        if length > _MAX_RECORD or length == 0:
            return INVALID
        hello += bytes(cursor.buffer[at + 5 : min(at + 5 + length, end, at + 5 + 128)])
        records += 1
        if records == 1 and len(hello) >= 4 and 4 + int.from_bytes(hello[1:4]) < length and hello[0] == _CLIENT_HELLO:
            return INVALID  # nothing can follow a client's hello
        at += 5 + length
        if at >= end:
            break
    return _hello(bytes(hello))


def _hello(hello: bytes) -> int:
    if not hello:
        return NEED_MORE
    if hello[0] not in (_CLIENT_HELLO, _SERVER_HELLO):
        return INVALID
    if len(hello) >= 4 and not _UP_TO_SESSION <= int.from_bytes(hello[1:4]) + 1 < _MAX_HELLO:
        return INVALID
    if len(hello) >= 6 and (hello[4] != 3 or hello[5] > 3):  # legacy_version
        return INVALID
    if len(hello) < _UP_TO_SESSION:
        return NEED_MORE
    behind = _UP_TO_SESSION + hello[_UP_TO_SESSION - 1]
    if behind > _UP_TO_SESSION + 32:
        return INVALID
    if len(hello) < behind + 2:
        return NEED_MORE
    following = int.from_bytes(hello[behind : behind + 2])
    if hello[0] == _CLIENT_HELLO:
        fits = 0 < following <= int.from_bytes(hello[1:4]) - (behind - 4) - 4 and following % 2 == 0
        return FROM_CLIENT if fits else INVALID
    return FROM_SERVER if following < 0x1400 or following >> 8 in (0xC0, 0xCC, 0xD0) else INVALID
