"""HTTP/2 as a client or a server writes it: frames, and field blocks by the `hpack` package."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from hpack import Encoder

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, HAS_PRIORITY = 0x01, 0x01, 0x04, 0x08, 0x20
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
Fields = Sequence[tuple[str, str]]

GET: Fields = [(":method", "GET"), (":scheme", "http"), (":authority", "shop"), (":path", "/items/42?page=2")]
RPC: Fields = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/shop.Cart/Add"),
    (":authority", "shop:50051"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
]
OK: Fields = [(":status", "200")]
RPC_OK: Fields = [(":status", "200"), ("content-type", "application/grpc")]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(*pairs: tuple[int, int], ack: bool = False) -> bytes:
    return frame(SETTINGS, ACK if ack else 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def reset(stream: int, error: int) -> bytes:
    return frame(RST_STREAM, 0, stream, struct.pack(">I", error))


def goaway(last: int, error: int = 0, debug: bytes = b"") -> bytes:
    return frame(GOAWAY, 0, 0, struct.pack(">II", last, error) + debug)


def data(stream: int, payload: bytes, *, end: bool = False) -> bytes:
    return frame(DATA, END_STREAM if end else 0, stream, payload)


def message(payload: bytes) -> bytes:
    """A message of gRPC."""
    return struct.pack(">BI", 0, len(payload)) + payload


class Side:
    """Writes one direction of a connection: its encoder has the dynamic table."""

    def __init__(self) -> None:
        self.encoder = Encoder()

    def block(self, fields: Fields) -> bytes:
        return bytes(self.encoder.encode(fields))

    def headers(self, stream: int, fields: Fields, *, end: bool = False, pieces: int = 1) -> bytes:
        """HEADERS, with as many CONTINUATION frames that the block is in so many `pieces`."""
        block = self.block(fields)
        size = -(-len(block) // pieces)
        parts = [block[at : at + size] for at in range(0, len(block), size)]
        flags = END_STREAM if end else 0
        frames = [frame(HEADERS, flags | (END_HEADERS if len(parts) == 1 else 0), stream, parts[0])]
        for number, part in enumerate(parts[1:], 2):
            frames.append(frame(CONTINUATION, END_HEADERS if number == len(parts) else 0, stream, part))
        return b"".join(frames)

    def trailers(self, stream: int, status: int = 0, text: str = "") -> bytes:
        fields = [("grpc-status", str(status))]
        if text:
            fields.append(("grpc-message", text))
        return self.headers(stream, fields, end=True)


def both() -> tuple[Side, Side]:
    """Client and server."""
    return Side(), Side()
