"""What a proxy says before the connection that it passes on: the PROXY protocol, in both versions."""

from __future__ import annotations

import struct

import pytest

from play import C, Call, S, end, ok, play
from weir_probe.protocols.registry import BY_NAME, PROTOCOLS

redis = PROTOCOLS[BY_NAME["redis"]]

GET = b"GET /orders HTTP/1.1\r\nHost: shop.example\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def binary(family: int, data: bytes, command: int = 0x21) -> bytes:
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack(">BBH", command, family, len(data)) + data


ADDRESSES = bytes([192, 0, 2, 1, 192, 0, 2, 2]) + struct.pack(">HH", 40_000, 80)
PREAMBLES = (
    b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n",
    b"PROXY TCP6 2001:db8::1 2001:db8::2 40000 80\r\n",
    b"PROXY UNKNOWN\r\n",
    binary(0x11, ADDRESSES),
    binary(0, b"", command=0x20),
    binary(0x11, ADDRESSES + b"\x20" + struct.pack(">H", 3000) + bytes(3000)),  # a certificate of the client's
)


@pytest.mark.parametrize("preamble", PREAMBLES)
def test_what_follows_is_read_as_if_it_came_first(preamble: bytes) -> None:
    for begins in ([C(preamble + GET)], [C(preamble), C(GET)]):
        played = play(*PROTOCOLS, port=80)
        for step in begins:
            played >> step
        played >> S(OK) >> C(GET) >> S(OK)
        for _ in range(2):
            played << Call("GET", ok, resource="/orders", request_bytes=len(GET), ms=1.0, truncated=False)
        played << end


@pytest.mark.parametrize("preamble", PREAMBLES)
def test_in_pieces(preamble: bytes) -> None:
    played = play(*PROTOCOLS, port=80)
    said = preamble + GET
    for at in range(0, len(said), 5):
        played >> C(said[at : at + 5])
    played >> S(OK) << Call("GET", ok, resource="/orders", request_bytes=len(GET)) << end


def test_where_only_one_protocol_is_looked_for() -> None:
    played = play(redis) >> C(PREAMBLES[0] + b"*1\r\n$4\r\nPING\r\n") >> S(b"+PONG\r\n")
    played << Call("PING", ok, request_bytes=14) << end


@pytest.mark.parametrize(
    "other",
    [
        b"PROXY /orders HTTP/1.1\r\nHost: shop.example\r\n\r\n",  # a method
        b"\r\n" + GET,
    ],
)
def test_what_only_begins_like_one(other: bytes) -> None:
    method = other.split()[0].decode()
    play(*PROTOCOLS, port=80) >> C(other) >> S(OK) << Call(method, ok, resource="/orders") << end


def test_one_without_an_end_is_none() -> None:
    line = b"PROXY TCP4 " + b"1" * 200
    header = PREAMBLES[3][:12] + b"\x11" + PREAMBLES[3][13:]  # of a version that there is not
    for said in (line, header):
        play(*PROTOCOLS, port=80) >> C(said) >> C(GET) >> S(OK) << Call("GET", ok) << end
