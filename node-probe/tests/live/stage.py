"""Live calls as a test sees them: a wire, a capture on it, its calls; and the same packets on tape, to be replayed."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, Self, TypeVar

import numpy as np

from capture.wires import Wire, settle, take_all
from recording import Recording
from weir_probe.capture.model import HOST, Capture
from weir_probe.export.calls.lines import Addresses, LineWriter
from weir_probe.protocols.parser import Spec
from weir_probe.protocols.registry import PROTOCOLS
from weir_probe.streams.call_engine import done
from weir_probe.streams.endpoints import Sought
from weir_probe.streams.layout import SEGMENT_HEAD
from weir_probe.streams.live import LiveCalls
from weir_probe.streams.segments import DISCARDED, RECORD_HEAD

#: What a clock says, and so differs between two captures of one conversation.
CLOCKS = ("start", "latency_us")

Result = TypeVar("Result")


class OnWire(Recording):
    """Servers in the pod, clients beside it, and what passes between them on tape."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self.wire = wire
        self.name, self.netns, self.address = wire.name, wire.netns, wire.pod4
        self.clients = HOST

    def __enter__(self) -> Self:
        self.wire.up()
        self.listen(self.wire.name, socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


def apart(work: Callable[[], Result]) -> Result:
    """Clients in a process of their own: in the test's they would take the readers' time."""
    with ProcessPoolExecutor(1, get_context("spawn")) as elsewhere:
        return elsewhere.submit(work).result()


class Live:
    """A capture's calls, without an agent. `told` are all so far."""

    def __init__(self, capture: Capture, protocols: Iterable[Spec] = PROTOCOLS) -> None:
        self.capture = capture
        self.calls = LiveCalls(capture.slots, capture.segments, protocols, on_crowded=self.read)
        self.lines = LineWriter(self.calls.engine.protocols, Addresses())
        self.told: list[dict[str, Any]] = []

    def observe(self, *bits: int) -> None:
        self.capture.set_payload(sum(1 << bit for bit in bits))
        self.calls.observe({bit: Sought() for bit in bits})

    def read(self, ended: Any = None) -> None:
        with self.calls.taken(ended) as book:
            text = self.lines.write(book.calls, book.conversations, done(book))
            self.told += map(json.loads, text.splitlines())

    def settled(self) -> list[dict[str, Any]]:
        """All calls of what has passed by now."""
        heard = -1
        settle(self.capture)
        while heard != self.calls.heard or self.capture.segments.waiting:
            heard = self.calls.heard
            time.sleep(0.1)
        self.read()
        return self.told

    def mode(self, port: int) -> int:
        """Of the one flow with this server port that is in the table."""
        (slot,) = np.flatnonzero((self.capture.slots["port"] == port).any(axis=1) & (self.capture.slots["state"] == 2))
        return int(self.capture.segments.intakes["mode"][slot])


@contextmanager
def observed(capture: Capture, wire: Wire, protocols: Iterable[Spec] = PROTOCOLS) -> Iterator[Live]:
    """Observation 0 takes every flow of the wire, with its calls."""
    capture.attach(wire.host)
    take_all(capture, wire.host)
    live = Live(capture, protocols)
    live.observe(0)
    try:
        yield live
    finally:
        live.calls.close()


@contextmanager
def redis(wire: Wire, port: int = 6379) -> Iterator[int]:
    """A real server in the pod."""
    command = ["ip", "netns", "exec", wire.name, "redis-server", "--port", str(port), "--bind", wire.pod4]
    command += ["--protected-mode", "no", "--save", "", "--appendonly", "no"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                socket.create_connection((wire.pod4, port), timeout=5).close()
                break
            except OSError:
                time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.wait(30)


def records(live: Live, since: int) -> list[int]:
    """How many bytes were taken with each record that was put into the ring when `since` had been written; the ring is
    at rest, and has them all."""
    ring = live.capture.segments
    assert SEGMENT_HEAD.fields is not None
    captured_at = RECORD_HEAD + SEGMENT_HEAD.fields["captured"][1]
    assert int(ring.heads[0]) - since <= ring.size
    taken = []
    while since < int(ring.heads[0]):
        place = since & (ring.size - 1)
        ring.cursor.limit(place + RECORD_HEAD + SEGMENT_HEAD.itemsize)
        word = ring.cursor.u32le(place)
        if not word & DISCARDED:
            taken.append(ring.cursor.u32le(place + captured_at))
        since += (word & DISCARDED - 1) + RECORD_HEAD + 7 & ~7
    return taken


def same_as_on_tape(live: Live, tape: Recording) -> list[dict[str, Any]]:
    """The live calls, of which none is lost, and which are those of a replay."""
    told = live.settled()
    assert not any(live.capture.losses().values()), live.capture.losses()
    assert not any(live.calls.lost().values()), live.calls.lost()
    assert without_clocks(told) == without_clocks(tape.calls())
    return told


def without_clocks(calls: list[dict[str, Any]]) -> list[str]:
    """Calls to be compared, of each connection in their order, or in that of their ids."""

    def place(call: dict[str, Any]) -> tuple[Any, ...]:
        return call["src"], call["src_port"], call["dst"], str(call["request_id"])

    kept = [{name: value for name, value in call.items() if name not in CLOCKS} for call in calls]
    return [json.dumps(call) for call in sorted(kept, key=place)]


def resp(*words: bytes) -> bytes:
    """A command as clients send it."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
