# cython: annotation_typing=False
"""The header fields that a call is told from, and the static table (RFC 7541 Appendix A).

The values of all others are not kept: no secret of `authorization`, `cookie` and `set-cookie` is ever held.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from weir_probe.protocols import trace
from weir_probe.wire.cursor import Cursor

#: What a name stands for. UNKNOWN: an index into a table that was not seen.
OTHER, UNKNOWN = 0, 1
METHOD, SCHEME, AUTHORITY, PATH, PROTOCOL, STATUS = 2, 3, 4, 5, 6, 7
HOST, CONTENT_TYPE, USER_AGENT, FORWARDED, GRPC_STATUS, GRPC_MESSAGE, GRPC_TIMEOUT = 8, 9, 10, 11, 12, 13, 14
#: And behind it what protocols/trace.py knows, by its own number.
TRACE: Final = 14
KINDS: Final = TRACE + trace.TRACEPARENT + 1
#: A longer name is none of these.
MAX_NAME: Final = 24

_METHOD, _SCHEME, _AUTHORITY, _PATH, _PROTOCOL, _STATUS = METHOD, SCHEME, AUTHORITY, PATH, PROTOCOL, STATUS
_HOST, _CONTENT_TYPE, _USER_AGENT, _FORWARDED, _TRACE = HOST, CONTENT_TYPE, USER_AGENT, FORWARDED, TRACE
_GRPC_STATUS, _GRPC_MESSAGE, _GRPC_TIMEOUT = GRPC_STATUS, GRPC_MESSAGE, GRPC_TIMEOUT


def kind_of(cursor: Cursor, at: int, count: int) -> int:
    """What a name stands for; 0: nothing that is kept."""
    if count < 2 or count > 17:
        return 0
    if cursor.u8(at) == 0x3A:
        return _pseudo(cursor, at, count)
    if count == 4:
        return _HOST if cursor.is_name(at, count, b"host") else 0
    if count == 10:
        return _USER_AGENT if cursor.is_name(at, count, b"user-agent") else 0
    if count == 11 and cursor.is_name(at, count, b"grpc-status"):
        return _GRPC_STATUS
    if count == 12:
        if cursor.is_name(at, count, b"content-type"):
            return _CONTENT_TYPE
        if cursor.is_name(at, count, b"grpc-message"):
            return _GRPC_MESSAGE
        if cursor.is_name(at, count, b"grpc-timeout"):
            return _GRPC_TIMEOUT
    if count == 15:
        return _FORWARDED if cursor.is_name(at, count, b"x-forwarded-for") else 0
    known = trace.format_of(cursor, at, count)
    return _TRACE + known if known else 0


def _pseudo(cursor: Cursor, at: int, count: int) -> int:
    if count == 5:
        return _PATH if cursor.is_name(at, count, b":path") else 0
    if count == 7:
        if cursor.is_name(at, count, b":method"):
            return _METHOD
        if cursor.is_name(at, count, b":scheme"):
            return _SCHEME
        return _STATUS if cursor.is_name(at, count, b":status") else 0
    if count == 9:
        return _PROTOCOL if cursor.is_name(at, count, b":protocol") else 0
    return _AUTHORITY if cursor.is_name(at, count, b":authority") else 0


#: Names of the static table, each as often as there are entries of it, and the values that some have.
_NAMES: Final = [
    ":authority",
    ":method",
    ":method",
    ":path",
    ":path",
    ":scheme",
    ":scheme",
    ":status",
    ":status",
    ":status",
    ":status",
    ":status",
    ":status",
    ":status",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "accept",
    "access-control-allow-origin",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "link",
    "location",
    "max-forwards",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "refresh",
    "retry-after",
    "server",
    "set-cookie",
    "strict-transport-security",
    "transfer-encoding",
    "user-agent",
    "vary",
    "via",
    "www-authenticate",
]
_VALUES: Final = "GET POST / /index.html http https 200 204 206 304 400 404 500".split()  # noqa: SIM905
#: Entries of the static table: what they stand for, how long the name is and, in STATIC_TEXT, what the value is.
STATIC: Final = len(_NAMES)
STATIC_TEXT: Final = np.frombuffer("".join(_VALUES).encode(), np.uint8).copy()
STATIC_KIND: Final = np.zeros(STATIC + 1, np.uint8)
STATIC_LENGTH: Final = np.zeros(STATIC + 1, np.uint32)
STATIC_NAME: Final = np.zeros(STATIC + 1, np.uint32)
STATIC_START: Final = np.zeros(STATIC + 1, np.uint32)


def _fill() -> None:
    name = Cursor()
    for index, text in enumerate(_NAMES, 1):
        name.bind(text.encode())
        STATIC_KIND[index] = kind_of(name, 0, len(text))
        STATIC_NAME[index] = len(text)
        if 2 <= index < 2 + len(_VALUES):
            STATIC_LENGTH[index] = len(_VALUES[index - 2])
            STATIC_START[index] = sum(map(len, _VALUES[: index - 2]))


_fill()
