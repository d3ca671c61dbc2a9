# cython: annotation_typing=False
# ruff: noqa: PLR0917 -- C calls are positional
"""A message is a header, a question, and three sections of records (RFC 1035 §4.1)."""

from __future__ import annotations

from weir_probe.protocols.dns.detect import detect_framed
from weir_probe.protocols.dns.names import HEADER, add_name, name_end
from weir_probe.protocols.dns.records import AXFR, IXFR, NS, OPT, SOA, add_record, add_type, serial
from weir_probe.protocols.dns.transfer import Transfer
from weir_probe.protocols.message import (
    ATTRIBUTES,
    CLIENT_ERROR,
    DOMAIN,
    EXCEPTION,
    NOTHING,
    OK,
    REQUEST_AGAIN,
    RESOURCE,
    RESPONSE,
    RESPONSE_MORE,
    RESULT,
    SERVER_ERROR,
    TYPE,
    Message,
)
from weir_probe.protocols.parser import FROM_CLIENT, FROM_SERVER, INVALID, NEED_MORE, Parser
from weir_probe.wire.cursor import Cursor

#: Of a message over TCP, with its length.
LARGEST = 65_537
#: Of answers, as text.
MAX_RESULT = 384
_HEADER, _MAX_RESULT, _NEED_MORE, _INVALID = HEADER, MAX_RESULT, NEED_MORE, INVALID
_NOTHING, _REQUEST_AGAIN, _RESPONSE, _RESPONSE_MORE = NOTHING, REQUEST_AGAIN, RESPONSE, RESPONSE_MORE
_TYPE, _DOMAIN, _RESOURCE, _RESULT, _EXCEPTION, _ATTRIBUTES = TYPE, DOMAIN, RESOURCE, RESULT, EXCEPTION, ATTRIBUTES
_OK, _CLIENT_ERROR, _SERVER_ERROR = OK, CLIENT_ERROR, SERVER_ERROR
_NS, _SOA, _OPT, _IXFR, _AXFR = NS, SOA, OPT, IXFR, AXFR
#: What of a section is told: nothing; all; who to ask, or who says that there is nothing else (RFC 2308 §2).
_SILENT, _ALL, _NOTHING_ELSE = range(3)
_FROM_CLIENT, _FROM_SERVER = FROM_CLIENT, FROM_SERVER
_FNV_BASIS, _FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3
_WORD = 0xFFFFFFFFFFFFFFFF

#: IANA, Domain Name System (DNS) Parameters: DNS OpCodes, DNS RCODEs.
_OPCODES = (b"QUERY", b"IQUERY", b"STATUS", b"", b"NOTIFY", b"UPDATE", b"DSO")
_DSO = 6  # stateful operations (RFC 8490) have no question
_RCODES = (
    b"NOERROR",
    b"FORMERR",
    b"SERVFAIL",
    b"NXDOMAIN",
    b"NOTIMP",
    b"REFUSED",
    b"YXDOMAIN",
    b"YXRRSET",
    b"NXRRSET",
    b"NOTAUTH",
    b"NOTZONE",
    b"DSOTYPENI",
    b"",
    b"",
    b"",
    b"",
    b"BADVERS",
    b"BADKEY",
    b"BADTIME",
    b"BADMODE",
    b"BADNAME",
    b"BADALG",
    b"BADTRUNC",
    b"BADCOOKIE",
)


