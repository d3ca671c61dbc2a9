"""What live capture tells of calls equals what a replay of the same packets tells, on every rung."""

from __future__ import annotations

import random
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from capture.wires import every_rung
from live.stage import OnWire, apart, observed, redis, resp, same_as_on_tape
from weir_probe.capture.model import Capture

pytestmark = pytest.mark.root
CONNECTIONS, ROUNDS = 8, 60


def talk(host: str, port: int, seed: int) -> int:
    """Pipelines of many lengths with keys of this connection; returns how many calls were answered."""
    chosen = random.Random(seed)
    answered = 0
    with socket.create_connection((host, port), timeout=60) as connection:
        replies = connection.makefile("rb")
        for turn in range(ROUNDS):
            count = chosen.choice([1, 1, 2, 5, 40, 200])
            words = []
            for place in range(count):
                key = b"k%d:%d:%d" % (seed, turn, place)
                words.append(
                    chosen.choice(
                        [(b"SET", key, b"v" * chosen.randrange(80)), (b"GET", key), (b"LPUSH", b"l", key), (b"NO", key)]
                    )
                )
            connection.sendall(b"".join(resp(*word) for word in words))
            for _ in range(count):
                line = replies.readline()
                if line.startswith(b"$") and line != b"$-1\r\n":
                    replies.readline()
                answered += 1
    return answered


def talk_all(host: str, port: int) -> int:
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return sum(pool.map(lambda seed: talk(host, port, seed), range(CONNECTIONS)))


@every_rung
def test_pipelined_and_concurrent(capture: Capture, tape: OnWire) -> None:
    with redis(tape.wire) as port, observed(capture, tape.wire) as live:
        answered = apart(partial(talk_all, tape.address, port))
        told = same_as_on_tape(live, tape)
        assert len(told) == answered >= 10_000
        assert {call["status"] for call in told} == {"ok", "client_error"}
