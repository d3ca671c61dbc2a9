"""A read beyond the end gives 0 and is remembered."""

import mmap

import numpy as np
import pytest

from weir_probe.wire.cursor import Cursor


def cursor(data: bytes, end: int = 1 << 30) -> Cursor:
    made = Cursor()
    made.bind(data)
    made.limit(end)
    return made


def test_byte_orders() -> None:
    read = cursor(bytes(range(1, 9)))
    assert (read.u8(0), read.u16(0), read.u32(0)) == (0x01, 0x0102, 0x01020304)
    assert (read.u16le(0), read.u32le(0), read.u64le(0)) == (0x0201, 0x04030201, 0x0807060504030201)
    assert read.u32(4) == 0x05060708
    assert not read.cut


def test_the_upper_bit_is_no_sign() -> None:
    read = cursor(b"\xff" * 8)
    assert (read.u32(0), read.u32le(0), read.u64le(0)) == (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)


@pytest.mark.parametrize(
    ("name", "width"), [("u8", 1), ("u16", 2), ("u32", 4), ("u16le", 2), ("u32le", 4), ("u64le", 8)]
)
def test_the_end_is_kept(name: str, width: int) -> None:
    read = cursor(b"\xff" * 20, end=10)
    assert getattr(read, name)(10 - width)
    assert not read.cut
    for at in (10 - width + 1, 10, 11, 1 << 40, -1):
        assert getattr(read, name)(at) & 0xFF == 0 or name == "u64le"
        assert read.cut
        read.limit(10)
        assert not read.cut


def test_the_end_is_never_beyond_the_buffer() -> None:
    read = cursor(b"abc", end=100)
    assert read.end == 3
    assert read.has(0, 3)
    assert not read.has(1, 3)
    assert not read.has(-1, 1)


def test_copies_of_what_is_there() -> None:
    read = cursor(b"abcdef", end=4)
    assert (read.copied(1, 3), read.copied(2, 100), read.copied(-5, 2)) == (b"bc", b"cd", b"ab")
    assert (read.copied(4, 9), read.copied(3, 1), cursor(b"").copied(0, 1)) == (b"", b"", b"")
    assert not read.cut


def test_any_buffer() -> None:
    with mmap.mmap(-1, 4096) as memory:
        memory[:2] = b"\1\2"
        read = Cursor()
        read.bind(memory)
        assert read.u16(0) == 0x0102
        read.bind(b"")
    read.bind(np.array([3, 4], np.uint8).data)
    assert read.u16(0) == 0x0304
