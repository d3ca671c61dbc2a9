"""Live calls as a test sees them: a wire, a capture on it, its calls; and the same packets on tape, to be replayed."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np

from capture.wires import Wire, settle, take_all
from captures import pcap
from conversation import Frame
from recording import calls_of
from weir_probe.capture.model import Capture
from weir_probe.export.calls.lines import Addresses, LineWriter
from weir_probe.protocols.parser import Spec
from weir_probe.protocols.registry import PROTOCOLS
from weir_probe.streams.call_engine import done
from weir_probe.streams.endpoints import Sought
from weir_probe.streams.live import LiveCalls

_SO_RCVBUFFORCE, _SO_TIMESTAMPNS = 33, 35
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
#: What a clock says, and so differs between two captures of one conversation.
CLOCKS = ("start", "latency_us")


class Tape:
    """All that passes an interface, both ways, whole."""

    def __init__(self, wire: Wire) -> None:
        self.frames: list[Frame] = []
        self.ended = threading.Event()
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 1 << 29)
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.socket.bind((wire.name, 0))
        self.socket.settimeout(0.05)
        self.thread = threading.Thread(target=self._read)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()
        self.socket.close()

    def _read(self) -> None:
        while True:
            try:
                data, ancillary, _, _ = self.socket.recvmsg(262_144, 64)
            except TimeoutError:
                if self.ended.is_set():
                    return
                continue
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
            self.frames.append(Frame(data, seconds * 1_000_000_000 + nanoseconds))

    def calls(self, protocols: Iterable[Spec] = PROTOCOLS) -> list[dict[str, Any]]:
        _, dropped = struct.unpack("II", self.socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        assert dropped == 0, f"{dropped} packets are not on tape"
        return calls_of(pcap(self.frames), protocols)


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


def without_clocks(calls: list[dict[str, Any]]) -> list[str]:
    """Calls to be compared, of each connection in their order."""
    kept = [{name: value for name, value in call.items() if name not in CLOCKS} for call in calls]
    by_connection: dict[tuple[Any, ...], list[str]] = {}
    for call in kept:
        by_connection.setdefault((call["src"], call["src_port"], call["dst"]), []).append(json.dumps(call))
    return [call for connection in sorted(by_connection) for call in by_connection[connection]]


def resp(*words: bytes) -> bytes:
    """A command as clients send it."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
