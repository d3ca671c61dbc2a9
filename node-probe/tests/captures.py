"""Capture files as bytes: pcap in its four kinds, pcapng block by block."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Protocol


class Captured(Protocol):
    """A frame with its time and its length on the wire."""

    @property
    def data(self) -> bytes: ...
    @property
    def ts_ns(self) -> int: ...
    @property
    def size(self) -> int: ...


def pcap(frames: Iterable[Captured], link: int = 1, order: str = "<", nanoseconds: bool = True) -> bytes:
    """A pcap file in either byte order (`<`, `>`) and resolution."""
    magic, unit = (0xA1B23C4D, 1) if nanoseconds else (0xA1B2C3D4, 1000)
    out = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, link)]
    for frame in frames:
        seconds, rest = divmod(frame.ts_ns, 1_000_000_000)
        out.append(struct.pack(order + "IIII", seconds, rest // unit, len(frame.data), frame.size) + frame.data)
    return b"".join(out)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A pcapng block; the body is padded to a multiple of 4."""
    body += bytes(-len(body) % 4)
    return struct.pack(order + "II", kind, 12 + len(body)) + body + struct.pack(order + "I", 12 + len(body))


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def interface(link: int = 1, order: str = "<", options: bytes = b"", snap_length: int = 0) -> bytes:
    return block(1, struct.pack(order + "HHI", link, 0, snap_length) + options, order)


def enhanced(data: bytes, ticks: int, row: int = 0, order: str = "<", length: int = -1) -> bytes:
    head = struct.pack(
        order + "IIIII", row, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data) if length < 0 else length
    )
    return block(6, head + data, order)


def obsolete(data: bytes, ticks: int, row: int = 0, order: str = "<") -> bytes:
    head = struct.pack(order + "HHIIII", row, 0, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
    return block(2, head + data, order)


def simple(data: bytes, length: int, order: str = "<") -> bytes:
    return block(3, struct.pack(order + "I", length) + data, order)
