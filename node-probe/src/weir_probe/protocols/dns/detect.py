# cython: annotation_typing=False
"""Is it DNS? A header of one question, with nothing in it that its kind does not have, and the question itself."""

from __future__ import annotations

from weir_probe.protocols.dns.names import HEADER, MAX_LABEL, MAX_NAME
from weir_probe.protocols.parser import FROM_CLIENT, FROM_SERVER, INVALID, NEED_MORE
from weir_probe.wire.cursor import Cursor

_HEADER, _MAX_LABEL, _MAX_NAME = HEADER, MAX_LABEL, MAX_NAME
_FROM_CLIENT, _FROM_SERVER, _INVALID, _NEED_MORE = FROM_CLIENT, FROM_SERVER, INVALID, NEED_MORE
_SHORTEST = HEADER + 5
_UNASSIGNED, _NOTIFY, _UPDATE = 3, 4, 5  # opcodes
#: Records that a query brings at most: OPT, TSIG, SIG(0).
_MOST_ADDITIONAL = 3


def detect(cursor: Cursor, at: int, end: int) -> int:
    """A datagram, or a message behind its length, as TCP carries it (RFC 1035 §4.2.2)."""
    answer = _message(cursor, at, end, False)
    if answer > 0:
        return answer
    framed = detect_framed(cursor, at, end)
    return framed if framed != _INVALID else answer


def detect_framed(cursor: Cursor, at: int, end: int) -> int:
    """As `detect`, of a message behind its length only."""
    length = cursor.u16(at)
    if end - at < 2:
        return _NEED_MORE
    if length < _SHORTEST:
        return _INVALID
    whole = at + 2 + length <= end
    return _message(cursor, at + 2, at + 2 + length if whole else end, whole)


def _message(cursor: Cursor, at: int, end: int, whole: bool) -> int:
    there = end - at
    flags = cursor.u16(at + 2)
    opcode = flags >> 11 & 15
    if there >= 4:
        if opcode > _UPDATE or opcode == _UNASSIGNED:
            return _INVALID
        if flags & 0x0040 or (not flags & 0x8000 and flags & 0x008F):  # Z; RA and RCODE are a response's
            return _INVALID
    if there >= 6 and cursor.u16(at + 4) != 1:
        return _INVALID
    if there >= _HEADER and opcode != _UPDATE and not flags & 0x8000:
        if cursor.u16(at + 6) > (1 if opcode == _NOTIFY else 0) or cursor.u16(at + 8) > 1:  # IXFR: RFC 1995 §3
            return _INVALID
        if cursor.u16(at + 10) > _MOST_ADDITIONAL:
            return _INVALID
    if there < _HEADER:
        return _INVALID if whole else _NEED_MORE
    place = at + _HEADER
    length = 1
    while length:
        if place >= end:
            return _INVALID if whole else _NEED_MORE
        length = cursor.u8(place)
        if length > _MAX_LABEL or place + 1 + length - at - _HEADER > _MAX_NAME:
            return _INVALID
        for letter in range(place + 1, min(place + 1 + length, end)):
            if cursor.u8(letter) < 0x20 or cursor.u8(letter) == 0x7F:  # blanks: RFC 6763 §4.1.1
                return _INVALID
        place += 1 + length
    if place + 4 > end:
        return _INVALID if whole else _NEED_MORE
    kind = cursor.u16(place)
    space = cursor.u16(place + 2)
    if not (0 < kind <= 128 or 249 <= kind <= 262 or 32768 <= kind <= 32770 or kind >= 65280):
        return _INVALID
    if space != 1 and space != 3 and space != 4 and space != 254 and space != 255:
        return _INVALID
    return _FROM_SERVER if flags & 0x8000 else _FROM_CLIENT
