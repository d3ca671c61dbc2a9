"""HTTP/2 that is met in its middle, or of which bytes are missing: what is not known is empty, never guessed."""

from __future__ import annotations

import random

import pytest

from http2_frames import GET, OK, PREFACE, RPC, RPC_OK, Fields, Side, both, data, message, settings
from play import C, Call, S, Wait, end, lost, ok, play, unknown
from weir_probe.protocols.registry import BY_NAME, PROTOCOLS

http2 = PROTOCOLS[BY_NAME["http2"]]


def used(side: Side, fields: Fields) -> Side:
    """It has sent these before, so its dynamic table has them."""
    side.block(fields)
    return side


def path(text: str) -> Fields:
    return [*GET[:3], (":path", text)]


def test_a_start_in_the_middle_without_the_table() -> None:
    """Only what stands in the static table is known of the first; what is inserted from then on is known later."""
    client, server = used(Side(), GET), used(Side(), OK)
    played = play(http2) >> C(client.headers(101, GET, end=True)) >> S(server.headers(101, OK, end=True))
    played >> C(client.headers(103, path("/new"), end=True)) >> S(server.headers(103, OK, end=True))
    played >> C(client.headers(105, path("/new"), end=True)) >> S(server.headers(105, OK, end=True))
    played >> C(client.headers(107, GET, end=True)) >> S(server.headers(107, OK, end=True))
    played << Call("GET", ok, request_id=101, resource="", endpoint="", domain="", code=200, ms=1.0)
    played << Call("GET", ok, request_id=103, resource="/new", domain="")
    played << Call("GET", ok, request_id=105, resource="/new", domain="")
    played << Call("GET", ok, request_id=107, resource="", domain="") << end


def test_grpc_in_the_middle_is_told_by_its_answer() -> None:
    client, server = used(Side(), RPC), used(Side(), RPC_OK)
    played = play(http2) >> C(client.headers(7, RPC) + data(7, message(b"x"), end=True))
    played >> S(server.headers(7, RPC_OK) + data(7, message(b"y")) + server.trailers(7, 5, "gone"))
    played << Call("POST", "client_error", protocol="gRPC", code=5, exception="gone", resource="", ms=1.0) << end


def test_200_says_nothing_where_it_may_be_grpc() -> None:
    """Until the response ends: with trailers, as gRPC does, or without."""
    client, server = used(Side(), RPC), used(Side(), RPC_OK)
    server.block([("grpc-status", "9")])
    played = play(http2) >> C(client.headers(7, RPC, end=True) + client.headers(9, RPC, end=True))
    played >> S(server.headers(7, RPC_OK) + server.trailers(7, 9))
    played >> S(server.headers(9, RPC_OK) + data(9, b"x", end=True))
    played << Call("POST", unknown, request_id=7, code=200) << Call("POST", ok, request_id=9, code=200) << end


def test_the_server_is_known_though_it_speaks_first() -> None:
    client, server = both()
    server.block(OK)
    played = play(http2) >> S(server.headers(5, [(":status", "404"), ("server", "x")])) >> S(data(5, b"late", end=True))
    played >> C(client.headers(7, GET, end=True)) >> S(server.headers(7, OK, end=True))
    played << Call("GET", ok, request_id=7, src="10.0.0.1", ms=1.0) << end
    assert played.calls.book.losses.tolist()[2] == 1  # no_request


def test_a_lost_response_is_not_anothers() -> None:
    client, server = both()
    played = play(http2) >> C(PREFACE + settings()) >> S(settings())
    for stream in (1, 3, 5):
        played >> C(client.headers(stream, path(f"/a{stream}"), end=True))
    played >> lost(S(server.headers(1, OK, end=True))) >> S(server.headers(3, [(":status", "500")], end=True))
    played >> S(server.headers(5, OK, end=True))
    played << Call("GET", unknown, request_id=1, latency_us=None)
    played << Call("GET", "server_error", request_id=3, code=500) << Call("GET", ok, request_id=5) << end


def test_after_a_lost_request_the_table_is_not_trusted() -> None:
    """The lost one inserted a path: what counts from the newest entry would be off by one."""
    client, server = both()
    played = play(http2) >> C(PREFACE + settings() + client.headers(1, path("/one"), end=True)) >> S(settings())
    played >> lost(C(client.headers(3, path("/two"), end=True))) >> C(client.headers(5, path("/one"), end=True))
    played >> S(b"".join(server.headers(stream, OK, end=True) for stream in (1, 3, 5)))
    played >> C(client.headers(7, path("/three"), end=True)) >> C(client.headers(9, path("/three"), end=True))
    played >> S(server.headers(7, OK, end=True) + server.headers(9, OK, end=True))
    played << Call("GET", ok, request_id=1, resource="/one", domain="shop")
    played << Call("GET", ok, request_id=5, resource="", domain="")
    (
        played
        << Call("GET", ok, request_id=7, resource="/three")
        << Call("GET", ok, request_id=9, resource="/three")
        << end
    )


def test_lost_bytes_in_a_body_are_known_to_be_of_it() -> None:
    client, server = both()
    body = data(1, b"v" * 10_000, end=True)
    played = play(http2) >> C(PREFACE + settings()) >> S(settings()) >> C(client.headers(1, GET, end=True))
    played >> S(server.headers(1, OK) + body[:1000]) >> lost(S(body[1000:5000])) >> S(body[5000:])
    played >> C(client.headers(3, GET, end=True)) >> S(server.headers(3, OK, end=True))
    (
        played
        << Call("GET", ok, response_bytes=len(body) + 10)
        << Call("GET", ok, code=200, resource="/items/42?page=2")
        << end
    )


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_lost_no_call_is_told_wrongly(seed: int) -> None:
    """Path and code follow from the number of the stream, and both tables are in use."""
    chance = random.Random(seed)
    client, server = both()
    played = play(http2) >> C(PREFACE + settings()) >> S(settings())
    for stream in range(1, 401, 2):
        asked = client.headers(stream, path(f"/a{stream}"), end=True)
        told = server.headers(stream, [(":status", str(200 + stream % 7))])
        told += data(stream, chance.randbytes(chance.choice((10, 3000))), end=True)
        for way, text in ((C, asked), (S, told)):
            for at in range(0, len(text), 700):
                step = way(text[at : at + 700])
                played >> (lost(step) if chance.random() < 0.1 else step)
    played >> Wait(0)
    whole = 0
    while call := played.next():
        assert call["code"] in {None, 200 + call["request_id"] % 7}
        assert call["resource"] in {"", f"/a{call['request_id']}"}
        whole += call["code"] is not None and call["resource"] != ""
    assert whole > 50
