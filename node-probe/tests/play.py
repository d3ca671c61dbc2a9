"""A play: what client and server say, and the calls that the engine makes of it, in one line.

play(redis) >> C(b"PING\\r\\n") >> S(b"+PONG\\r\\n") << Call("PING", ok)

Every step is a segment (or a datagram) 1 ms after the one before. `<<` takes the next call that is done; what is not
done when asked for is done by the end of the connection. `<< end` says that there are no further calls.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import pytest

from frames import ethernet, ip, udp
from weir_probe.export.calls.lines import Addresses, LineWriter
from weir_probe.protocols.parser import Spec
from weir_probe.streams.call_engine import CallEngine, done
from weir_probe.streams.calls import LOSSES
from weir_probe.streams.engine import FlowEngine
from weir_probe.streams.table import FlowTable

ok, client_error, server_error, timeout, unknown = "ok", "client_error", "server_error", "timeout", "unknown"
MS = 1_000_000
_CLIENT, _SERVER = ("10.0.0.1", 40_000), ("10.0.0.2", 0)
_FIN, _SYN, _RST, _PSH, _ACK = 0x01, 0x02, 0x04, 0x08, 0x10


@dataclass(frozen=True)
class Step:
    """What one side sends. `lost`: it is sent, and not captured; `early`: it overtakes the step before."""

    side: int
    data: bytes
    flags: int = _PSH | _ACK
    lost: bool = False
    early: bool = False
    again: bool = False
    captured: int = -1


def C(data: bytes) -> Step:  # noqa: N802 -- the client, as in a play
    return Step(0, data)


def S(data: bytes) -> Step:  # noqa: N802 -- the server
    return Step(1, data)


def lost(step: Step) -> Step:
    """Sent, and not captured."""
    return replace(step, lost=True)


def early(step: Step) -> Step:
    """It arrives before the step that was sent before it."""
    return replace(step, early=True)


def again(step: Step) -> Step:
    """The last segment of that side once more: a retransmission (with more data, or less)."""
    return replace(step, again=True)


def cut(step: Step, captured: int) -> Step:
    """Only the first bytes of the segment were captured."""
    return replace(step, captured=captured)


@dataclass(frozen=True)
class Wait:
    """Time passes."""

    seconds: float


SYN, CLIENT_FIN, SERVER_FIN = Step(0, b"", _SYN), Step(0, b"", _FIN | _ACK), Step(1, b"", _FIN | _ACK)
RESET = Step(0, b"", _RST)
end = object()


class Call:
    """What a call must have: its type, its status, any other field of the record by name; `ms` its latency in ms."""

    def __init__(self, type: str, status: str = unknown, *, ms: float | None = None, **fields: Any) -> None:
        self.fields = {"type": type, "status": status, **fields}
        if ms is not None:
            self.fields["latency_us"] = ms * 1000

    def __repr__(self) -> str:
        return f"Call({self.fields})"


class play:  # noqa: N801 -- reads as a verb
    """One connection between one client and one server, through the real engines."""

    def __init__(self, *protocols: Spec, port: int = 0, redacts: bool = True) -> None:
        self.engine = FlowEngine(FlowTable(capacity=64, max_flows=100))
        self.calls = CallEngine(protocols, redacts=redacts)
        self.lines = LineWriter(protocols, Addresses())
        udp_only = protocols[0].on_udp and not protocols[0].on_tcp
        self.transport = 17 if udp_only else 6
        ports = protocols[0].udp_ports if udp_only else protocols[0].tcp_ports
        self.ends = _CLIENT, (_SERVER[0], port or (ports[0] if ports else 9000))
        self.sequence = [1000, 5000]
        self.last = [1000, 5000]  # where the last segment of each side began
        self.now_ns = 1_000_000_000
        self.held: list[tuple[bytes, int]] = []
        self.times: list[int] = []
        self.found: Iterator[dict[str, Any]] = iter(())
        self.ended = False

    def over_udp(self) -> Self:
        """Datagrams instead of segments."""
        self.transport = 17
        return self

    def __rshift__(self, step: Step | Wait) -> Self:
        if isinstance(step, Wait):
            self._deliver()
            self.now_ns += int(step.seconds * 1e9)
            return self
        self.now_ns += MS
        frame = self._frame(step)
        if step.lost:
            return self
        if not step.early:
            self._deliver()
        self.held.insert(0, (frame, step.captured))
        self.times.append(self.now_ns)
        return self

    def __lshift__(self, expected: object) -> Self:
        self._deliver()
        call = self.next()
        if expected is end:
            assert call is None, f"a further call: {call}"
            return self
        assert isinstance(expected, Call)
        assert call is not None, f"no further call, where there should be {expected}"
        told = {name: call[name] for name in expected.fields}
        wanted = {
            name: pytest.approx(value) if isinstance(value, float) else value for name, value in expected.fields.items()
        }
        assert told == wanted, f"{told} is not {wanted}"
        return self

    def next(self) -> dict[str, Any] | None:
        """The next call that is done, as a record; at last those that the end of the connection brings."""
        call = next(self.found, None)
        if call is None:
            self._drain()
            call = next(self.found, None)
        if call is None and not self.ended:
            self.ended = True
            self.calls.finish()
            self._drain()
            call = next(self.found, None)
        return call

    def played(self) -> dict[str, Any]:
        """The one call that there is."""
        [call] = self.all()
        return call

    def all(self) -> list[dict[str, Any]]:
        """The calls that are left, up to the end of the connection."""
        self._deliver()
        return list(iter(self.next, None))

    def lost(self, reason: str) -> int:
        """How many were counted as lost for a reason of streams.calls.LOSSES."""
        return int(self.calls.book.losses[LOSSES.index(reason)])

    def _drain(self) -> None:
        book = self.calls.book
        text = self.lines.write(book.calls, book.conversations, done(book))
        records = [json.loads(line) for line in text.splitlines()]
        book.release()
        self.found = iter(records)

    def _deliver(self) -> None:
        for (frame, captured), ts_ns in zip(self.held, self.times, strict=True):
            self.engine.observe(frame if captured < 0 else frame[:captured], len(frame), ts_ns)
            self.calls.take(self.engine, ts_ns)
        self.held.clear()
        self.times.clear()

    def _frame(self, step: Step) -> bytes:
        side, data = step.side, step.data
        (source, sport), (destination, dport) = self.ends[side], self.ends[1 - side]
        if self.transport == 17:
            return ethernet(ip(source, destination, 17, udp(sport, dport, data)))
        seq = self.last[side] if step.again else self.sequence[side]
        self.last[side] = seq
        ahead = seq + len(data) + (1 if step.flags & (_SYN | _FIN) else 0)
        self.sequence[side] = max(self.sequence[side], ahead)
        ack = self.sequence[1 - side] if step.flags & _ACK else 0
        head = struct.pack(
            ">HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, step.flags, 65535, 0, 0
        )
        return ethernet(ip(source, destination, 6, head + data))
