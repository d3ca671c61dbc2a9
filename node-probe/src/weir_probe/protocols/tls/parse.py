# cython: annotation_typing=False
# ruff: noqa: PLR0917 -- C calls are positional
"""Records (RFC 8446 §5.1), in them the handshake up to where it is done; what comes after is nobody's business."""

from __future__ import annotations

from typing import Any

from weir_probe.protocols.message import (
    ATTRIBUTES,
    CLIENT_ERROR,
    DOMAIN,
    EXCEPTION,
    NOTHING,
    OK,
    REQUEST,
    REQUEST_MORE,
    RESOURCE,
    RESPONSE,
    SERVER_ERROR,
    TYPE,
    Message,
)
from weir_probe.protocols.parser import INVALID, NEED_MORE, Parser
from weir_probe.protocols.tls.certificate import subject_and_expiry
from weir_probe.protocols.tls.hello import TLS_1_3, Hello
from weir_probe.protocols.tls.names import alert_name, cipher_name, version_name
from weir_probe.wire.cursor import Cursor

#: Of a record: its header, and what encryption may add (RFC 5246 §6.2.3).
LARGEST = 5 + 16_384 + 2_048
#: Of a handshake message that comes in several records, as far as it is kept.
MAX_MESSAGE = 16_384
_LARGEST, _MAX_MESSAGE, _NEED_MORE, _INVALID, _TLS_1_3 = LARGEST, MAX_MESSAGE, NEED_MORE, INVALID, TLS_1_3
_NOTHING, _REQUEST, _REQUEST_MORE, _RESPONSE = NOTHING, REQUEST, REQUEST_MORE, RESPONSE
_TYPE, _DOMAIN, _RESOURCE, _EXCEPTION, _ATTRIBUTES = TYPE, DOMAIN, RESOURCE, EXCEPTION, ATTRIBUTES
_OK, _CLIENT_ERROR, _SERVER_ERROR = OK, CLIENT_ERROR, SERVER_ERROR
_CHANGE_CIPHER_SPEC, _ALERT, _HANDSHAKE, _DATA = 20, 21, 22, 23
_CLIENT_HELLO, _SERVER_HELLO, _CERTIFICATE, _HELLO_DONE = 1, 2, 11, 14
_FATAL = 2
#: Alerts by which a side owns to a failure of its own (RFC 8446 §6): all others blame what the other side sent.
_INTERNAL_ERROR, _USER_CANCELED = 80, 90
_CCM_8 = 0x1305  # whose tags have 8 bytes
#: By which Java lengthens what is not data (RFC 8446 §5.4). Of what a client says nothing else is as long as its alerts
#: then: a Certificate without one is shorter, a Finished longer.
_PADDING = 16
_MAX_ALPN = 64


class Side:
    """What is known of what one side has sent."""

    def __init__(self) -> None:
        #: The beginning of a handshake message whose rest is to come in further records.
        self.begun = b""
        #: Its handshake messages are encrypted, or one has been missed.
        self.deaf = False
        self.changed_cipher = False
        self.finished = False


