"""Conversations: what two ends say to each other, written in the order of the wire, and what the engine makes of it.

talk = Conversation("10.0.0.1", 40000, "10.0.0.2", 80) >> C(SYN) >> S(SYN | ACK) >> C(ACK) >> C(b"GET /")
assert play(talk) == [...]
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from captures import pcap
from frames import ACK, ICMP, ICMPV6, PSH, SCTP, TCP, UDP, echo, ethernet, ip, sctp, tcp, udp
from weir_probe.replay import Flow, Summary, replay

SECOND = 1_000_000_000


@dataclass(frozen=True)
class Frame:
    """A frame as captured; `length` is what it had before the snap length cut it."""

    data: bytes
    ts_ns: int = 0
    length: int = -1

    @property
    def size(self) -> int:
        return len(self.data) if self.length < 0 else self.length


@dataclass(frozen=True)
class Step:
    """One packet of one end. `what`: TCP flags, or data (of TCP: with PSH and ACK)."""

    from_client: bool
    what: int | bytes


def C(what: int | bytes) -> Step:  # noqa: N802 -- the client, as in a play
    return Step(True, what)


def S(what: int | bytes) -> Step:  # noqa: N802 -- the server
    return Step(False, what)


@dataclass
class Conversation:
    """Between a client and a server; each step comes 1 ms after the one before it."""

    client: str
    client_port: int
    server: str
    server_port: int
    protocol: int = TCP
    start_ns: int = SECOND
    frames: list[Frame] = field(default_factory=list)

    def __rshift__(self, step: Step) -> Conversation:
        self.frames.append(Frame(ethernet(self.packet(step)), self.start_ns + len(self.frames) * 1_000_000))
        return self

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.frames)

    def packet(self, step: Step) -> bytes:
        """The step as an IP packet."""
        ends = (self.client, self.client_port), (self.server, self.server_port)
        (source, sport), (destination, dport) = ends if step.from_client else ends[::-1]
        data = step.what if isinstance(step.what, bytes) else b""
        if self.protocol == TCP:
            payload = tcp(sport, dport, step.what if isinstance(step.what, int) else PSH | ACK, data)
        elif self.protocol == UDP:
            payload = udp(sport, dport, data)
        elif self.protocol == SCTP:
            payload = sctp(sport, dport, data)
        elif self.protocol in (ICMP, ICMPV6):
            kinds = (8, 0) if self.protocol == ICMP else (128, 129)
            payload = echo(kinds[0] if step.from_client else kinds[1], data)
        else:
            payload = data
        return ip(source, destination, self.protocol, payload)


def play(*conversations: Iterable[Frame], max_flows: int = 1000) -> list[Flow]:
    """The flows that the engine sees in these frames, in the order given; everything is counted somewhere."""
    flows, _ = play_all([frame for conversation in conversations for frame in conversation], max_flows)
    return flows


def play_all(frames: list[Frame], max_flows: int = 1000, link: int = 1) -> tuple[list[Flow], Summary]:
    """The flows and the totals, which must add up."""
    result = replay(io.BytesIO(pcap(frames, link)), max_flows=max_flows)
    flows, summary = list(result.flows()), result.summary()
    assert summary.frames.packets == len(frames)
    assert summary.frames.bytes == sum(frame.size for frame in frames)
    for part in ("packets", "bytes"):
        counted = sum(getattr(flow, f"{part}_tx") + getattr(flow, f"{part}_rx") for flow in flows)
        assert counted == getattr(summary.counted, part)
        lost = sum(getattr(count, part) for count in summary.lost.values())
        assert getattr(summary.frames, part) == counted + getattr(summary.non_ip, part) + lost
    return flows, summary


def ends(flow: Flow) -> tuple[str, int, str, int, str | int]:
    """Who talks to whom."""
    return flow.src, flow.src_port, flow.dst, flow.dst_port, flow.protocol


def packets(flow: Flow) -> tuple[int, int]:
    """How many each way."""
    return flow.packets_tx, flow.packets_rx
