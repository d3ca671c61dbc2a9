# cython: annotation_typing=False
"""What the field blocks of a response say, its trailers too: columns of the call."""

from __future__ import annotations

from typing import Final

from weir_probe.protocols import trace
from weir_probe.protocols.http2.fields import GRPC_MESSAGE, GRPC_STATUS, STATUS, TRACE
from weir_probe.protocols.http2.hpack import Decoder
from weir_probe.protocols.http2.status import GRPC_UNKNOWN, grpc_of_http, of_grpc, of_http
from weir_probe.protocols.message import ATTRIBUTES, EXCEPTION, Message

#: Of the text of an error.
MAX_EXCEPTION: Final = 256
_MAX_EXCEPTION, _GRPC_UNKNOWN = MAX_EXCEPTION, GRPC_UNKNOWN
_GRPC_MESSAGE, _GRPC_STATUS, _STATUS, _X_REQUEST = GRPC_MESSAGE, GRPC_STATUS, STATUS, TRACE + trace.X_REQUEST
_ATTRIBUTES, _EXCEPTION, _X_REQUEST_FORMAT = ATTRIBUTES, EXCEPTION, trace.X_REQUEST


def number(block: Decoder, kind: int) -> int:
    """The value of a field in decimal; -1: it is absent, or no such number."""
    if not block.has(kind) or not 0 < block.length[kind] <= 4:
        return -1
    value = 0
    for place in range(block.start[kind], block.start[kind] + block.length[kind]):
        byte = block.values.u8(place)
        if byte < 0x30 or byte > 0x39:
            return -1
        value = value * 10 + byte - 0x30
    return value


def put(block: Decoder, grpc: bool, message: Message) -> None:
    """Write the columns of a response, or of its trailers. The status of a gRPC call comes in a field of its own."""
    http = number(block, _STATUS)
    code = http
    status = of_http(http) if http > 0 else 0
    if grpc:
        code = -1
        if block.has(_GRPC_STATUS):
            code = number(block, _GRPC_STATUS)
            code = _GRPC_UNKNOWN if code < 0 else code
        elif http > 0 and http != 200:
            code = grpc_of_http(http)
        status = of_grpc(code) if code >= 0 else 0
    if code >= 0:
        message.has_code = True
        message.code = code
        message.status = status
    if block.has(_GRPC_MESSAGE):
        _put_decoded(block, _GRPC_MESSAGE, message)
    if block.has(_X_REQUEST):
        trace.put(_X_REQUEST_FORMAT, block.values, block.start[_X_REQUEST], block.length[_X_REQUEST], message)
    message.begin(_ATTRIBUTES)  # the last, as there may be more of them
    if grpc and http > 0:
        message.add_text(b"http.response.status_code\0")
        message.add_number(http)
        message.add(0)
    if block.cut:
        message.cut = True


def put_messages(requests: int, responses: int, message: Message) -> None:
    """How many messages a gRPC call had each way; -1: not known."""
    if requests >= 0:
        message.add_text(b"rpc.requests_per_rpc\0")
        message.add_number(requests)
        message.add(0)
    if responses >= 0:
        message.add_text(b"rpc.responses_per_rpc\0")
        message.add_number(responses)
        message.add(0)


def _put_decoded(block: Decoder, kind: int, message: Message) -> None:
    """Percent-encoded text (gRPC over HTTP/2, Status-Message)."""
    at = block.start[kind]
    end = at + min(block.length[kind], _MAX_EXCEPTION)
    message.cut = message.cut or block.length[kind] > _MAX_EXCEPTION
    message.begin(_EXCEPTION)
    while at < end:
        byte = block.values.u8(at)
        at += 1
        if byte == 0x25 and at + 2 <= end:
            high, low = _digit(block.values.u8(at)), _digit(block.values.u8(at + 1))
            if high >= 0 and low >= 0:
                byte = high << 4 | low
                at += 2
        message.add(byte)


def _digit(byte: int) -> int:
    if 0x30 <= byte <= 0x39:
        return byte - 0x30
    return (byte | 0x20) - 0x57 if 0x61 <= (byte | 0x20) <= 0x66 else -1
