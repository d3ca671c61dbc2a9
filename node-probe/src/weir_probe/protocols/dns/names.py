# cython: annotation_typing=False
"""Domain names (RFC 1035 §3.1), and the pointers that shorten them (§4.1.4)."""

from __future__ import annotations

from weir_probe.protocols.message import Message
from weir_probe.protocols.parser import INVALID, NEED_MORE
from weir_probe.wire.cursor import Cursor

#: Octets of a label, and of a name with the lengths of its labels (RFC 1035 §2.3.4).
MAX_LABEL = 63
MAX_NAME = 255
#: Of a message, before its first question.
HEADER = 12
_MAX_LABEL, _MAX_NAME, _HEADER, _NEED_MORE, _INVALID = MAX_LABEL, MAX_NAME, HEADER, NEED_MORE, INVALID


def name_end(cursor: Cursor, at: int, end: int) -> int:
    """Behind the name at `at`, which a pointer ends; NEED_MORE, INVALID."""
    first = at
    while at < end:
        length = cursor.u8(at)
        if length >= 0xC0:
            return at + 2 if at + 2 <= end else _NEED_MORE
        if length > _MAX_LABEL or at + 1 + length - first > _MAX_NAME:
            return _INVALID
        at += 1 + length
        if length == 0:
            return at
    return _NEED_MORE


def add_name(cursor: Cursor, at: int, base: int, end: int, message: Message) -> bool:
    """Write the name at `at` of the message that starts at `base`; False: it ends in nothing, or in a circle.

    A pointer leads to an earlier name: each before the labels that it ends, so that there is an end.
    """
    labels = at
    octets = 0
    while at < end:
        length = cursor.u8(at)
        if length >= 0xC0:
            at = base + (cursor.u16(at) & 0x3FFF)
            if at >= labels or at < base + _HEADER:
                return False
            labels = at
            continue
        octets += 1 + length
        if length > _MAX_LABEL or octets > _MAX_NAME or at + 1 + length > end:
            return False
        if length == 0:
            if octets == 1:
                message.add(0x2E)
            return True
        if octets > 1 + length:
            message.add(0x2E)
        for place in range(at + 1, at + 1 + length):
            _add_octet(cursor.u8(place), message)
        at += 1 + length
    return False


def _add_octet(octet: int, message: Message) -> None:
    """As in a zone file (RFC 1035 §5.1): a dot within a label is no end of it."""
    if octet <= 0x20 or octet >= 0x7F:
        message.add(0x5C)
        message.add(0x30 + octet // 100)
        message.add(0x30 + octet // 10 % 10)
        octet = 0x30 + octet % 10
    elif octet == 0x2E or octet == 0x5C:
        message.add(0x5C)
    message.add(octet)
