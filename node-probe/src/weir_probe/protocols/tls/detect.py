# cython: annotation_typing=False
"""Is it TLS? A hello of either side, with its lengths one in the other."""

from __future__ import annotations

from weir_probe.protocols.parser import FROM_CLIENT, FROM_SERVER, INVALID, NEED_MORE
from weir_probe.wire.cursor import Cursor

_FROM_CLIENT, _FROM_SERVER, _INVALID, _NEED_MORE = FROM_CLIENT, FROM_SERVER, INVALID, NEED_MORE
_HANDSHAKE = 22
_CLIENT_HELLO, _SERVER_HELLO = 1, 2
_HEADER = 5
_MAX_RECORD = 16_384  # of plaintext (RFC 8446 §5.1)
_MAX_HELLO = 65_536
#: From a hello's type to the length of its session id, and that.
_UP_TO_SESSION = 4 + 2 + 32 + 1
#: With the longest session id and what follows it.
_ENOUGH = _UP_TO_SESSION + 32 + 2


def detect(cursor: Cursor, at: int, end: int) -> int:
    """The records' headers, and of the hello what is in front of its lists: 16 bytes that are known or bounded."""
    length = _record(cursor, at, end)
    if length <= 0:
        return length
    at += _HEADER
    if end - at >= 4 and cursor.u8(at) == _CLIENT_HELLO and length >= 4 and 4 + _size(cursor, at) < length:
        return _INVALID  # nothing can follow a client's hello
    if length >= _ENOUGH or length >= end - at:
        return _hello(cursor, at, min(end, at + length))
    gathered = b""  # from records that are shorter than that
    while len(gathered) < _ENOUGH:
        gathered += cursor.copied(at, min(end, at + min(length, _ENOUGH)))
        at += length
        if at >= end:
            break
        length = _record(cursor, at, end)
        if length == _INVALID:
            return length
        if length == _NEED_MORE:
            break
        at += _HEADER
    hello = Cursor()
    hello.bind(gathered)
    return _hello(hello, 0, hello.end)


def _record(cursor: Cursor, at: int, end: int) -> int:
    """The length that a record's header tells; of one that is not all there, NEED_MORE."""
    if end > at and cursor.u8(at) != _HANDSHAKE:
        return _INVALID
    if end > at + 1 and cursor.u8(at + 1) != 3:
        return _INVALID
    if end > at + 2 and cursor.u8(at + 2) > 4:
        return _INVALID
    if at + _HEADER > end:
        return _NEED_MORE
    length = cursor.u16(at + 3)
    return _INVALID if length > _MAX_RECORD or length == 0 else length


def _size(cursor: Cursor, at: int) -> int:
    """Of the handshake message whose type is at `at`."""
    return cursor.u8(at + 1) << 16 | cursor.u16(at + 2)


def _hello(cursor: Cursor, at: int, end: int) -> int:
    """From its type on, as much as there is."""
    there = end - at
    if there == 0:
        return _NEED_MORE
    kind = cursor.u8(at)
    if kind != _CLIENT_HELLO and kind != _SERVER_HELLO:
        return _INVALID
    if there >= 4 and not _UP_TO_SESSION - 1 <= _size(cursor, at) < _MAX_HELLO - 1:
        return _INVALID
    if there >= 6 and (cursor.u8(at + 4) != 3 or cursor.u8(at + 5) > 3):  # legacy_version
        return _INVALID
    if there < _UP_TO_SESSION:
        return _NEED_MORE
    behind = _UP_TO_SESSION + cursor.u8(at + _UP_TO_SESSION - 1)
    if behind > _UP_TO_SESSION + 32:
        return _INVALID
    if there < behind + 2:
        return _NEED_MORE
    following = cursor.u16(at + behind)
    if kind == _CLIENT_HELLO:
        fits = 0 < following <= _size(cursor, at) - behind and following % 2 == 0
        return _FROM_CLIENT if fits else _INVALID
    known = following < 0x1400 or following >> 8 in (0xC0, 0xCC, 0xD0)
    return _FROM_SERVER if known else _INVALID
