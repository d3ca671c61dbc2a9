"""Payload comes from flows that an observation with calls selects, and of each as much as its protocol needs."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from capture.wires import Wire, every_rung, settle
from live.stage import Live, observed, records, redis, resp
from talk import C, S, opened
from weir_probe.capture.model import Capture, Selected
from weir_probe.streams.endpoints import MAX_FAILURES
from weir_probe.streams.layout import EVERY, FIRST, FRESH, GIVEN_UP, TURN_BYTES

pytestmark = pytest.mark.root
GET = resp(b"GET", b"key")


@contextmanager
def connected(host: str, port: int) -> Iterator[socket.socket]:
    with socket.create_connection((host, port), timeout=30) as connection:
        yield connection


def ask(connection: socket.socket, what: bytes = GET, times: int = 1) -> None:
    for _ in range(times):
        connection.sendall(what)
        assert connection.recv(65_536)


@contextmanager
def pair(wire: Wire, port: int) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection to the pod, and its other end."""
    with wire.in_pod(lambda: socket.create_server((wire.pod4, port))) as listener, connected(wire.pod4, port) as client:
        server, _ = listener.accept()
        with server:
            yield client, server


def segments(live: Live) -> int:
    live.settled()
    return live.calls.heard


@every_rung
def test_only_of_observations_that_want_calls(capture: Capture, wire: Wire) -> None:
    wire.up()
    with redis(wire, 6400) as wanted, redis(wire, 6401) as unwanted, observed(capture, wire) as live:
        # observation 0 wants calls and names a port, observation 1 counts everything
        capture.program([Selected(wire.host, 0b11, 0b11, by_port=0b01)], {(6, wanted): 0b01}, 2)
        before = segments(live)
        with connected(wire.pod4, unwanted) as connection:
            ask(connection, times=20)
        assert segments(live) == before
        with connected(wire.pod4, wanted) as connection:
            ask(connection, times=20)
        assert [call["dst_port"] for call in live.settled()] == [wanted] * 20
        assert segments(live) > before
        written = int(capture.segments.heads[0])
        live.observe()
        with connected(wire.pod4, wanted) as connection:
            ask(connection, times=20)
        settle(capture)
        assert int(capture.segments.heads[0]) == written


def test_a_protocol_that_pipelines_gives_every_segment(capture: Capture, wire: Wire) -> None:
    wire.up()
    with redis(wire) as port, observed(capture, wire) as live, connected(wire.pod4, port) as connection:
        ask(connection)
        live.settled()
        assert live.mode(port) == EVERY
        ask(connection, resp(b"SET", b"key", bytes(3 * TURN_BYTES)))
        ask(connection)
        assert [call["type"] for call in live.settled()] == ["GET", "SET", "GET"]


def test_of_one_that_takes_turns_the_first_bytes_of_each(core: Capture, wire: Wire) -> None:
    body = bytes(20 * TURN_BYTES)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    wire.up()
    with observed(core, wire) as live, pair(wire, 8080) as (client, server):
        for turn in range(20):
            client.sendall(b"GET /%d HTTP/1.1\r\nHost: shop\r\n\r\n" % turn)
            server.recv(4096)
            server.sendall(answer)
            left = len(answer)
            while left:
                left -= len(client.recv(left))
            if turn == 9:
                live.settled()
                assert live.mode(8080) == FIRST
                before = int(core.segments.heads[0])
        calls = live.settled()
    assert [(call["status"], call["response_bytes"]) for call in calls] == [("ok", len(answer))] * 20
    assert sum(records(live, before)) <= 10 * (TURN_BYTES + 100)


def test_what_is_no_protocol_is_given_up_and_looked_at_again(core: Capture, wire: Wire) -> None:
    wire.up()
    with observed(core, wire) as live, pair(wire, 9000) as (client, server):
        for _ in range(20):
            client.sendall(b"\xfe" + os.urandom(200))
            server.recv(4096)
            live.settled()
        assert live.mode(9000) == GIVEN_UP
        before = segments(live)
        for _ in range(20):
            client.sendall(b"\xfe" + os.urandom(200))
            server.recv(4096)
        assert segments(live) == before
        live.calls.look_again(time.monotonic_ns() + 120_000_000_000)
        assert live.mode(9000) == FRESH
        client.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
        server.recv(4096)
        server.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        client.recv(4096)
        assert [call["type"] for call in live.settled()] == ["GET"]


def test_an_endpoint_that_speaks_nothing_known_is_left_alone(core: Capture, wire: Wire) -> None:
    wire.up()
    with observed(core, wire) as live:
        for connection in range(MAX_FAILURES + 1):
            before = segments(live)
            with pair(wire, 9001) as (client, server):
                for _ in range(20):
                    client.sendall(b"\xfe" + os.urandom(200))
                    server.recv(4096)
                    live.settled()
            # SYN, SYN+ACK and the first data may pass before the reader has seen that there is a connection
            assert (segments(live) - before <= 3) == (connection == MAX_FAILURES), connection


@every_rung
def test_the_first_bytes_of_a_turn_may_come_last(capture: Capture, wire: Wire) -> None:
    """A segment that was lost before it came here, and is sent again."""
    head, rest = b"HTTP/1.1 200 OK\r\nContent-Length: 14000\r\n\r\n", [b"x" * 1400] * 10
    ask = C(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
    talk = opened() >> ask >> S(head)
    for piece in rest:
        talk >> S(piece)
    before = len(talk.frames)
    talk >> ask >> S(rest[0], shift=len(head))
    for piece in rest[1:]:
        talk >> S(piece)
    talk >> S(head, shift=-14000 - len(head)) >> ask >> S(head)
    wire.up()
    with observed(capture, wire) as live:
        wire.inject([frame.data for frame in talk.frames[:before]])
        live.settled()
        assert live.mode(80) == FIRST
        wire.inject([frame.data for frame in talk.frames[before:]])
        live.settled()
        calls = live.told
    assert [call["status"] for call in calls] == ["ok"] * 3
