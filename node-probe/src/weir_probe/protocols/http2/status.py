# cython: annotation_typing=False
"""What codes mean for a call: HTTP status, error codes of HTTP/2, status codes of gRPC."""

from __future__ import annotations

from typing import Final

from weir_probe.protocols.message import CLIENT_ERROR, OK, SERVER_ERROR, UNKNOWN

#: RFC 9113 §7, by their number.
ERRORS: Final = (
    b"NO_ERROR",
    b"PROTOCOL_ERROR",
    b"INTERNAL_ERROR",
    b"FLOW_CONTROL_ERROR",
    b"SETTINGS_TIMEOUT",
    b"STREAM_CLOSED",
    b"FRAME_SIZE_ERROR",
    b"REFUSED_STREAM",
    b"CANCEL",
    b"COMPRESSION_ERROR",
    b"CONNECT_ERROR",
    b"ENHANCE_YOUR_CALM",
    b"INADEQUATE_SECURITY",
    b"HTTP_1_1_REQUIRED",
)
#: Those by which one side blames the other, and of the rest CANCEL, which blames its sender.
_BLAMES: Final = 1 << 1 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 9 | 1 << 11 | 1 << 12 | 1 << 13
#: gRPC over HTTP/2, "Errors": the status code that an error code stands for; UNKNOWN where it names none.
_GRPC_OF_ERROR: Final = bytes((13, 13, 13, 13, 13, 2, 13, 14, 1, 13, 13, 8, 7, 2))
#: OpenTelemetry semantic conventions for gRPC: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE and
#: DATA_LOSS are errors of the server, the others are not.
_GRPC_SERVERS: Final = 1 << 2 | 1 << 4 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 15
GRPC_UNKNOWN: Final = 2
MAX_GRPC: Final = 16

_OK, _CLIENT_ERROR, _SERVER_ERROR, _UNKNOWN_STATUS = OK, CLIENT_ERROR, SERVER_ERROR, UNKNOWN
_BLAMING, _SERVERS, _OF_ERROR, _MAX_GRPC, _GRPC_UNKNOWN = _BLAMES, _GRPC_SERVERS, _GRPC_OF_ERROR, MAX_GRPC, GRPC_UNKNOWN


def of_http(code: int) -> int:
    """Of a call with this HTTP status."""
    if code >= 500:
        return _SERVER_ERROR
    return _CLIENT_ERROR if code >= 400 else _OK


def of_grpc(code: int) -> int:
    """Of a call with this grpc-status; a code that gRPC does not know counts as UNKNOWN (its statuscodes.md)."""
    if code == 0:
        return _OK
    return _SERVER_ERROR if code > _MAX_GRPC or _SERVERS >> code & 1 else _CLIENT_ERROR


def of_reset(error: int, way: int) -> int:
    """Of a call whose stream was reset with this error code, by the client (0) or the server (1)."""
    if error == 0:
        return _UNKNOWN_STATUS
    blames = error < 32 and _BLAMING >> error & 1
    return _CLIENT_ERROR if bool(blames) == bool(way) else _SERVER_ERROR


def grpc_of_reset(error: int) -> int:
    """The grpc-status that an error code stands for."""
    return _OF_ERROR[error] if error < 14 else _GRPC_UNKNOWN


def grpc_of_http(code: int) -> int:
    """The grpc-status that a response without one stands for (gRPC, http-grpc-status-mapping.md)."""
    if code == 400:
        return 13
    if code == 401:
        return 16
    if code == 403:
        return 7
    if code == 404:
        return 12
    return 14 if code == 429 or 502 <= code <= 504 else _GRPC_UNKNOWN
