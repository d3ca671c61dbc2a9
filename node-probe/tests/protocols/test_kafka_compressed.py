"""Kafka's compressed batches, from their first byte on: what encoders of others made, whole, cut and changed."""

from __future__ import annotations

import struct
from collections.abc import Callable

import cramjam
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from weir_probe.protocols.kafka.compressed import MAX_BYTES, Compressed
from weir_probe.wire.cursor import Cursor


def of_java(data: bytes) -> bytes:
    """As snappy-java's SnappyOutputStream has it: a header, then each block with its length."""
    block = bytes(cramjam.snappy.compress_raw(data))
    return b"\x82SNAPPY\0" + struct.pack(">iii", 1, 1, len(block)) + block


#: With the number that a batch has for it.
ENCODERS: list[tuple[int, Callable[[bytes], bytes]]] = [
    (1, lambda data: bytes(cramjam.gzip.compress(data))),
    (2, lambda data: bytes(cramjam.snappy.compress_raw(data))),
    (2, of_java),
    (3, lambda data: bytes(cramjam.lz4.compress(data))),
]
#: Bytes that come again, near and far, in runs and overlapping.
DATA = st.lists(st.tuples(st.binary(min_size=1, max_size=70), st.integers(1, 300)), min_size=1, max_size=12).map(
    lambda parts: b"".join(part * times for part, times in parts)
)


def read(kind: int, data: bytes) -> bytes:
    """What is made of it."""
    cursor, compressed = Cursor(), Compressed()
    cursor.bind(b"before" + data)
    if not compressed.read(kind, cursor, 6, 6 + len(data)):
        return b""
    return compressed.cursor.copied(0, compressed.cursor.end)


@pytest.mark.parametrize(("kind", "encode"), ENCODERS)
@given(data=DATA)
@example(data=bytes(3 * MAX_BYTES))
@example(data=bytes(range(256)) * 200)
def test_what_was_compressed(kind: int, encode: Callable[[bytes], bytes], data: bytes) -> None:
    assert read(kind, encode(data)) == data[:MAX_BYTES]


@pytest.mark.parametrize(("kind", "encode"), ENCODERS)
@given(data=DATA, part=st.floats(0, 1))
def test_the_beginning_of_it(kind: int, encode: Callable[[bytes], bytes], data: bytes, part: float) -> None:
    whole = encode(data)
    there = read(kind, whole[: int(len(whole) * part)])
    assert data.startswith(there)
    assert there or part < 1


@pytest.mark.parametrize(("kind", "encode"), ENCODERS)
@given(data=DATA, at=st.integers(0, 1 << 20), byte=st.integers(0, 255))
def test_what_was_changed_has_an_end(
    kind: int, encode: Callable[[bytes], bytes], data: bytes, at: int, byte: int
) -> None:
    changed = bytearray(encode(data))
    changed[at % len(changed)] = byte
    assert len(read(kind, bytes(changed))) <= MAX_BYTES


@given(st.integers(0, 7), st.binary(max_size=200))
def test_any_bytes(kind: int, data: bytes) -> None:
    assert len(read(kind, data)) <= MAX_BYTES


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (2, b"\x05\x01\x00"),  # a copy before there is anything
        (2, b"\x05\x00a\x0a\x02\x00"),  # from before the beginning
        (3, struct.pack("<IBBBI", 0x184D2204, 0x40, 0x40, 0, 4) + b"\x10a\x00\x00"),  # from 0 bytes before
        (4, bytes(cramjam.zstd.compress(b"zstd is not read"))),
    ],
)
def test_no_more_than_is_certain(kind: int, data: bytes) -> None:
    assert read(kind, data) in {b"", b"a"}
