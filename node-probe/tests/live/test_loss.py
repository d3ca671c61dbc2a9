"""Payload that finds no room is counted, by reason, and no call is paired with another's response because of it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import Any, cast

import pytest

from capture.wires import Wire
from live.stage import Live, observed, records, redis, resp
from weir_probe.capture import ladder
from weir_probe.capture.model import Capture, CaptureError, Rung, Settings

pytestmark = pytest.mark.root
SIZES = 97  # answers have as many lengths, so that a shift of fewer shows


@pytest.fixture(params=["core", "afpacket"])
def rung(request: pytest.FixtureRequest) -> Rung:
    return cast("Rung", request.param)


def opened(rung: Rung, **settings: Any) -> Capture:
    try:
        return ladder.open_capture(Settings(rung=rung, slots=1024, **settings))
    except CaptureError as error:
        pytest.skip(f"this machine refuses the rung {rung}: {error}")


def echo(host: str, port: int, rounds: int, pipelined: int, between: Callable[[int], None] = lambda _: None) -> None:
    """ECHO of a word of a length that goes with the number in it."""
    with socket.create_connection((host, port), timeout=30) as connection:
        replies = connection.makefile("rb")
        number = 0
        for turn in range(rounds):
            between(turn)
            words = [b"%06d" % (number + place) + b"x" * ((number + place) % SIZES) for place in range(pipelined)]
            number += pipelined
            connection.sendall(b"".join(resp(b"ECHO", word) for word in words))
            for word in words:
                replies.readline()
                assert replies.readline() == word + b"\r\n"


def paired_rightly(calls: list[dict[str, Any]]) -> int:
    """How many have a response, which is theirs."""
    answered = [call for call in calls if call["status"] == "ok"]
    for call in answered:
        word = call["resource"].split(" ")[1]
        length = len(b"$%d\r\n%s\r\n" % (len(word), word.encode()))
        assert call["response_bytes"] == length, call
    return len(answered)


@pytest.mark.parametrize(("pipelined", "ring"), [(1, 8192), (50, 65_536)])
def test_a_ring_that_is_full(rung: Rung, wire: Wire, pipelined: int, ring: int) -> None:
    wire.up()
    capture = opened(rung, payload_bytes=ring)
    try:
        with redis(wire) as port, observed(capture, wire) as live:

            def stall(turn: int) -> None:
                if turn % 60 == 5:
                    live.calls.lock.acquire()
                elif turn % 60 == 55:
                    live.calls.lock.release()
                    time.sleep(0.05)

            echo(wire.pod4, port, 180, pipelined, stall)
            calls = live.settled()
            lost = live.calls.lost()
            assert lost["ring_full"] > 0
            assert 0 < paired_rightly(calls) < 180 * pipelined
    finally:
        capture.close()


@pytest.mark.parametrize(("limit", "reason"), [("payload_flow_rate", "flow_rate"), ("payload_node_rate", "node_rate")])
def test_bounds_of_rate(rung: Rung, wire: Wire, limit: str, reason: str) -> None:
    wire.up()
    capture = opened(rung, **{limit: 20_000})
    try:
        with redis(wire) as port, observed(capture, wire) as live:
            echo(wire.pod4, port, 300, 5)
            calls = live.settled()
            assert live.calls.lost()[reason] > 0
            assert paired_rightly(calls) < 1500
            assert len(records(live, 0)) == live.calls.heard
    finally:
        capture.close()


def test_a_successor_goes_on_where_the_reader_stopped(wire: Wire) -> None:
    wire.up()
    first = opened("core")
    with redis(wire) as port, socket.create_connection((wire.pod4, port), timeout=30) as connection:
        with observed(first, wire) as live:
            connection.sendall(resp(b"ECHO", b"before"))
            connection.recv(100)
            assert [call["resource"] for call in live.settled()] == ["ECHO before"]
            fds = {name: os.dup(fd) for name, fd in first.fds().items()}
            state = first.metadata()
        first.leave()
        connection.sendall(resp(b"ECHO", b"while nobody reads"))
        connection.recv(100)
        second = ladder.adopt(fds, state, Settings(rung="core", slots=1024))
        try:
            live = Live(second)
            live.observe(0)
            connection.sendall(resp(b"ECHO", b"after"))
            connection.recv(100)
            assert [call["resource"] for call in live.settled()] == ["ECHO while nobody reads", "ECHO after"]
            assert not any(live.calls.lost().values())
            live.calls.close()
        finally:
            second.close()
