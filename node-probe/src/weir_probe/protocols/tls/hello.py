# cython: annotation_typing=False
"""What the two hellos say (RFC 8446 §4.1.2, §4.1.3, §4.2). A hello that is cut gives what is there."""

from __future__ import annotations

from typing import Final

import numpy as np

from weir_probe.protocols.tls.ja4 import ja4
from weir_probe.wire.copying import copy_bytes
from weir_probe.wire.cursor import Cursor

TLS_1_3 = 0x0304
_TLS_1_3 = TLS_1_3
_SERVER_NAME, _SIGNATURES, _ALPN, _PRE_SHARED_KEY, _VERSIONS = 0, 13, 16, 41, 43
#: Fingerprints that are kept, by what they are made of: an endpoint has few kinds of clients.
MAX_FINGERPRINTS: Final = 1024
_MAX_FINGERPRINTS = MAX_FINGERPRINTS
#: `random` of a ServerHello that asks for another ClientHello (RFC 8446 §4.1.3): its first and last four bytes.
_RETRY_FIRST, _RETRY_LAST = 0xCF21AD74, 0xC8A8339C
_ROOM = 32_768  # more than a message of several records has, or one record
#: The types of the extensions of the hello at hand, then its other lists, and how long each is.
_lists = np.zeros(_ROOM, np.uint8).data
_listed = Cursor()
_listed.bind(_lists)
_fingerprints: dict[bytes, bytes] = {}


class Hello:
    """Positions and lengths are in the cursor that was read; a length of 0: it is not there."""

    def __init__(self) -> None:
        self.version = 0
        self.cipher = 0
        self.retries = False
        self.resumes = False
        self.name = self.name_length = 0
        #: The list of protocols, with their lengths.
        self.alpn = self.alpn_length = 0
        #: Of a client's.
        self.ciphers = self.ciphers_length = self.signatures = self.signatures_length = 0
        self.kinds_length = 0  # in `_lists`
        self.fingerprint = b""

    def read_client(self, cursor: Cursor, at: int, end: int, whole: bool) -> bool:
        """A ClientHello from behind its header up to `end`; `whole`: that is all of it. False: it is none."""
        self.version = cursor.u16(at)
        self.name = self.name_length = self.alpn = self.alpn_length = 0  # of the one that the server had repeated
        place = at + 34
        place += 1 + cursor.u8(place)
        self.ciphers = place + 2
        self.ciphers_length = cursor.u16(place)
        place = self.ciphers + self.ciphers_length
        place += 1 + cursor.u8(place)
        if self.ciphers_length & 1 or (whole and place > end):
            return False
        self.kinds_length = self.signatures = self.signatures_length = 0
        at = place + 2
        stop = min(end, at + cursor.u16(place))
        while at + 4 <= stop:
            kind = cursor.u16(at)
            length = cursor.u16(at + 2)
            at += 4
            if self.kinds_length < _ROOM:
                _lists[self.kinds_length] = kind >> 8
                _lists[self.kinds_length + 1] = kind & 0xFF
                self.kinds_length += 2
            if at + length > stop:
                break
            if kind == _SERVER_NAME:
                self._server_name(cursor, at, at + length)
            elif kind == _ALPN:
                self._protocols(cursor, at, length)
            elif kind == _VERSIONS:
                self._highest(cursor, at, length)
            elif kind == _SIGNATURES and length >= 2:
                self.signatures = at + 2
                self.signatures_length = min(cursor.u16(at), length - 2)
            at += length
        if whole:
            self.fingerprint = self._told_by(cursor)
        return True

    def read_server(self, cursor: Cursor, at: int, end: int) -> bool:
        """A ServerHello, likewise."""
        self.version = cursor.u16(at)
        self.retries = cursor.u32(at + 2) == _RETRY_FIRST and cursor.u32(at + 30) == _RETRY_LAST
        self.resumes = False
        self.alpn_length = 0
        place = at + 34
        if cursor.u8(place) > 32:
            return False
        place += 1 + cursor.u8(place)
        self.cipher = cursor.u16(place)
        place += 3
        at = place + 2
        stop = min(end, at + cursor.u16(place))
        while at + 4 <= stop:
            kind = cursor.u16(at)
            length = cursor.u16(at + 2)
            at += 4
            if at + length > stop:
                break
            if kind == _VERSIONS and length == 2:
                self.version = cursor.u16(at)
            elif kind == _ALPN:
                self._protocols(cursor, at, length)
            elif kind == _PRE_SHARED_KEY:
                self.resumes = True
            at += length
        return True

    def _server_name(self, cursor: Cursor, at: int, end: int) -> None:
        """The one host name of the list (RFC 6066 §3)."""
        length = cursor.u16(at + 3)
        if cursor.u8(at + 2) == 0 and length <= 255 and at + 5 + length <= end:
            self.name = at + 5
            self.name_length = length

    def _protocols(self, cursor: Cursor, at: int, length: int) -> None:
        if length > 2:
            self.alpn = at + 2
            self.alpn_length = min(length - 2, cursor.u16(at))

    def _highest(self, cursor: Cursor, at: int, length: int) -> None:
        highest = 0
        for place in range(at + 1, at + length - 1, 2):
            version = cursor.u16(place)
            if highest < version <= _TLS_1_3:  # GREASE is above, and so are drafts
                highest = version
        if highest:
            self.version = highest

    def _told_by(self, cursor: Cursor) -> bytes:
        """The fingerprint of a client whose extensions' types are in `_lists`."""
        first = min(cursor.u8(self.alpn), self.alpn_length - 1) if self.alpn_length else 0
        used = self.kinds_length
        if not cursor.has(self.ciphers, self.ciphers_length) or not cursor.has(self.signatures, self.signatures_length):
            return b""
        if not cursor.has(self.alpn + 1, first):
            return b""
        if used + self.ciphers_length + self.signatures_length + first + 8 > _ROOM:
            return b""
        copy_bytes(_lists, used, cursor.buffer, self.ciphers, self.ciphers_length)
        used += self.ciphers_length
        copy_bytes(_lists, used, cursor.buffer, self.signatures, self.signatures_length)
        used += self.signatures_length
        copy_bytes(_lists, used, cursor.buffer, self.alpn + 1, first)
        used += first
        for number in (self.version, self.kinds_length, self.ciphers_length, self.signatures_length):
            _lists[used] = number >> 8 & 0xFF
            _lists[used + 1] = number & 0xFF
            used += 2
        told = _listed.copied(0, used)
        known = _fingerprints.get(told)
        if known is None:
            if len(_fingerprints) >= _MAX_FINGERPRINTS:
                _fingerprints.clear()
            behind = self.kinds_length + self.ciphers_length
            known = ja4(
                self.version,
                told[self.kinds_length : behind],
                told[: self.kinds_length],
                told[behind : behind + self.signatures_length],
                told[behind + self.signatures_length : used - 8],
            )
            _fingerprints[told] = known
        return known
