"""Subject and expiry of an X.509 certificate (RFC 5280 §4.1), by DER (X.690). Once per certificate, and so Python's."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from weir_probe.wire.cursor import Cursor

_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME, _OID = 0x30, 0xA0, 0x17, 0x18, 0x06
_BMP_STRING = 0x1E
_MAX_PARTS: Final = 16
#: Of one attribute's value, and of the subject.
_MAX_VALUE, _MAX_SUBJECT = 64, 256
#: RFC 4514 §3.
_NAMES: Final = {
    bytes((0x55, 4, 3)): "CN",
    bytes((0x55, 4, 5)): "serialNumber",
    bytes((0x55, 4, 6)): "C",
    bytes((0x55, 4, 7)): "L",
    bytes((0x55, 4, 8)): "ST",
    bytes((0x55, 4, 9)): "STREET",
    bytes((0x55, 4, 10)): "O",
    bytes((0x55, 4, 11)): "OU",
    bytes.fromhex("0992268993f22c640119"): "DC",
    bytes.fromhex("0992268993f22c640101"): "UID",
}
_ESCAPED: Final = str.maketrans({letter: f"\\{letter}" for letter in ',+"\\<>;'} | {"\0": "\\00"})


@lru_cache(maxsize=256)  # a server has one, or few
def subject_and_expiry(certificate: bytes) -> tuple[bytes, bytes]:
    """The subject as RFC 4514 writes it, and the time after which it is not valid; empty where they are not there."""
    cursor = Cursor()
    cursor.bind(certificate)
    parts = _to_be_signed(cursor, 0, cursor.end)
    if next(parts, (0, 0, 0))[0] != _VERSION:
        return b"", b""  # X.509 v1 has no place in TLS
    fields = [next(parts, (0, 0, 0)) for _ in range(5)]  # serial number, signature, issuer, validity, subject
    if fields[3][0] != _SEQUENCE:
        return b"", b""
    validity = list(_values(cursor, fields[3][1], fields[3][2]))
    expiry = _time(cursor, *validity[1]) if len(validity) == 2 else b""
    subject = _subject(cursor, fields[4][1], fields[4][2]) if fields[4][0] == _SEQUENCE else b""
    return subject, expiry


def _to_be_signed(cursor: Cursor, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    for _ in range(2):
        tag, at, end = next(_values(cursor, at, end), (0, 0, 0))
        if tag != _SEQUENCE:
            return
    yield from _values(cursor, at, end)


def _values(cursor: Cursor, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(tag, start, end) of each value; the last one may be cut."""
    for _ in range(_MAX_PARTS):
        if at + 2 > end or not cursor.has(at, 2):
            return
        tag, length = cursor.u8(at), cursor.u8(at + 1)
        start = at + 2
        if length > 0x80:
            octets = length & 0x7F
            if octets > 3:
                return
            length = 0
            for place in range(start, start + octets):
                length = length << 8 | cursor.u8(place)
            start += octets
        at = start + length
        yield tag, start, min(at, end)


def _subject(cursor: Cursor, at: int, end: int) -> bytes:
    told = []
    for _, first, last in _values(cursor, at, end):  # sets, of one attribute each but for the rarest
        for _, start, stop in _values(cursor, first, last):
            pair = list(_values(cursor, start, stop))
            if len(pair) != 2 or pair[0][0] != _OID:
                continue
            kind = cursor.copied(pair[0][1], min(pair[0][2], pair[0][1] + 32))
            tag, begin, finish = pair[1]
            raw = cursor.copied(begin, min(finish, begin + _MAX_VALUE))
            value = raw.decode("utf-16-be" if tag == _BMP_STRING else "utf-8", "replace")
            told.append(f"{_NAMES.get(kind) or kind.hex()}={value.translate(_ESCAPED)}")
    return ",".join(reversed(told)).encode()[:_MAX_SUBJECT]


def _time(cursor: Cursor, tag: int, at: int, end: int) -> bytes:
    """RFC 3339 of a time in its only form (RFC 5280 §4.1.2.5)."""
    raw = cursor.copied(at, min(end, at + 16))
    if tag == _UTC_TIME and len(raw) == 13:
        raw = (b"19" if raw >= b"50" else b"20") + raw
    elif tag != _GENERALIZED_TIME or len(raw) != 15:
        return b""
    if not raw[:14].isdigit() or raw[14:] != b"Z":
        return b""
    return b"%s-%s-%sT%s:%s:%sZ" % (raw[:4], raw[4:6], raw[6:8], raw[8:10], raw[10:12], raw[12:14])
