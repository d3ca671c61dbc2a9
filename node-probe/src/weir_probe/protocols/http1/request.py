# cython: annotation_typing=False
"""What the head of a request says: columns of the call."""

from __future__ import annotations

from typing import Final

from weir_probe.protocols import trace
from weir_probe.protocols.http1.head import Field, Head, line_end
from weir_probe.protocols.message import ATTRIBUTES, DOMAIN, TYPE, Message
from weir_probe.protocols.paths import put_endpoint, put_resource
from weir_probe.protocols.redaction import hides_header
from weir_probe.wire.cursor import Cursor

#: Of columns as text: host, an attribute.
MAX_HOST: Final = 255
MAX_ATTRIBUTE: Final = 128
_MAX_HOST, _MAX_ATTRIBUTE = MAX_HOST, MAX_ATTRIBUTE
_TYPE, _DOMAIN, _ATTRIBUTES = TYPE, DOMAIN, ATTRIBUTES


class Request:
    """After `put`, `upgrades` says whether the client asks to go on with HTTP/2 in clear text."""

    def __init__(self) -> None:
        self.upgrades = False
        self.field = Field()
        #: Where the values of User-Agent and X-Forwarded-For stand.
        self.agent = self.agent_size = 0
        self.forwarded = self.forwarded_size = 0

    def put(self, cursor: Cursor, at: int, head: Head, redacts: bool, message: Message) -> None:
        """Write the columns of the request whose head starts at `at`."""
        self.upgrades = False
        self.agent_size = self.forwarded_size = 0
        message.put(_TYPE, cursor, at, head.method_end - at)
        self.put_more(cursor, head, message)
        target = self._authority(cursor, at, head, message)
        if target < head.target_end:
            put_endpoint(cursor, target, head.target_end - target, message)
            put_resource(cursor, target, head.target_end - target, redacts, message)
        if self.agent_size or self.forwarded_size:
            message.begin(_ATTRIBUTES)
        if self.agent_size:
            self._add_attribute(b"user_agent.original\0", cursor, self.agent, self.agent_size, message)
        if self.forwarded_size:
            self._add_attribute(b"client.address\0", cursor, self.forwarded, self.forwarded_size, message)

    def _add_attribute(self, key: bytes, cursor: Cursor, at: int, count: int, message: Message) -> None:
        """A zero ends it, also one that the client has put into it."""
        end = at + min(count, _MAX_ATTRIBUTE)
        zero = cursor.find(0, at, end)
        message.add_text(key)
        message.add_from(cursor, at, (end if zero < 0 else zero) - at)
        message.add(0)

    def put_more(self, cursor: Cursor, head: Head, message: Message) -> None:
        """Write what the fields of a head say, or of this part of it."""
        at = head.fields
        while 0 <= at < head.end:
            behind = line_end(cursor, at, head.end)
            if behind == 0:
                return
            first = cursor.u8(at) | 0x20
            if (
                (first == 0x68 or first == 0x75 or first == 0x78 or first == 0x74 or first == 0x62 or first == 0x73)
                and self.field.read(cursor, at, behind)
            ):  # fmt: skip
                self._put_field(cursor, message)
            at = behind

    def _put_field(self, cursor: Cursor, message: Message) -> None:
        field = self.field
        if field.has_name(cursor, b"upgrade"):
            self.upgrades = field.has_value(cursor, b"h2c")
        elif hides_header(cursor, field.name, field.name_size):
            return
        elif field.has_name(cursor, b"host"):
            message.put(_DOMAIN, cursor, field.value, min(field.value_size, _MAX_HOST))
        elif field.has_name(cursor, b"user-agent"):
            self.agent, self.agent_size = field.value, field.value_size
        elif field.has_name(cursor, b"x-forwarded-for"):
            self.forwarded, self.forwarded_size = field.value, field.value_size
        else:
            kind = trace.format_of(cursor, field.name, field.name_size)
            if kind:
                trace.put(kind, cursor, field.value, field.value_size, message)

    def _authority(self, cursor: Cursor, method: int, head: Head, message: Message) -> int:
        """Where path and query begin. A target that names the host goes over the field (RFC 9112 §3.2)."""
        at = head.method_end + 1
        end = head.target_end
        if at >= end or cursor.u8(at) == 0x2F or cursor.u8(at) == 0x2A:
            return at
        colon = cursor.find(0x3A, at, end)
        if colon > 0 and cursor.u8(colon + 1) == 0x2F and cursor.u8(colon + 2) == 0x2F:
            at = colon + 3
        elif not cursor.is_name(method, head.method_end - method, b"connect"):
            return at
        stop = at
        while stop < end and cursor.u8(stop) != 0x2F and cursor.u8(stop) != 0x3F:
            if cursor.u8(stop) == 0x40:  # user and password
                at = stop + 1
            stop += 1
        message.put(_DOMAIN, cursor, at, min(stop - at, _MAX_HOST))
        return stop
