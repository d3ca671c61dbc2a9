# cython: annotation_typing=False
# ruff: noqa: PLR0917 -- C calls are positional
"""The call book: requests in flight, paired with their responses; done ones are handed out in blocks of rows.

All memory is taken at the start: a row per call, from its request until whoever reads `done` has released it. A call
that finds no room is counted as lost, with the reason.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from weir_probe.protocols.message import (
    ATTRIBUTES,
    COLUMNS,
    NOTHING,
    OK,
    ONE_WAY,
    REFUSED,
    REQUEST,
    REQUEST_AGAIN,
    REQUEST_MORE,
    RESPONSE,
    TEXT,
    TIMEOUT,
    UNKNOWN,
    Message,
)
from weir_probe.wire.copying import copy_bytes
from weir_probe.wire.prefetching import Prefetch

#: One call. `text[start[c] : start[c] + length[c]]` is column c of protocols.message.COLUMNS.
CALL: Final = np.dtype(
    [
        ("request_ns", "<u8"),
        ("response_ns", "<u8"),
        ("id", "<u8"),
        ("hint", "<u8"),
        ("request_bytes", "<u8"),
        ("response_bytes", "<u8"),
        ("conversation", "<i4"),
        ("older", "<i4"),
        ("newer", "<i4"),
        ("code", "<i4"),
        ("used", "<u2"),
        ("start", "<u2", (len(COLUMNS),)),
        ("length", "<u2", (len(COLUMNS),)),
        ("protocol", "u1"),
        ("variant", "u1"),
        ("status", "u1"),
        ("has_code", "u1"),
        ("state", "u1"),
        ("cut", "u1"),
        ("seq", "<u4"),  # TCP: of the request's first byte
        ("text", "u1", (TEXT,)),
    ]
)
#: Where the text of a call is in its row.
TEXT_AT: Final = CALL.itemsize - TEXT
#: Of a row, what a call of a few words takes.
_FEW: Final = TEXT_AT + 192
#: One conversation: the connection that calls belong to.
CONVERSATION: Final = np.dtype(
    [
        ("addr", "<u8", (2, 2)),  # of client and server
        ("observations", "<u8"),  # those that want its calls, as in the slot: for the workload behind `iface`,
        ("peer_observations", "<u8"),  # and for the one behind `peer_iface`
        ("port", "<u2", (2,)),
        ("slot", "<i4"),  # of the flow, in the capture's table; -1: of a capture file
        ("oldest", "<i4"),
        ("newest", "<i4"),
        ("in_flight", "<u4"),
        ("unread", "<u4"),  # rows that are not released yet
        ("workload", "u1"),  # the one of `observations` is the client (0) or the server (1)
        ("proto", "u1"),
        ("state", "u1"),
        ("by_id", "u1"),
        ("out_of_step", "u1"),
        ("pipelines", "u1"),
        ("pad", "u1", (2,)),
    ]
)
#: Why a call is not in the book, or has no response there.
LOSSES: Final = ("book_full", "too_many_in_flight", "no_request", "out_of_step")
CALLS: Final = 65_536
CONVERSATIONS: Final = 65_536
#: Of one conversation.
MAX_IN_FLIGHT: Final = 1024

_FREE, _WAITS, _ANSWERED, _DONE, _HELD = range(5)
_OPEN, _CLOSED = 1, 2
_NONE = -1
_BOOK_FULL, _TOO_MANY, _NO_REQUEST, _OUT_OF_STEP = range(4)
_COLUMNS, _TEXT = len(COLUMNS), TEXT
_CALL_SIZE, _TEXT_AT = CALL.itemsize, TEXT_AT
_NOTHING, _REQUEST, _REQUEST_MORE, _RESPONSE, _ONE_WAY = NOTHING, REQUEST, REQUEST_MORE, RESPONSE, ONE_WAY
_REQUEST_AGAIN, _REFUSED, _ATTRIBUTES = REQUEST_AGAIN, REFUSED, ATTRIBUTES
_UNKNOWN, _OK, _TIMEOUT = UNKNOWN, OK, TIMEOUT
_MAX_IN_FLIGHT = MAX_IN_FLIGHT


class CallBook:
    """Rows of CALL and CONVERSATION are named by their index; -1 stands for none."""

    def __init__(self, calls: int = CALLS, conversations: int = CONVERSATIONS) -> None:
        self.calls = np.zeros(calls, CALL)
        self.conversations = np.zeros(conversations, CONVERSATION)
        self.losses = np.zeros(len(LOSSES), np.uint64)
        self.lost = self.losses.data
        self.done = np.zeros(calls, np.int32)
        self.finished = self.done.data
        self.count = 0  # of `done`
        self.free_calls = np.arange(calls, dtype=np.int32)[::-1].copy().data
        self.free_conversations = np.arange(conversations, dtype=np.int32)[::-1].copy().data
        self.calls_left = calls
        self.conversations_left = conversations
        self.reached = 0  # conversations from here on were never used
        self.request_ns = self.calls["request_ns"].data
        self.response_ns = self.calls["response_ns"].data
        self.id = self.calls["id"].data
        self.hint = self.calls["hint"].data
        self.request_bytes = self.calls["request_bytes"].data
        self.response_bytes = self.calls["response_bytes"].data
        self.conversation = self.calls["conversation"].data
        self.older = self.calls["older"].data
        self.newer = self.calls["newer"].data
        self.code = self.calls["code"].data
        self.used = self.calls["used"].data
        self.start = self.calls["start"].data
        self.length = self.calls["length"].data
        self.protocol = self.calls["protocol"].data
        self.variant = self.calls["variant"].data
        self.status = self.calls["status"].data
        self.has_code = self.calls["has_code"].data
        self.state = self.calls["state"].data
        self.cut = self.calls["cut"].data
        self.seq = self.calls["seq"].data
        self.text = self.calls["text"].data
        self.bytes = self.calls.view(np.uint8).data  # of all rows
        self.soon = Prefetch(self.calls, _FEW)
        self.addr = self.conversations["addr"].data
        self.port = self.conversations["port"].data
        self.proto = self.conversations["proto"].data
        self.slot = self.conversations["slot"].data
        self.workload = self.conversations["workload"].data
        self.observations = self.conversations["observations"].data
        self.peer_observations = self.conversations["peer_observations"].data
        self.oldest = self.conversations["oldest"].data
        self.newest = self.conversations["newest"].data
        self.in_flight = self.conversations["in_flight"].data
        self.unread = self.conversations["unread"].data
        self.open = self.conversations["state"].data
        self.by_id = self.conversations["by_id"].data
        self.out_of_step = self.conversations["out_of_step"].data
        self.pipelines = self.conversations["pipelines"].data

    # ---- conversations

    def begin(self, proto: int, by_id: bool, slot: int = _NONE, workload: int = 0) -> int:
        """A conversation, whose ends are told by `between`; -1: there is no room."""
        if self.conversations_left == 0:
            return -1
        self.conversations_left -= 1
        row = self.free_conversations[self.conversations_left]
        self.reached = max(self.reached, row + 1)
        self.proto[row] = proto
        self.by_id[row] = by_id
        self.slot[row] = slot
        self.workload[row] = workload
        self.observations[row] = self.peer_observations[row] = 0
        self.oldest[row] = self.newest[row] = _NONE
        self.in_flight[row] = self.unread[row] = 0
        self.out_of_step[row] = self.pipelines[row] = False
        self.open[row] = _OPEN
        return row

    def between(self, conversation: int, side: int, first: int, second: int, port: int) -> None:
        """Who the client (0) or the server (1) is: the two words of its address, and its port."""
        self.addr[conversation, side, 0] = first
        self.addr[conversation, side, 1] = second
        self.port[conversation, side] = port

    def switch(self, conversation: int, by_id: bool) -> None:
        """The connection goes on with another protocol. What is in flight it can only answer by its id."""
        if not by_id:
            self.abandon(conversation)
        row = self.oldest[conversation]
        while row >= 0:
            self.hint[row] = 0  # was for the parser that wrote it
            row = self.newer[row]
        self.by_id[conversation] = by_id
        self.out_of_step[conversation] = self.pipelines[conversation] = False

    def end(self, conversation: int) -> None:
        """The connection is gone: what still waits for a response will get none."""
        self.abandon(conversation)
        self.open[conversation] = _CLOSED
        if self.unread[conversation] == 0:
            self._forget(conversation)

    def _forget(self, conversation: int) -> None:
        self.open[conversation] = 0
        self.free_conversations[self.conversations_left] = conversation
        self.conversations_left += 1

    def abandon(self, conversation: int) -> None:
        """Whose response is whose cannot be told any more: all that is in flight is done, with what is known."""
        while self.oldest[conversation] >= 0:
            self._finish(self.oldest[conversation])

    def step_out(self, conversation: int) -> None:
        """Bytes are missing that may have held whole messages: pairing in order would shift."""
        if not self.by_id[conversation]:
            self.abandon(conversation)
            self.out_of_step[conversation] = True

    def step_in(self, conversation: int, takes_turns: bool, quiet: bool) -> None:
        """A request begins. Where nothing can be on its way any more, pairing in order is safe again: after a silence,
        and in a connection that never had two calls in flight when the server spoke before."""
        if self.out_of_step[conversation] and (quiet or (takes_turns and not self.pipelines[conversation])):
            self.out_of_step[conversation] = False

    def is_alone(self, conversation: int) -> bool:
        """One call is in flight, and there never were two."""
        return self.in_flight[conversation] == 1 and not self.pipelines[conversation]

    # ---- calls

    def hints(self, conversation: int, ident: int) -> int:
        """The call in flight with this id; for those that pair in order, the one that the next response belongs to."""
        if self.by_id[conversation]:
            return self._find(conversation, ident, 0)
        return self.oldest[conversation]

    def take(
        self, conversation: int, message: Message, protocol: int, way: int, ts_ns: int, size: int, seq: int = 0
    ) -> None:
        """What a frame of `size` bytes said, which began at `ts_ns`, in TCP with sequence number `seq`."""
        if message.part == _REQUEST or message.part == _ONE_WAY:
            self._open(conversation, message, protocol, way, ts_ns, size, seq)
        elif message.part == _REFUSED:
            self._refuse(conversation, message)
        elif message.part != _NOTHING:
            row = self._row_of(conversation, message)
            if message.part == _REQUEST_AGAIN:
                if row >= 0 and self.state[row] == _WAITS:
                    self.request_bytes[row] += size
                else:
                    self._open(conversation, message, protocol, way, ts_ns, size, seq)
            elif row < 0:
                self.lost[_OUT_OF_STEP if self.out_of_step[conversation] else _NO_REQUEST] += message.part == _RESPONSE
            else:
                if way:
                    self.response_bytes[row] += size
                else:
                    self.request_bytes[row] += size
                if message.part == _REQUEST_MORE:
                    self._write(row, message)
                    if message.ends:
                        self._finish(row)
                else:
                    self.protocol[row] = protocol  # which may not be the request's, after a switch
                    self._answer(row, message, ts_ns)
                    for _ in range(message.answers - 1):
                        row = self._row_of(conversation, message)
                        if row >= 0:
                            self._answer(row, message, ts_ns)

    def expire(self, before_ns: int) -> None:
        """What was asked before then and has no response timed out."""
        for conversation in range(self.reached):
            if self.in_flight[conversation]:
                self._expire(conversation, before_ns)

    def _expire(self, conversation: int, before_ns: int) -> None:
        row = self.oldest[conversation]
        late = False
        while row >= 0 and self.request_ns[row] < before_ns:
            newer = self.newer[row]
            if self.state[row] == _WAITS:
                self.status[row] = _TIMEOUT
                self._finish(row)
                late = True
            row = newer
        if late:
            self.step_out(conversation)  # their responses may still come, and are no others'

    def hold(self, row: int) -> None:
        """A done call is to be read again: `release` lets it be."""
        self.state[row] = _HELD

    def release(self) -> None:
        """Forget the done calls: `done[:count]` was read."""
        held = 0
        for place in range(self.count):
            row = self.finished[place]
            if self.state[row] == _HELD:
                self.state[row] = _DONE
                self.finished[held] = row
                held += 1
                continue
            conversation = self.conversation[row]
            self.state[row] = _FREE
            self.free_calls[self.calls_left] = row
            self.calls_left += 1
            self.unread[conversation] -= 1
            if self.unread[conversation] == 0 and self.open[conversation] == _CLOSED:
                self._forget(conversation)
        self.count = held

    def _open(
        self, conversation: int, message: Message, protocol: int, way: int, ts_ns: int, size: int, seq: int
    ) -> None:
        if self.calls_left == 0:
            self.lost[_BOOK_FULL] += 1
            self.step_out(conversation)
            return
        if self.in_flight[conversation] >= _MAX_IN_FLIGHT:
            self.lost[_TOO_MANY] += 1
            if self.by_id[conversation]:
                self._finish(self.oldest[conversation])
            else:
                self.step_out(conversation)
        self.calls_left -= 1
        row = self.free_calls[self.calls_left]
        self.soon.row(self.free_calls[max(0, self.calls_left - 2)])
        self.request_ns[row] = ts_ns
        self.response_ns[row] = 0
        self.request_bytes[row] = size if way == 0 else 0
        self.response_bytes[row] = size if way == 1 else 0
        self.conversation[row] = conversation
        self.id[row] = message.id
        self.protocol[row] = protocol
        self.variant[row] = message.variant
        self.hint[row] = message.hint
        self.status[row] = _UNKNOWN
        self.has_code[row] = False
        self.cut[row] = False
        self.seq[row] = seq
        self.used[row] = 0
        for column in range(_COLUMNS):
            self.length[row, column] = 0
        self._write(row, message)
        self.unread[conversation] += 1
        older = self.newest[conversation]
        self.older[row] = older
        self.newer[row] = _NONE
        if older >= 0:
            self.newer[older] = row
            self.pipelines[conversation] = True
        else:
            self.oldest[conversation] = row
        self.newest[conversation] = row
        self.in_flight[conversation] += 1
        self.state[row] = _WAITS
        if message.part == _ONE_WAY:
            if self.status[row] == _UNKNOWN:
                self.status[row] = _OK
            self._finish(row)
        elif self.out_of_step[conversation]:
            self._finish(row)

    def _row_of(self, conversation: int, message: Message) -> int:
        """The call that a further frame belongs to."""
        if self.by_id[conversation]:
            return self._find(conversation, message.id, message.hint)
        if message.part == _REQUEST_MORE:
            return self.newest[conversation]
        row = self.oldest[conversation]
        if message.part == _RESPONSE and row >= 0 and self.state[row] == _ANSWERED:
            newer = self.newer[row]
            self._finish(row)  # its end was not seen
            row = newer
        return row

    def _find(self, conversation: int, ident: int, hint: int) -> int:
        """The oldest call with this id; of those with a hint, with that one, where it is known."""
        row = self.oldest[conversation]
        while row >= 0 and (self.id[row] != ident or (hint and self.hint[row] and self.hint[row] != hint)):
            row = self.newer[row]
        return row

    def _refuse(self, conversation: int, message: Message) -> None:
        """Calls in flight with an id above the message's will have no response."""
        row = self.newest[conversation]
        while row >= 0:
            older = self.older[row]
            if self.id[row] > message.id and (self.id[row] ^ message.hint) & 1 == 0:
                self._write(row, message)
                self._finish(row)
            row = older

    def _answer(self, row: int, message: Message, ts_ns: int) -> None:
        if self.state[row] == _WAITS:
            self.state[row] = _ANSWERED
            self.response_ns[row] = max(ts_ns, self.request_ns[row])  # packets may be captured the other way round
        self._write(row, message)
        if message.ends:
            self._finish(row)

    def _write(self, row: int, message: Message) -> None:
        """What the message says goes over what was said before; attributes are added to it."""
        if message.status != _UNKNOWN:
            self.status[row] = message.status
        if message.has_code:
            self.has_code[row] = True
            self.code[row] = message.code
        if message.variant:
            self.variant[row] = message.variant
        if message.cut:
            self.cut[row] = True
        for column in range(_COLUMNS):
            count = message.length[column]
            if count == 0:
                continue
            first = self.used[row]
            before = self.length[row, column] if column == _ATTRIBUTES else 0
            if before + count > _TEXT - first:
                self.cut[row] = True
                if before > 0:
                    continue  # half an attribute would be a wrong one
                count = _TEXT - first
            at = row * _CALL_SIZE + _TEXT_AT
            if before > 0:
                copy_bytes(self.bytes, at + first, self.bytes, at + self.start[row, column], before)
            copy_bytes(self.bytes, at + first + before, message.text, message.start[column], count)
            self.start[row, column] = first
            self.length[row, column] = before + count
            self.used[row] = first + before + count

    def _finish(self, row: int) -> None:
        """Take the call out of its conversation's list, to be read."""
        conversation = self.conversation[row]
        older = self.older[row]
        newer = self.newer[row]
        if older >= 0:
            self.newer[older] = newer
        else:
            self.oldest[conversation] = newer
        if newer >= 0:
            self.older[newer] = older
        else:
            self.newest[conversation] = older
        self.in_flight[conversation] -= 1
        self.state[row] = _DONE
        self.finished[self.count] = row
        self.count += 1
