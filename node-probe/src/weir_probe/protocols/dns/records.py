# cython: annotation_typing=False
# ruff: noqa: PLR0917 -- C calls are positional
"""Resource records as text: `A=192.0.2.1 TTL=60`."""

from __future__ import annotations

from weir_probe.protocols.dns.names import add_name, name_end
from weir_probe.protocols.message import Message
from weir_probe.wire.cursor import Cursor

A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, SRV, DNAME, OPT = 1, 2, 5, 6, 12, 15, 16, 28, 33, 39, 41
HTTPS, IXFR, AXFR = 65, 251, 252
_A, _NS, _CNAME, _SOA, _PTR, _MX, _TXT, _AAAA, _SRV, _DNAME = A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, SRV, DNAME
_SVCB, _HTTPS = 64, HTTPS
#: Of a text record.
_MAX_TEXT = 64

#: IANA, Domain Name System (DNS) Parameters: Resource Record (RR) TYPEs.
_NAMES: dict[int, bytes] = {
    1: b"A",
    2: b"NS",
    3: b"MD",
    4: b"MF",
    5: b"CNAME",
    6: b"SOA",
    7: b"MB",
    8: b"MG",
    9: b"MR",
    10: b"NULL",
    11: b"WKS",
    12: b"PTR",
    13: b"HINFO",
    14: b"MINFO",
    15: b"MX",
    16: b"TXT",
    17: b"RP",
    18: b"AFSDB",
    24: b"SIG",
    25: b"KEY",
    28: b"AAAA",
    29: b"LOC",
    33: b"SRV",
    35: b"NAPTR",
    36: b"KX",
    37: b"CERT",
    39: b"DNAME",
    41: b"OPT",
    43: b"DS",
    44: b"SSHFP",
    45: b"IPSECKEY",
    46: b"RRSIG",
    47: b"NSEC",
    48: b"DNSKEY",
    49: b"DHCID",
    50: b"NSEC3",
    51: b"NSEC3PARAM",
    52: b"TLSA",
    53: b"SMIMEA",
    55: b"HIP",
    59: b"CDS",
    60: b"CDNSKEY",
    61: b"OPENPGPKEY",
    62: b"CSYNC",
    63: b"ZONEMD",
    64: b"SVCB",
    65: b"HTTPS",
    99: b"SPF",
    108: b"EUI48",
    109: b"EUI64",
    249: b"TKEY",
    250: b"TSIG",
    251: b"IXFR",
    252: b"AXFR",
    253: b"MAILB",
    254: b"MAILA",
    255: b"ANY",
    256: b"URI",
    257: b"CAA",
}
_TYPES = tuple(_NAMES.get(number, b"") for number in range(258))


def add_type(number: int, message: Message) -> None:
    """The mnemonic, or TYPE and the number (RFC 3597 §5)."""
    if number < 258 and _TYPES[number]:
        message.add_text(_TYPES[number])
    else:
        message.add_text(b"TYPE")
        message.add_number(number)


def add_record(
    cursor: Cursor, kind: int, ttl: int, at: int, behind: int, base: int, end: int, message: Message
) -> None:
    """A record whose data is between `at` and `behind`, in the message from `base` to `end`."""
    add_type(kind, message)
    size = behind - at
    message.add(0x3D)
    if kind == _A and size == 4:
        _add_ipv4(cursor, at, message)
    elif kind == _AAAA and size == 16:
        _add_ipv6(cursor, at, message)
    elif kind in (_CNAME, _NS, _PTR, _SOA, _DNAME):
        add_name(cursor, at, base, end, message)
    elif kind in (_MX, _SVCB, _HTTPS):
        _add_numbers(cursor, at, 1, message)
        add_name(cursor, at + 2, base, end, message)
    elif kind == _SRV:
        _add_numbers(cursor, at, 3, message)
        add_name(cursor, at + 6, base, end, message)
    elif kind == _TXT:
        _add_strings(cursor, at, behind, message)
    else:
        message.add_number(size)
        message.add_text(b" bytes")
    message.add_text(b" TTL=")
    message.add_number(ttl)


def serial(cursor: Cursor, at: int, end: int) -> int:
    """The serial number of the SOA whose data is at `at` (RFC 1035 §3.3.13); -1: it is not there."""
    place = name_end(cursor, at, end)
    if place > 0:
        place = name_end(cursor, place, end)
    return cursor.u32(place) if place > 0 and place + 4 <= end else -1


def _add_numbers(cursor: Cursor, at: int, count: int, message: Message) -> None:
    for number in range(count):
        message.add_number(cursor.u16(at + 2 * number))
        message.add(0x20)


def _add_ipv4(cursor: Cursor, at: int, message: Message) -> None:
    for place in range(4):
        if place:
            message.add(0x2E)
        message.add_number(cursor.u8(at + place))


def _add_ipv6(cursor: Cursor, at: int, message: Message) -> None:
    """RFC 5952 §4: the longest run of zeros, of two groups at least, is `::`; of equal ones the first."""
    longest = run = 0
    gap = 8
    for group in range(8):
        run = 0 if cursor.u16(at + 2 * group) else run + 1
        if run > max(longest, 1):
            longest = run
            gap = group + 1 - run
    group = 0
    while group < 8:
        if group == gap:
            message.add(0x3A)
            message.add(0x3A)
            group += longest
            continue
        if group and group != gap + longest:
            message.add(0x3A)
        _add_hex(cursor.u16(at + 2 * group), message)
        group += 1


def _add_hex(number: int, message: Message) -> None:
    shift = 12
    while shift > 0 and not number >> shift:
        shift -= 4
    while shift >= 0:
        digit = number >> shift & 15
        message.add(digit + (0x30 if digit < 10 else 0x57))
        shift -= 4


def _add_strings(cursor: Cursor, at: int, behind: int, message: Message) -> None:
    """Character strings (RFC 1035 §3.3), one behind the other."""
    left = _MAX_TEXT
    message.add(0x22)
    while at < behind and left > 0:
        length = min(cursor.u8(at), behind - at - 1, left)
        message.add_from(cursor, at + 1, length)
        left -= length
        at += 1 + cursor.u8(at)
    if at < behind:
        message.cut = True
    message.add(0x22)