class Dns(Parser):
    """Calls pair by id, and by question where several have the same id."""

    def __init__(self) -> None:
        Parser.__init__(self)
        self.transfer = Transfer()
        #: Of the message at hand, what its sections gave.
        self.rcode = 0

    def frame(self, cursor: Cursor, at: int, end: int, way: int) -> int:
        if self.datagrams:
            return end - at
        if end - at < 2:
            return _NEED_MORE
        length = cursor.u16(at)
        return 2 + length if length >= _HEADER else _INVALID

    def parse(self, cursor: Cursor, at: int, end: int, way: int, message: Message) -> bool:
        base = at if self.datagrams else at + 2
        if end - base < _HEADER:
            return False
        flags = cursor.u16(base + 2)
        if flags >> 15 != way:
            return False
        if flags >> 11 & 15 == _DSO:
            message.part = _NOTHING
            return True
        message.id = cursor.u16(base)
        questions = cursor.u16(base + 4)
        question = base + _HEADER
        behind = name_end(cursor, question, end) if questions else question
        if behind == _INVALID:
            return False
        whole = behind > 0 and behind + 4 <= end
        if questions and whole:
            message.hint = _fingerprint(cursor, question, behind + 4)
        if way == 0:
            return self._query(cursor, base, end, behind if questions and whole else 0, flags, message)
        kind = cursor.u16(behind) if questions and whole else 0
        if questions:
            behind = behind + 4 if whole else end
        for _ in range(1, questions):
            behind = name_end(cursor, behind, end) + 4
            if behind <= 4 or behind > end:
                behind = end
                break
        return self._response(cursor, base, behind, end, kind, flags, message)

    def resync(self, cursor: Cursor, at: int, end: int, way: int) -> int:
        """Where a message of this direction has the form that detection wants."""
        if self.datagrams:
            return -1
        while at + 2 + _HEADER <= end:
            if detect_framed(cursor, at, end) == (_FROM_SERVER if way else _FROM_CLIENT):
                return at
            at += 1
        return -1

    def lost(self, way: int) -> None:
        if way:
            self.transfer.id = -1

    def _query(self, cursor: Cursor, base: int, end: int, behind: int, flags: int, message: Message) -> bool:
        """`behind` the name, where it is there."""
        message.part = _REQUEST_AGAIN
        if behind:
            message.begin(_TYPE)
            add_type(cursor.u16(behind), message)
            message.begin(_DOMAIN)
            if not add_name(cursor, base + _HEADER, base, end, message):
                return False
            message.begin(_RESOURCE)
            add_name(cursor, base + _HEADER, base, end, message)
        opcode = flags >> 11 & 15
        if opcode:
            message.begin(_ATTRIBUTES)
            message.add_text(b"dns.opcode\0")
            self._add_known(_OPCODES, opcode, message)
            message.add(0)
        return True

    def _response(self, cursor: Cursor, base: int, at: int, end: int, kind: int, flags: int, message: Message) -> bool:
        """The sections from `at` on, in answer to a question of type `kind` (0: it is not repeated)."""
        message.part = _RESPONSE
        message.ends = True
        self.rcode = flags & 15
        answers = cursor.u16(base + 6)
        authority = cursor.u16(base + 8)
        transfers = not self.datagrams and self.transfer.id == message.id
        if transfers:
            message.part = _RESPONSE_MORE
            message.hint = 0
        elif not self.datagrams and answers and (kind in (_AXFR, _IXFR)):
            transfers = True
            self.transfer.begin(message.id, kind == _IXFR)
        message.begin(_RESULT)
        at = self._section(cursor, base, at, end, answers, _ALL, transfers, message)
        at = self._section(cursor, base, at, end, authority, _NOTHING_ELSE if answers == 0 else _SILENT, False, message)
        self._section(cursor, base, at, end, cursor.u16(base + 10), _SILENT, False, message)
        if message.part == _RESPONSE_MORE:
            message.begin(_RESULT)  # that of its first message stays
        if transfers:
            message.ends = self.transfer.message_ends() or self.rcode != 0
        message.has_code = True
        message.code = self.rcode
        message.status = _OK
        if self.rcode:
            message.status = _CLIENT_ERROR if self.rcode == 1 or self.rcode == 3 else _SERVER_ERROR
            message.begin(_EXCEPTION)
            self._add_known(_RCODES, self.rcode, message)
        if flags & 0x0200:
            message.put_text(_ATTRIBUTES, b"dns.truncated\0true\0")
        return True

    def _section(
        self,
        cursor: Cursor,
        base: int,
        at: int,
        end: int,
        count: int,
        tells: int,
        transfers: bool,
        message: Message,
    ) -> int:
        """Walk the records of a section, as far as they are there, and write those that `tells` names; behind it."""
        for _ in range(count):
            place = name_end(cursor, at, end)
            if place <= 0 or place + 10 > end:
                return end
            kind = cursor.u16(place)
            ttl = cursor.u32(place + 4)
            at = place + 10 + cursor.u16(place + 8)
            if at > end:
                return end
            if kind == _OPT:
                self.rcode |= ttl >> 24 << 4  # RFC 6891 §6.1.3
            elif tells == _ALL or (tells == _NOTHING_ELSE and (kind in (_SOA, _NS))):
                if message.length_of(_RESULT) >= _MAX_RESULT:
                    message.cut = True
                else:
                    if message.length_of(_RESULT):
                        message.add(0x3B)
                    add_record(cursor, kind, ttl, place + 10, at, base, end, message)
            if transfers:
                self.transfer.saw(serial(cursor, place + 10, at) if kind == _SOA else -1)
        return at

    def _add_known(self, names: tuple[bytes, ...], number: int, message: Message) -> None:
        if number < len(names) and names[number]:
            message.add_text(names[number])
        else:
            message.add_number(number)


def _fingerprint(cursor: Cursor, at: int, end: int) -> int:
    """Of a question: FNV-1a, without regard to case, which servers need not keep (RFC 4343). Never 0."""
    value = _FNV_BASIS
    for place in range(at, end):
        octet = cursor.u8(place)
        if 0x41 <= octet <= 0x5A:
            octet += 0x20
        value = ((value ^ octet) * _FNV_PRIME) & _WORD
    return value | 1
