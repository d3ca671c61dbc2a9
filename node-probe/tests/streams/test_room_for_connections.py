"""Connections that are over, and sockets that ask once, make room for others."""

from __future__ import annotations

from frames import RST, ethernet, ip, tcp, udp
from protocols.test_dns import answer, framed, query
from weir_probe.protocols.registry import BY_NAME, PROTOCOLS
from weir_probe.streams.call_engine import CALL_TIMEOUT_NS, CallEngine
from weir_probe.streams.engine import FlowEngine
from weir_probe.streams.table import FlowTable

ROOM = 8
CLIENT, SERVER = "10.0.0.1", "10.0.0.2"


class Wire:
    """The engines, with room for few connections."""

    def __init__(self) -> None:
        self.engine = FlowEngine(FlowTable(capacity=64, max_flows=1000))
        self.calls = CallEngine([PROTOCOLS[BY_NAME["dns"]]], conversations=ROOM)

    def sees(self, packet: bytes, ts_ns: int) -> None:
        frame = ethernet(packet)
        self.engine.observe(frame, len(frame), ts_ns)
        self.calls.take(self.engine, ts_ns)

    def read(self) -> int:
        """How many calls were done since it was asked last."""
        count = self.calls.book.count
        self.calls.book.release()
        return count


def test_sockets_that_ask_once() -> None:
    wire = Wire()
    done = 0
    for number in range(100):
        now_ns = number * CALL_TIMEOUT_NS // (ROOM - 2)
        wire.sees(ip(CLIENT, SERVER, 17, udp(10_000 + number, 53, query())), now_ns)
        wire.sees(ip(SERVER, CLIENT, 17, udp(53, 10_000 + number, answer())), now_ns + 1)
        done += wire.read()
    assert (done, wire.calls.unread) == (100, 0)


def test_connections_that_are_closed() -> None:
    wire = Wire()
    done = 0
    for number in range(100):
        now_ns = number * CALL_TIMEOUT_NS // (ROOM - 2)
        wire.sees(ip(CLIENT, SERVER, 6, tcp(10_000 + number, 53, RST, framed(query()))), now_ns)
        done += wire.read()
    assert (done, wire.calls.unread) == (100, 0)
