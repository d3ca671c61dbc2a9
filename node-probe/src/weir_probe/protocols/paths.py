# cython: annotation_typing=False
"""Request targets. The resource is path and query, without secrets; the endpoint is what is called, without what
differs from call to call: `/users/42/orders?page=2` is `/users/{id}/orders`.

A segment of a path stands for an id when it is a number (also a date, an IPv4 address), hexadecimal digits (8 or more,
a UUID), has an `@` within, or is long and goes back and forth between letters and digits, as random tokens do. A file's
suffix stays.
"""

from __future__ import annotations

from typing import Final

from weir_probe.protocols.message import ENDPOINT, RESOURCE, Message
from weir_probe.protocols.redaction import hides_parameter
from weir_probe.wire.cursor import Cursor

#: Of an endpoint as text.
MAX_ENDPOINT: Final = 256
#: Of path and query as text.
MAX_RESOURCE: Final = 512
#: Query parameters that are secrets in most interfaces, and those that sign a URL (OpenTelemetry, `url.full`).
SECRETS: Final = (
    b"token",
    b"access_token",
    b"refresh_token",
    b"id_token",
    b"auth",
    b"authorization",
    b"api_key",
    b"apikey",
    b"api-key",
    b"password",
    b"passwd",
    b"pwd",
    b"secret",
    b"client_secret",
    b"session",
    b"sessionid",
    b"signature",
    b"sig",
    b"x-amz-signature",
    b"x-amz-credential",
    b"x-amz-security-token",
    b"x-goog-signature",
    b"awsaccesskeyid",
)
_ENDPOINT, _RESOURCE, _MAX_ENDPOINT, _MAX_RESOURCE, _SECRETS = ENDPOINT, RESOURCE, MAX_ENDPOINT, MAX_RESOURCE, SECRETS
_MIN_HEX, _MIN_UUID, _MIN_TOKEN, _MIN_CHANGES, _MAX_SUFFIX = 8, 32, 16, 3, 5
_OTHER, _LETTER, _DIGIT = 0, 1, 2


def put_resource(cursor: Cursor, at: int, count: int, redacts: bool, message: Message) -> None:
    """Write the resource of a request target, with `?` for the values of secret query parameters if it `redacts`."""
    message.begin(_RESOURCE)
    if count > _MAX_RESOURCE:
        message.cut = True
        count = _MAX_RESOURCE
    end = at + count
    place = cursor.find(0x3F, at, end) if redacts else -1
    if place < 0:
        message.add_from(cursor, at, count)
        return
    message.add_from(cursor, at, place + 1 - at)
    at = place + 1
    while at < end:
        stop = at
        equals = -1
        while stop < end and cursor.u8(stop) != 0x26 and cursor.u8(stop) != 0x3B:
            if equals < 0 and cursor.u8(stop) == 0x3D:
                equals = stop
            stop += 1
        if equals >= 0 and _is_secret(cursor, at, equals - at):
            message.add_from(cursor, at, equals + 1 - at)
            message.add(0x3F)
            at = stop
        stop = min(stop + 1, end)  # with what separates it from the next
        message.add_from(cursor, at, stop - at)
        at = stop


def _is_secret(cursor: Cursor, at: int, count: int) -> bool:
    for name in _SECRETS:
        if cursor.is_name(at, count, name):
            return True
    return hides_parameter(cursor, at, count)


def put_endpoint(cursor: Cursor, at: int, count: int, message: Message) -> None:
    """Write the endpoint of a request target's path; a query or fragment behind it is left out."""
    end = at + count
    message.begin(_ENDPOINT)
    while at < end:
        if message.length_of(_ENDPOINT) >= _MAX_ENDPOINT:
            message.cut = True
            return
        byte = cursor.u8(at)
        if byte == 0x3F or byte == 0x23:
            return
        if byte == 0x2F:
            message.add(byte)
            at += 1
            continue
        stop = _segment_end(cursor, at, end)
        written = at
        while written < stop and cursor.u8(written) != 0x3B:  # parameters of a segment, such as ;jsessionid=
            written += 1
        suffix = _suffix(cursor, at, written)
        if _is_id(cursor, at, suffix):
            message.add_text(b"{id}")
            at = suffix
        message.add_from(cursor, at, min(written - at, _MAX_ENDPOINT - message.length_of(_ENDPOINT)))
        at = stop


def _segment_end(cursor: Cursor, at: int, end: int) -> int:
    while at < end:
        byte = cursor.u8(at)
        if byte == 0x2F or byte == 0x3F or byte == 0x23:
            return at
        at += 1
    return end


def _suffix(cursor: Cursor, at: int, end: int) -> int:
    """Where a file's suffix begins: a dot and a few letters; the end where there is none."""
    place = end - 1
    while place > at and end - place <= _MAX_SUFFIX and _kind(cursor.u8(place)) == _LETTER:
        place -= 1
    return place if place > at and end - place > 1 and cursor.u8(place) == 0x2E else end


def _kind(byte: int) -> int:
    if 0x30 <= byte <= 0x39:
        return _DIGIT
    return _LETTER if 0x61 <= (byte | 0x20) <= 0x7A else _OTHER


def _is_id(cursor: Cursor, at: int, end: int) -> bool:
    """Whether the segment is an id."""
    digits = hexadecimal = letters = dots = dashes = changes = 0
    before = _OTHER
    place = at
    while place < end:
        byte = cursor.u8(place)
        kind = _kind(byte)
        if kind == _DIGIT:
            digits += 1
        elif kind == _LETTER:
            letters += 1
            hexadecimal += (byte | 0x20) <= 0x66
        elif byte == 0x40 and place > at:
            return True
        elif byte == 0x2E:
            dots += 1
        elif byte == 0x2D:
            dashes += 1
        elif byte == 0x25:  # an escaped byte is neither letter nor digit
            place += 2
        if kind != before and kind != _OTHER and before != _OTHER:
            changes += 1
        before = kind
        place += 1
    size = end - at
    if digits == 0:
        return False
    if letters == 0:
        return dots == 0 or size > _MAX_SUFFIX  # 1.1 is a version
    if digits + hexadecimal == size:
        return size >= _MIN_HEX
    if digits + hexadecimal + dashes == size and size >= _MIN_UUID:
        return True
    return size >= _MIN_TOKEN and changes >= _MIN_CHANGES
