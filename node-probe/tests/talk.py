"""TCP conversations with sequence numbers: each end counts its own bytes, and a step may bend any field.

talk = Talk() >> C(SYN) >> S(SYN | ACK) >> C(ACK) >> C(b"GET /")
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace

from conversation import Frame, play
from frames import ACK, FIN, PSH, RST, SYN, TCP, ethernet, ip
from weir_probe.replay import Flow

MS = 1_000_000
CLIENT, SERVER = ("10.0.0.1", 40000), ("10.0.0.2", 80)


@dataclass(frozen=True)
class Step:
    """One segment of one end, `after_ms` the one before. `shift` moves its sequence number from the next one due."""

    from_client: bool
    flags: int = PSH | ACK
    data: bytes = b""
    after_ms: int = 1
    shift: int = 0
    acks: int = 0
    window: int = 65535
    options: bytes = b""


def C(what: int | bytes, flags: int = PSH | ACK, **bent: int | bytes) -> Step:  # noqa: N802 -- the client, as in a play
    """Flags alone, or data (with PSH and ACK, or other flags)."""
    step = Step(True, flags, what) if isinstance(what, bytes) else Step(True, what)
    return replace(step, **bent)  # type: ignore[arg-type]  # as the fields are


def S(what: int | bytes, flags: int = PSH | ACK, **bent: int | bytes) -> Step:  # noqa: N802 -- the server
    return replace(C(what, flags, **bent), from_client=False)


@dataclass
class Talk:
    """`starts`: the initial sequence numbers of client and server."""

    starts: tuple[int, int] = (1000, 5000)
    frames: list[Frame] = field(default_factory=list)
    now_ns: int = 1000 * MS
    due: list[int] = field(default_factory=list)

    def __rshift__(self, step: Step) -> Talk:
        due = self.due = self.due or list(self.starts)
        me = 0 if step.from_client else 1
        (source, sport), (destination, dport) = (CLIENT, SERVER) if step.from_client else (SERVER, CLIENT)
        seq = due[me] + step.shift
        ack = due[1 - me] + step.acks if step.flags & ACK else 0
        words = 5 + len(step.options) // 4 << 4
        header = struct.pack(">HHIIBBHHH", sport, dport, seq % 2**32, ack % 2**32, words, step.flags, step.window, 0, 0)
        self.now_ns += step.after_ms * MS
        packet = ip(source, destination, TCP, header + step.options + step.data)
        self.frames.append(Frame(ethernet(packet), self.now_ns))
        due[me] = max(due[me], seq + len(step.data) + (step.flags & (SYN | FIN) != 0))
        return self

    def flows(self) -> list[Flow]:
        return play(self.frames)

    def flow(self) -> Flow:
        [flow] = self.flows()
        return flow


def opened(starts: tuple[int, int] = (1000, 5000)) -> Talk:
    """After a handshake of 10 ms to the server and 3 ms to the client."""
    return Talk(starts) >> C(SYN) >> S(SYN | ACK, after_ms=10) >> C(ACK, after_ms=3)


def timed(flow: Flow, name: str) -> tuple[int, float, float]:
    """Count, sum and maximum, in milliseconds."""
    return (
        getattr(flow, f"{name}_count"),
        getattr(flow, f"{name}_sum_us") / 1000,
        getattr(flow, f"{name}_max_us") / 1000,
    )


__all__ = ["ACK", "FIN", "MS", "PSH", "RST", "SYN", "C", "S", "Step", "Talk", "opened", "timed"]
