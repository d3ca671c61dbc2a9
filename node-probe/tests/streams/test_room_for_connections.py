"""Connections that are over, and sockets that ask once, make room for others."""

from __future__ import annotations

from frames import ACK, RST, ethernet, ip, tcp, udp
from protocols.test_dns import answer, framed, query
from weir_probe.protocols.registry import BY_NAME, PROTOCOLS
from weir_probe.streams.call_engine import CALL_TIMEOUT_NS, IDLE_TIMEOUT_NS, CallEngine, done
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
    read = 0
    for number in range(100):
        now_ns = number * CALL_TIMEOUT_NS // (ROOM - 2)
        wire.sees(ip(CLIENT, SERVER, 17, udp(10_000 + number, 53, query())), now_ns)
        wire.sees(ip(SERVER, CLIENT, 17, udp(53, 10_000 + number, answer())), now_ns + 1)
        read += wire.read()
    assert (read, wire.calls.unread) == (100, 0)


def test_connections_that_are_closed() -> None:
    wire = Wire()
    read = 0
    for number in range(100):
        now_ns = number * CALL_TIMEOUT_NS // (ROOM - 2)
        wire.sees(ip(CLIENT, SERVER, 6, tcp(10_000 + number, 53, RST, framed(query()))), now_ns)
        read += wire.read()
    assert (read, wire.calls.unread) == (100, 0)


def test_what_a_connection_left_behind_is_not_the_next_ones() -> None:
    """The reader that waited for the rest of a message is given to another connection."""
    wire = Wire()
    asked = framed(query())
    wire.sees(ip(CLIENT, SERVER, 6, tcp(10_000, 53, ACK, asked)), 0)
    wire.sees(ip(SERVER, CLIENT, 6, tcp(53, 10_000, ACK, framed(answer())[:20])), 1)
    wire.sees(ip(CLIENT, SERVER, 6, tcp(10_000, 53, RST)), 2)
    assert wire.read() == 1
    later_ns = 2 * CALL_TIMEOUT_NS
    wire.sees(ip(CLIENT, SERVER, 6, tcp(10_001, 53, ACK, asked[:20])), later_ns)
    wire.sees(ip(SERVER, CLIENT, 6, tcp(53, 10_001, ACK, framed(answer()))), later_ns + 1)
    assert len(wire.calls.readers) == 2  # nobody, and the one
    assert (wire.read(), wire.calls.book.losses.sum()) == (0, 1)  # half a question, and an answer to nobody
    last_ns = 2 * later_ns + IDLE_TIMEOUT_NS
    wire.sees(ip(CLIENT, SERVER, 6, tcp(10_002, 53, ACK, asked)), last_ns)
    wire.sees(ip(SERVER, CLIENT, 6, tcp(53, 10_002, ACK, framed(answer()))), last_ns + 1)
    assert len(wire.calls.readers) == 2
    told = wire.calls.book.calls[done(wire.calls.book)[-1]]  # behind the half question, whose connection is over
    assert (told["request_ns"], told["response_ns"]) == (last_ns, last_ns + 1)