class Tls(Parser):
    """A call is asked for by the ClientHello, and answered by what ends the handshake."""

    def __init__(self) -> None:
        Parser.__init__(self)
        self.client = Side()
        self.server = Side()
        self.hello = Hello()
        self.cursor: Any = None  # none until a message comes in several records
        self.opened = False
        #: Version of the connection, once the server has said it.
        self.version = 0
        self.server_spoke = False
        #: What it has said is of a handshake that resumes nothing.
        self.full = False

    def frame(self, cursor: Cursor, at: int, end: int, way: int) -> int:
        if end - at < 5:
            return _INVALID if self.final else _NEED_MORE
        kind = cursor.u8(at)
        size = 5 + cursor.u16(at + 3)
        if kind < _CHANGE_CIPHER_SPEC or kind > _DATA or cursor.u8(at + 1) != 3 or cursor.u8(at + 2) > 4:
            return _INVALID
        if size > _LARGEST or (size == 5 and kind != _DATA):
            return _INVALID
        side = self.server if way else self.client
        if kind == _DATA or (kind == _HANDSHAKE and side.deaf):
            self.enough = 5
        return size

    def parse(self, cursor: Cursor, at: int, end: int, way: int, message: Message) -> bool:
        kind = cursor.u8(at)
        length = cursor.u16(at + 3)
        side = self.server if way else self.client
        message.part = _REQUEST_MORE if self.opened else _NOTHING
        if kind == _HANDSHAKE:
            if side.changed_cipher:
                side.finished = True
                if self.client.finished and self.server.finished:
                    self._established(message)
            elif not self._handshake(cursor, at + 5, end, end - at - 5 == length, way, side, message):
                return False
        elif kind == _CHANGE_CIPHER_SPEC:
            # in TLS 1.3 it says nothing (RFC 8446 §D.4), and may come before the server's hello
            if self.version and self.version < _TLS_1_3:
                side.changed_cipher = side.deaf = True
        elif kind == _ALERT:
            if length != 2:
                self._failed(way, -1, message)
            elif cursor.u8(at + 5) == _FATAL:
                self._failed(way, cursor.u8(at + 6), message)
        elif way == 0:
            if self.server_spoke:  # else it is early data
                if self._is_alert(length) or self._is_alert(length - _PADDING):
                    self._failed(way, -1, message)
                else:
                    self._established(message)
        elif self._is_alert(length):
            self._failed(way, -1, message)
        elif self.version and self.version < _TLS_1_3:
            self._established(message)
        if way:
            self.server_spoke = True
        return True

    def resync(self, cursor: Cursor, at: int, end: int, way: int) -> int:
        """Where a record's header is, and behind the record another one, or the end."""
        while at + 5 <= end:
            if self.frame(cursor, at, end, way) > 0:
                behind = at + 5 + cursor.u16(at + 3)
                if behind >= end or self.frame(cursor, behind, end, way) >= 0:
                    return at
            at += 1
        return -1

    def lost(self, way: int) -> None:
        side = self.server if way else self.client
        side.begun = b""
        side.deaf = True
        if way:
            self.server_spoke = True

    # ---- the handshake

    def _handshake(
        self, cursor: Cursor, at: int, end: int, whole: bool, way: int, side: Side, message: Message
    ) -> bool:
        """A record's handshake messages; the last may go on in the next one. Not `whole`: the record is cut."""
        if side.deaf:
            return True
        if side.begun:
            if len(side.begun) + end - at <= _MAX_MESSAGE:
                side.begun += cursor.copied(at, end)
            else:
                whole = False
            if self.cursor is None:
                self.cursor = Cursor()
            cursor = self.cursor
            cursor.bind(side.begun)
            side.begun = b""
            at = 0
            end = cursor.end
        elif way == 0 and not self.opened and cursor.u8(at) == _CLIENT_HELLO:
            self.opened = True
            message.part = _REQUEST
        while at < end:
            size = 4 + (cursor.u8(at + 1) << 16 | cursor.u16(at + 2))
            if at + 4 > end or at + size > end:
                if whole:
                    side.begun = cursor.copied(at, end)
                    return True
                size = end - at
            if not self._message(cursor, at, at + size, way, whole, message):
                return False
            at += size
        side.deaf = not whole
        return True

    def _message(self, cursor: Cursor, at: int, end: int, way: int, whole: bool, message: Message) -> bool:
        kind = cursor.u8(at)
        if kind == _CLIENT_HELLO and way == 0:
            if not self.hello.read_client(cursor, at + 4, end, whole):
                return False
            message.put_text(_TYPE, version_name(self.hello.version))
            message.put(_DOMAIN, cursor, self.hello.name, self.hello.name_length)
            self._alpn(cursor, message)
            self._attribute(b"tls.client.ja4\0", self.hello.fingerprint, message)
        elif kind == _SERVER_HELLO and way == 1:
            if not self.hello.read_server(cursor, at + 4, end):
                return False
            if self.hello.retries:
                self._attribute(b"tls.hello_retry\0", b"true", message)
                return True
            self.version = self.hello.version
            message.put_text(_TYPE, version_name(self.version))
            self._alpn(cursor, message)
            self._attribute(b"tls.cipher\0", cipher_name(self.hello.cipher), message)
            if self.hello.resumes:
                self._attribute(b"tls.resumed\0", b"true", message)
        elif kind == _CERTIFICATE and way == 1:
            self.full = True
            size = cursor.u8(at + 7) << 16 | cursor.u16(at + 8)  # of the server's own, which is the first
            subject, expiry = subject_and_expiry(cursor.copied(at + 10, min(at + 10 + size, end)))
            self._attribute(b"tls.server.subject\0", subject, message)
            self._attribute(b"tls.server.not_after\0", expiry, message)
        elif kind == _HELLO_DONE and way == 1:
            self.full = True  # without a certificate, by a key that is shared before, or by none (RFC 5246 §7.4.2)
        return True

    def _alpn(self, cursor: Cursor, message: Message) -> None:
        """The protocols of the list, with commas."""
        if self.hello.alpn_length == 0:
            return
        at = self.hello.alpn
        stop = at + min(self.hello.alpn_length, _MAX_ALPN)
        message.begin(_RESOURCE)
        while at < stop:
            length = cursor.u8(at)
            if message.length_of(_RESOURCE):
                message.add(0x2C)
            message.add_from(cursor, at + 1, min(length, stop - at - 1))
            at += 1 + length

    def _attribute(self, name: bytes, value: bytes, message: Message) -> None:
        """Behind what the message has of them already: no other column comes between."""
        if value:
            if message.length_of(_ATTRIBUTES) == 0:
                message.begin(_ATTRIBUTES)
            message.add_text(name)
            message.add_text(value)
            message.add(0)

    # ---- how it ends

    def _is_alert(self, length: int) -> bool:
        """Of an encrypted record of TLS 1.3: two bytes, their type, and the tag. No handshake message is so short
        (RFC 8446 §5.2)."""
        return self.version == _TLS_1_3 and length == (11 if self.hello.cipher == _CCM_8 else 19)

    def _established(self, message: Message) -> None:
        self._end(message, _OK)
        if self.opened and self.server.changed_cipher and not self.full:
            self._attribute(b"tls.resumed\0", b"true", message)

    def _failed(self, way: int, alert: int, message: Message) -> None:
        """By an alert; -1: it is encrypted. The other side is blamed, but for what a side says of itself."""
        own = alert in (_INTERNAL_ERROR, _USER_CANCELED)
        self._end(message, _SERVER_ERROR if (way == 0) != own else _CLIENT_ERROR)
        if alert >= 0:
            message.has_code = True
            message.code = alert
        if message.part == _RESPONSE:
            message.put_text(_EXCEPTION, alert_name(alert) if alert >= 0 else b"encrypted alert")

    def _end(self, message: Message, status: int) -> None:
        self.done = True
        if self.opened:
            message.part = _RESPONSE
            message.ends = True
            message.status = status
