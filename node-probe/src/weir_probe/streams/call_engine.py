# cython: annotation_typing=False
# ruff: noqa: PLR0917 -- C calls are positional
"""From the packets that a flow engine has counted to calls: a Conversation per connection, all into one call book."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from weir_probe.protocols.message import Message
from weir_probe.protocols.parser import Spec
from weir_probe.streams.calls import CALLS, CONVERSATIONS, CallBook
from weir_probe.streams.conversation import Conversation
from weir_probe.streams.endpoints import Endpoints
from weir_probe.streams.engine import FlowEngine
from weir_probe.wire import protocols as ip
from weir_probe.wire.cursor import Cursor

#: A request without a response for so long has timed out.
CALL_TIMEOUT_NS: Final = 30_000_000_000
#: A connection that says nothing for so long is forgotten; if it goes on, it is one that is met in the middle. One that
#: is closed, or an exchange of datagrams, has until no response is waited for any more.
IDLE_TIMEOUT_NS: Final = 300_000_000_000
#: A connection in which no protocol was found is looked at again after so long.
RETRY_NS: Final = 60_000_000_000
#: Done calls are to be read when they take this part of the room: their rows are in the processor's cache then.
DONE_SHARE: Final = 16
_SWEEP_NS = 1_000_000_000
_RETRY_NS = RETRY_NS
_CALL_TIMEOUT_NS, _IDLE_TIMEOUT_NS = CALL_TIMEOUT_NS, IDLE_TIMEOUT_NS
_TCP, _UDP = ip.TCP, ip.UDP
_PLACE_BITS = 20
_PLACE = (1 << _PLACE_BITS) - 1
_FIN, _SYN, _RST, _ACK = 0x01, 0x02, 0x04, 0x10


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
        #: By the low bits of their number, which the flow's `reader` holds; number 0 is nobody. Those that are no
        #: connection's at present are used again: making one takes as long as some calls.
        self.readers: list[Conversation | None] = [None]
        self.free: list[int] = []
        self.begun = 0
        self.room = min(conversations, _PLACE)
        self.unread = 0  # connections that found no room
        self.endpoints = Endpoints(self.protocols)
        self.on_done = on_done
        self.most_done = calls // DONE_SHARE
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
        reader = self.reader(table.reader[engine.carried])
        if reader is not None and reader.mute and not reader.over and ts_ns - min(reader.last_ns, ts_ns) > _RETRY_NS:
            self.end(reader)
            reader = None
        if reader is None:
            if p.payload == 0 and not p.tcp_flags & _SYN:
                return
            at = engine.carried
            reader = self.begin(table.words, at, table.opener[at], table.workload_side[at])
            if reader is None:
                return
            table.reader[engine.carried] = reader.number
        if reader.mute or (p.protocol == _TCP and not p.complete):
            return
        captured = min(p.payload, max(0, engine.cursor.end - p.payload_at))
        seq = p.seq + 1 if p.tcp_flags & _SYN else p.seq
        self.hear(reader, engine.way, p.tcp_flags, seq, p.ack, engine.cursor, p.payload_at, captured, p.payload, ts_ns)

    def hear(
        self,
        reader: Conversation,
        way: int,
        tcp_flags: int,
        seq: int,
        ack: int,
        cursor: Cursor,
        at: int,
        captured: int,
        length: int,
        ts_ns: int,
    ) -> None:
        """A segment or datagram: `captured` of its `length` bytes are at `at`, and `seq` is the number of the first."""
        if reader.proto == _UDP:
            reader.datagram(way, cursor, at, captured, length, ts_ns)
            return
        if tcp_flags & _ACK:
            reader.acknowledged(1 - way, ack)
        if tcp_flags & _SYN:
            reader.opens(way, seq)
        if length:
            reader.segment(way, cursor, at, captured, length, seq, ts_ns)
        if tcp_flags & (_FIN | _RST):
            reader.fins |= 3 if tcp_flags & _RST else 1 << way
            if reader.fins == 3:
                reader.finish()

    def sweep(self) -> None:
        """Time out what has waited too long, and forget connections that are over; `take` does it once a second."""
        self.swept_ns = self.now_ns
        if self.now_ns > _CALL_TIMEOUT_NS:
            self.book.expire(self.now_ns - _CALL_TIMEOUT_NS)
        for reader in self.readers:
            if reader is None or reader.number == 0:
                continue
            lasts = reader.proto == _TCP and reader.fins != 3
            silent_ns = self.now_ns - min(reader.last_ns, self.now_ns)
            if silent_ns > (_IDLE_TIMEOUT_NS if lasts else _CALL_TIMEOUT_NS):
                self.end(reader)

    def finish(self) -> None:
        """No more packets come."""
        for reader in self.readers:
            if reader is not None and reader.number:
                self.end(reader)

    def enrol(self, reader: Conversation, protocol: int) -> int:
        """A row in the book for a connection that speaks this one of `protocols`; -1: there is no room."""
        client = reader.opener ^ reader.turned
        workload = int(reader.workload_side != client)
        row = self.book.begin(reader.proto, self.protocols[protocol].pairs_by_id, reader.slot, workload)
        if row < 0:
            self.unread += 1
            return row
        for side in range(2):
            of_flow = side ^ client
            first, second = reader.addr[2 * of_flow], reader.addr[2 * of_flow + 1]
            self.book.between(row, side, first, second, reader.port[of_flow])
        memory = reader.memory
        if memory is None or reader.turned or not memory.speaks(protocol):
            self.endpoints.spoke(reader.endpoint(1 - client), protocol)
        return row

    def doubt(self, reader: Conversation) -> None:
        """A connection is not what it was taken for."""
        self.endpoints.wrong(reader.endpoint(1 - reader.opener ^ reader.turned))

    def demand(self, reader: Conversation) -> None:
        """All of a connection's segments are needed, and of later ones to its endpoint."""
        reader.needs_all = True
        self.endpoints.demand(reader.endpoint(1 - reader.opener ^ reader.turned))

    def give_up(self, reader: Conversation) -> None:
        """No protocol was found in a connection."""
        self.endpoints.failed(reader.endpoint(1 - reader.opener), reader.last_ns)

    def reader(self, number: int) -> Conversation | None:
        """Who has this number, which is given once; None: nobody any more."""
        reader = self.readers[number & _PLACE]
        if reader is None or reader.number != number:
            return None
        return reader

    def begin(
        self, words: Any, at: int, opener: int, workload_side: int, index: int = -1, observations: int = 0
    ) -> Conversation | None:
        """A reader for the flow in slot `at` of a table, whose rows are `words` (it is the `index`-th of a capture's
        table, and wanted by these observations); None: there is no room."""
        if self.free:
            place = self.free.pop()
        elif len(self.readers) <= self.room:
            place = len(self.readers)
            self.readers.append(Conversation(self))
        else:
            self.unread += 1
            return None
        self.begun += 1
        reader = self.readers[place]
        assert reader is not None
        reader.begin(words, at, opener, workload_side, index)
        reader.number = self.begun << _PLACE_BITS | place
        reader.last_ns = self.now_ns
        reader.memory = memory = self.endpoints.find(reader.endpoint(1 - opener))
        server_port, client_port = reader.port[1 - opener], reader.port[opener]
        reader.choice = self.endpoints.choose(reader.proto, server_port, client_port, memory, observations)
        if memory is not None:
            reader.mute = self.now_ns < memory.until_ns
            reader.needs_all = memory.needs_all
        return reader

    def end(self, reader: Conversation) -> None:
        """Its flow is over."""
        reader.finish()
        self.free.append(reader.number & _PLACE)
        reader.number = 0


def done(book: CallBook) -> npt.NDArray[np.int32]:
    """The rows of `book.calls` that are done, oldest request first; released by `book.release()`."""
    rows = book.done[: book.count]
    return rows[np.argsort(book.calls["request_ns"][rows], kind="stable")]
