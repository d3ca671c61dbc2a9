# cython: annotation_typing=False
"""What a proxy says first of the connection that it passes on (HAProxy, The PROXY protocol, versions 1 and 2)."""

from __future__ import annotations

from weir_probe.protocols.parser import INVALID, NEED_MORE
from weir_probe.wire.cursor import Cursor

_NEED_MORE, _INVALID = NEED_MORE, INVALID
_LINE = b"PROXY "
#: Of the line, with its end (§2.1).
_MAX_LINE = 107
_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
#: Signature, version and command, family, and the length of what follows (§2.2).
_HEADER = 16


def preamble(cursor: Cursor, at: int, end: int) -> int:
    """The length of the one that starts at `at` (it may reach beyond `end`); NEED_MORE, INVALID: there is none."""
    if cursor.u8(at) == 0x50:
        return _line(cursor, at, end)
    if cursor.u8(at) == 0x0D:
        return _header(cursor, at, end)
    return _INVALID


def _line(cursor: Cursor, at: int, end: int) -> int:
    """`PROXY TCP4 192.0.2.1 192.0.2.2 40000 443`, TCP6 or UNKNOWN, and CRLF."""
    begins = _begins(cursor, at, end, _LINE)
    if begins <= 0:
        return begins
    behind = cursor.find(0x0A, at, min(end, at + _MAX_LINE)) + 1
    if behind == 0:
        return _NEED_MORE if end - at < _MAX_LINE else _INVALID
    family = cursor.u8(at + len(_LINE))
    return behind - at if cursor.u8(behind - 2) == 0x0D and (family == 0x54 or family == 0x55) else _INVALID


def _header(cursor: Cursor, at: int, end: int) -> int:
    """Addresses, and what else the proxy knows, by their length."""
    begins = _begins(cursor, at, end, _SIGNATURE)
    if begins <= 0:
        return begins
    if end - at < _HEADER:
        return _NEED_MORE
    return _HEADER + cursor.u16(at + 14) if cursor.u8(at + 12) >> 4 == 2 else _INVALID


def _begins(cursor: Cursor, at: int, end: int, signature: bytes) -> int:
    """1: it does; NEED_MORE: so far."""
    for byte in signature:
        if at >= end:
            return _NEED_MORE
        if cursor.u8(at) != byte:
            return _INVALID
        at += 1
    return 1
