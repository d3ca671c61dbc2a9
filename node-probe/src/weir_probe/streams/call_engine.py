# cython: annotation_typing=False
"""From the packets that a flow engine has counted to calls: a Conversation per connection, all into one call book."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np

from weir_probe.protocols.message import Message
from weir_probe.protocols.parser import Spec
from weir_probe.streams.calls import CALLS, CONVERSATIONS, CallBook
from weir_probe.streams.conversation import Conversation
from weir_probe.streams.engine import FlowEngine
from weir_probe.streams.table import FlowTable
from weir_probe.wire import protocols as ip

#: A request without a response for so long has timed out.
CALL_TIMEOUT_NS: Final = 30_000_000_000
#: A connection that says nothing for so long is forgotten; if it goes on, it is one that is met in the middle.
IDLE_TIMEOUT_NS: Final = 300_000_000_000
#: Endpoints whose protocol is remembered.
MAX_ENDPOINTS: Final = 65_536
_SWEEP_NS = 1_000_000_000
_CALL_TIMEOUT_NS, _IDLE_TIMEOUT_NS = CALL_TIMEOUT_NS, IDLE_TIMEOUT_NS
_TCP, _UDP = ip.TCP, ip.UDP
_FIN, _SYN, _RST, _ACK = 0x01, 0x02, 0x04, 0x10

Endpoint = tuple[int, int, int]


class CallEngine:
    """`book` has what it found. Of a connection that finds no room, the payload is not read; it is counted."""

    def __init__(
        self,
        protocols: Iterable[Spec],
        *,
        calls: int = CALLS,
        conversations: int = CONVERSATIONS,
        redacts: bool = True,
        on_done: Callable[[], None] | None = None,
    ) -> None:
        """`on_done` is called when many calls are done, to read and release them; else the owner does, in time."""
        self.protocols = tuple(protocols)
        self.book = CallBook(calls, conversations)
        self.message = Message()
        self.redacts = redacts
        #: By their number, which the flow's `reader` holds; number 0 is nobody.
        self.readers: list[Conversation | None] = [None]
        self.free: list[int] = []
        self.room = conversations
        self.unread = 0  # connections that found no room
        self.known: dict[Endpoint, int] = {}  # the protocol that an endpoint spoke last
        self.orders: dict[tuple[int, int], tuple[int, ...]] = {}
        self.on_done = on_done
        self.most_done = calls // 2
        self.swept_ns = 0
        self.now_ns = 0

    def take(self, engine: FlowEngine, ts_ns: int) -> None:
        """The frame that the flow engine has just accounted."""
        if engine.carried < 0:
            return
        table = engine.table
        p = engine.packet
        self.now_ns = max(self.now_ns, ts_ns)
        if self.now_ns - self.swept_ns > _SWEEP_NS:
            self.sweep()
        if self.book.count >= self.most_done and self.on_done is not None:
            self.on_done()
        number = table.reader[engine.carried]
        if number == 0:
            if p.payload == 0 and not p.tcp_flags & _SYN:
                return
            number = self._begin(table, engine.carried)
            if number == 0:
                return
            table.reader[engine.carried] = number
        reader = self.readers[number]
        if reader is None or reader.mute:
            return
        captured = min(p.payload, max(0, engine.cursor.end - p.payload_at))
        way = engine.way
        if p.protocol == _UDP:
            reader.datagram(way, engine.cursor, p.payload_at, captured, p.payload, ts_ns)
            return
        if not p.complete:
            return
        if p.tcp_flags & _ACK:
            reader.acknowledged(1 - way, p.ack)
        if p.tcp_flags & _SYN:
            reader.opens(way, p.seq)
        if p.payload:
            seq = p.seq + 1 if p.tcp_flags & _SYN else p.seq
            reader.segment(way, engine.cursor, p.payload_at, captured, p.payload, seq, ts_ns)
        if p.tcp_flags & (_FIN | _RST):
            reader.fins |= 3 if p.tcp_flags & _RST else 1 << way
            if reader.fins == 3:
                reader.finish()

    def sweep(self) -> None:
        """Time out what has waited too long, and forget connections that are over; `take` does it once a second."""
        self.swept_ns = self.now_ns
        if self.now_ns > _CALL_TIMEOUT_NS:
            self.book.expire(self.now_ns - _CALL_TIMEOUT_NS)
        for number, reader in enumerate(self.readers):
            if reader is not None and self.now_ns - min(reader.last_ns, self.now_ns) > _IDLE_TIMEOUT_NS:
                self._end(number, reader)

    def finish(self) -> None:
        """No more packets come."""
        for number, reader in enumerate(self.readers):
            if reader is not None:
                self._end(number, reader)

    def enrol(self, reader: Conversation, spec: Spec) -> int:
        """A row in the book for a connection whose protocol is known; -1: there is no room."""
        client = reader.opener ^ reader.turned
        sides = [client, 1 - client]
        row = self.book.begin(reader.addr[sides], reader.port[sides], reader.proto, spec.pairs_by_id)
        if row < 0:
            self.unread += 1
            return row
        if len(self.known) >= MAX_ENDPOINTS:
            self.known.clear()
        self.known[reader.endpoint(1 - client)] = self.protocols.index(spec)
        return row

    def _begin(self, table: FlowTable, index: int) -> int:
        """A reader for a flow; 0: there is no room, now."""
        if len(self.readers) - len(self.free) > self.room:
            self.sweep()
        if self.free:
            number = self.free.pop()
        elif len(self.readers) <= self.room:
            number = len(self.readers)
            self.readers.append(None)
        else:
            self.unread += 1
            return 0
        slot = table.slots[index]
        reader = Conversation(self, slot, int(table.opener[index]))
        reader.last_ns = self.now_ns
        reader.order = self._order(reader)
        self.readers[number] = reader
        return number

    def _end(self, number: int, reader: Conversation) -> None:
        reader.finish()
        self.readers[number] = None
        self.free.append(number)

    def _order(self, reader: Conversation) -> tuple[int, ...]:
        """The protocols in the order in which they are asked: what the endpoint spoke last, what its port hints at."""
        server = 1 - reader.opener
        spoken = self.known.get(reader.endpoint(server), -1)
        ports = {int(port) for port in reader.port}
        hinted = -1
        for index, spec in enumerate(self.protocols):
            if ports & set(spec.tcp_ports if reader.proto == _TCP else spec.udp_ports):
                hinted = index
                break
        key = (spoken, hinted if reader.proto == _TCP else -2 - hinted)
        if key not in self.orders:
            able = [
                index
                for index, spec in enumerate(self.protocols)
                if (spec.on_tcp if reader.proto == _TCP else spec.on_udp)
            ]
            first = [index for index in (spoken, hinted) if index in able]
            self.orders[key] = tuple(dict.fromkeys(first + able))
        return self.orders[key]


def done(book: CallBook) -> Any:
    """The rows of all calls that are done, oldest request first; released by `book.release()`."""
    rows = book.calls[book.done[: book.count]]
    return rows[np.argsort(rows["request_ns"], kind="stable")]
