"""HPACK against the `hpack` package: what it encodes is decoded, wherever blocks are cut and whatever was missed."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hpack import Encoder
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from weir_probe.protocols.http2.fields import (
    AUTHORITY,
    CONTENT_TYPE,
    GRPC_MESSAGE,
    METHOD,
    PATH,
    SCHEME,
    STATUS,
    TRACE,
    USER_AGENT,
)
from weir_probe.protocols.http2.hpack import MAX_VALUE, Decoder
from weir_probe.protocols.http2.table import MAX_TABLE
from weir_probe.protocols.trace import TRACEPARENT
from weir_probe.wire.cursor import Cursor

unhurried = hypothesis_settings(deadline=None)
KINDS = {
    ":authority": AUTHORITY,
    ":method": METHOD,
    ":path": PATH,
    ":scheme": SCHEME,
    ":status": STATUS,
    "content-type": CONTENT_TYPE,
    "user-agent": USER_AGENT,
    "grpc-message": GRPC_MESSAGE,
    "traceparent": TRACE + TRACEPARENT,
}
NAMES = st.sampled_from([*KINDS, "cookie", "x", "accept-encoding", "x-" + "long" * 40])
VALUES = st.sampled_from(["", "GET", "/", "200", "v" * 120, "a" * 900]) | st.text(
    st.characters(max_codepoint=255), max_size=40
)
FIELDS = st.lists(st.tuples(NAMES, VALUES, st.booleans()), max_size=12)
Field = tuple[str, str, bool]


def read(decoder: Decoder, block: bytes, cuts: list[int]) -> bool:
    """Feed a block in pieces; whether it is one."""
    decoder.begin()
    cursor = Cursor()
    cursor.bind(block)
    places = sorted({0, len(block), *(cut % (len(block) + 1) for cut in cuts)})
    return all(decoder.feed(cursor, a, b) for a, b in pairwise(places)) and decoder.whole()


def told(decoder: Decoder) -> dict[int, bytes]:
    """The values of the block, by kind."""
    values = decoder.values
    return {
        kind: bytes(values.u8(decoder.start[kind] + place) for place in range(decoder.length[kind]))
        for kind in KINDS.values()
        if decoder.has(kind)
    }


def meant(fields: list[Field]) -> dict[int, bytes]:
    """Of several with a name, the first."""
    values: dict[int, bytes] = {}
    for name, value, _ in fields:
        if name in KINDS:
            values.setdefault(KINDS[name], value.encode("latin-1"))
    return values


def encoded(encoder: Encoder, fields: list[Field], huffman: bool) -> bytes:
    raw = [(name.encode(), value.encode("latin-1"), sensitive) for name, value, sensitive in fields]
    return bytes(encoder.encode(raw, huffman=huffman))


@unhurried
@given(
    st.lists(
        st.tuples(FIELDS, st.booleans(), st.none() | st.sampled_from([0, 64, 300, 4096, 20_000, MAX_TABLE, 200_000])),
        min_size=1,
        max_size=12,
    ),
    st.lists(st.integers(0, 4000), max_size=6),
)
def test_what_is_encoded_is_decoded(blocks: list[tuple[list[Field], bool, int | None]], cuts: list[int]) -> None:
    encoder, decoder = Encoder(), Decoder()
    decoder.table.begin()
    found_room = True  # every value, up to here: one that has not is unknown in the table
    for fields, huffman, resize in blocks:
        if resize is not None:
            encoder.header_table_size = resize
        assert read(decoder, encoded(encoder, fields, huffman), cuts)
        values = meant(fields)
        found_room &= not decoder.cut
        if decoder.cut:
            assert sum(map(len, values.values())) > MAX_VALUE
        if found_room:
            assert told(decoder) == values
            assert decoder.unknown == 0
        elif decoder.unknown == 0:  # only the beginnings of what has no room
            assert all(values[kind].startswith(value) for kind, value in told(decoder).items())
        if encoder.header_table.maxsize <= MAX_TABLE:
            table = encoder.header_table
            assert (decoder.table.count, decoder.table.size) == (len(table.dynamic_entries), table._current_size)


@unhurried
@given(st.lists(st.tuples(FIELDS, st.booleans()), min_size=2, max_size=12), st.data())
def test_what_is_told_after_a_gap_is_right(blocks: list[tuple[list[Field], bool]], data: st.DataObject) -> None:
    """From any place on, and with gaps: a value is right or not there, and what was inserted since is there."""
    encoder, decoder = Encoder(), Decoder()
    recent: set[tuple[str, str]] = set()
    for fields, huffman in blocks:
        before = {(name, value) for name, value in recent}
        block = encoded(encoder, fields, huffman)
        if data.draw(st.booleans()):
            decoder.lost()
            recent.clear()
            continue
        assert read(decoder, block, [])
        if decoder.cut:
            continue
        values = meant(fields)
        for kind, value in told(decoder).items():
            named = {field[1].encode("latin-1") for field in fields if KINDS.get(field[0]) == kind}
            assert value in named
        if decoder.unknown == 0:
            assert told(decoder) == values
        else:
            assert any((name, value) not in before for name, value, _ in fields)
        if decoder.unknown == 0:  # else some of it was inserted before the gap
            recent.update((name, value) for name, value, sensitive in fields if not sensitive)


@unhurried
@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_no_bytes_bring_it_down(block: bytes, cuts: list[int]) -> None:
    """The same is said of them wherever they are cut."""
    whole, pieces = Decoder(), Decoder()
    for decoder in (whole, pieces):
        decoder.table.begin()
    for _ in range(3):
        assert read(whole, block, []) == read(pieces, block, cuts)
        if whole.whole():
            assert told(whole) == told(pieces)
        assert whole.table.size <= MAX_TABLE


@unhurried
@given(st.binary(max_size=200))
def test_huffman(text: bytes) -> None:
    coded = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH).encode(text)
    length = bytes([0x80 | len(coded)]) if len(coded) < 0x7F else bytes([0xFF, *number(len(coded) - 0x7F)])
    decoder = Decoder()
    assert read(decoder, b"\x04" + length + coded, [])
    assert told(decoder) == {PATH: text}


@pytest.mark.parametrize("block", [b"\x04\x81\x00", b"\x04\x84\xff\xff\xff\xff", b"\x04\x82\x1f\xff"])
def test_huffman_that_is_padded_wrongly(block: bytes) -> None:
    """RFC 7541 §5.2: more than seven bits, not all ones, the end of string within."""
    assert not read(Decoder(), block, [])


def number(rest: int) -> bytes:
    """What follows a prefix that is full (RFC 7541 §5.1)."""
    out = bytearray()
    while rest >= 0x80:
        out.append(0x80 | rest & 0x7F)
        rest >>= 7
    return bytes([*out, rest])


def test_an_index_of_what_is_not_there_is_unknown() -> None:
    decoder = Decoder()
    assert read(decoder, b"\xff" + number(1_000_000) + b"\x82", [])
    assert (decoder.unknown, told(decoder)) == (1, {METHOD: b"GET"})


@pytest.mark.parametrize("block", [b"\x80", b"\xff" + b"\xff" * 20, b"\x82\x20", b"\x40\x00\x01x"])
def test_what_is_no_field(block: bytes) -> None:
    """Index 0, a number without an end, a size update behind a field, an empty name."""
    assert not read(Decoder(), block, [])


def test_a_bomb_takes_no_room() -> None:
    """A large value is inserted once and named ten thousand times: no more of it is kept than there is room for."""
    decoder = Decoder()
    decoder.table.begin()
    value = b"\x44\x7f" + number(4000 - 0x7F) + b"p" * 4000
    assert read(decoder, value + b"\xbe" * 10_000, [])
    assert decoder.values.end <= 2048
    assert told(decoder) == {PATH: b"p" * MAX_VALUE}
    assert decoder.cut


def test_a_table_larger_than_what_is_kept() -> None:
    """What is beyond MAX_TABLE is unknown, and the rest is not shifted by it."""
    encoder, decoder = Encoder(), Decoder()
    decoder.table.begin()
    encoder.header_table_size = 1_000_000
    for turn in range(2):
        unknown = 0
        for index in range(1000):
            assert read(decoder, encoded(encoder, [(":path", f"/{index}" + "x" * 200, False)], False), [])
            assert told(decoder) in ({}, {PATH: f"/{index}".encode() + b"x" * 200})
            unknown += decoder.unknown
        assert (unknown > 500) == (turn == 1)
    assert read(decoder, encoded(encoder, [("x", "y" * 70_000, False), (":path", "/new", False)], False), [])
    assert read(decoder, encoded(encoder, [(":path", "/new", False)], False), [])
    assert told(decoder) == {PATH: b"/new"}
