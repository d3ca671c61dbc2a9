# cython: annotation_typing=False
"""What the field block of a request says: columns of the call."""

from __future__ import annotations

from typing import Final

from weir_probe.protocols import trace
from weir_probe.protocols.http2.fields import (
    AUTHORITY,
    CONTENT_TYPE,
    FORWARDED,
    GRPC_TIMEOUT,
    HOST,
    METHOD,
    PATH,
    PROTOCOL,
    TRACE,
    USER_AGENT,
)
from weir_probe.protocols.http2.hpack import Decoder
from weir_probe.protocols.message import ATTRIBUTES, DOMAIN, ENDPOINT, RESOURCE, TYPE, Message
from weir_probe.protocols.paths import MAX_ENDPOINT, put_endpoint, put_resource
from weir_probe.protocols.redaction import hides

#: Of columns as text: host, an attribute.
MAX_HOST: Final = 255
MAX_ATTRIBUTE: Final = 128
_MAX_HOST, _MAX_ATTRIBUTE, _MAX_ENDPOINT = MAX_HOST, MAX_ATTRIBUTE, MAX_ENDPOINT
_AUTHORITY, _CONTENT_TYPE, _FORWARDED, _GRPC_TIMEOUT, _HOST = AUTHORITY, CONTENT_TYPE, FORWARDED, GRPC_TIMEOUT, HOST
_METHOD, _PATH, _PROTOCOL, _TRACE, _USER_AGENT = METHOD, PATH, PROTOCOL, TRACE, USER_AGENT
_FORMATS = trace.TRACEPARENT
#: Names of what trace.py knows, by its number.
_TRACES: Final = (
    b"",
    b"x-request-id",
    b"uber-trace-id",
    b"sw8",
    b"b3",
    b"x-b3-traceid",
    b"x-b3-spanid",
    b"x-b3-parentspanid",
    b"traceparent",
)
_TYPE, _DOMAIN, _RESOURCE, _ENDPOINT, _ATTRIBUTES = TYPE, DOMAIN, RESOURCE, ENDPOINT, ATTRIBUTES


def is_grpc(block: Decoder) -> bool:
    """By its content type: `application/grpc`, perhaps with a format or parameters, but not grpc-web's."""
    if not block.has(_CONTENT_TYPE):
        return False
    at, count = block.start[_CONTENT_TYPE], block.length[_CONTENT_TYPE]
    if count > 16 and block.values.u8(at + 16) != 0x2B and block.values.u8(at + 16) != 0x3B:
        return False
    return block.values.is_name(at, min(count, 16), b"application/grpc")


def is_undecided(block: Decoder) -> bool:
    """Whether it may be gRPC, which is sent by POST, for all that is known."""
    if block.unknown == 0 or block.has(_CONTENT_TYPE):
        return False
    return not block.has(_METHOD) or block.values.is_name(block.start[_METHOD], block.length[_METHOD], b"post")


def put(block: Decoder, grpc: bool, redacts: bool, message: Message) -> None:
    """Write the columns of a request."""
    if block.has(_METHOD):
        message.put(_TYPE, block.values, block.start[_METHOD], block.length[_METHOD])
    host = _AUTHORITY if block.has(_AUTHORITY) else _HOST
    if block.has(host) and not hides(b"host"):
        message.put(_DOMAIN, block.values, block.start[host], min(block.length[host], _MAX_HOST))
    for kind in range(_TRACE + 1, _TRACE + _FORMATS + 1):
        if block.has(kind) and not hides(_TRACES[kind - _TRACE]):
            trace.put(kind - _TRACE, block.values, block.start[kind], block.length[kind], message)
    if block.has(_PATH) and grpc:
        _put_method(block, message)
    elif block.has(_PATH):
        put_endpoint(block.values, block.start[_PATH], block.length[_PATH], message)
        put_resource(block.values, block.start[_PATH], block.length[_PATH], redacts, message)
    message.begin(_ATTRIBUTES)
    if block.has(_USER_AGENT) and not hides(b"user-agent"):
        _attribute(block, _USER_AGENT, b"user_agent.original\0", message)
    if block.has(_FORWARDED) and not hides(b"x-forwarded-for"):
        _attribute(block, _FORWARDED, b"client.address\0", message)
    if block.has(_GRPC_TIMEOUT) and not hides(b"grpc-timeout"):
        _attribute(block, _GRPC_TIMEOUT, b"rpc.grpc.request.metadata.grpc-timeout\0", message)
    if block.has(_PROTOCOL):
        _attribute(block, _PROTOCOL, b"http.connect.protocol\0", message)
    if block.cut:
        message.cut = True


def _put_method(block: Decoder, message: Message) -> None:
    """`/package.Service/Method`: what is before the last slash is the service (gRPC over HTTP/2, Path)."""
    at, count = block.start[_PATH], min(block.length[_PATH], _MAX_ENDPOINT)
    message.put(_ENDPOINT, block.values, at, count)
    first = at + 1 if block.values.u8(at) == 0x2F else at
    slash = at + count - 1
    while slash > first and block.values.u8(slash) != 0x2F:
        slash -= 1
    message.put(_RESOURCE, block.values, first, slash - first)


def _attribute(block: Decoder, kind: int, name: bytes, message: Message) -> None:
    message.add_text(name)
    message.add_from(block.values, block.start[kind], min(block.length[kind], _MAX_ATTRIBUTE))
    message.add(0)
