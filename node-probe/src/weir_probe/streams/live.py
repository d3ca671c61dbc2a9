# cython: annotation_typing=False
"""Calls of live traffic: a thread drains the ring of segments into a call engine, and tells of each flow how much of
its payload it wants from now on.

Nobody wakes the reader: a wake-up costs the application more than all else here. It looks every few milliseconds.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from weir_probe.protocols.parser import Spec
from weir_probe.streams.call_engine import CALL_TIMEOUT_NS, RETRY_NS, CallEngine
from weir_probe.streams.calls import CALLS, CONVERSATIONS, LOSSES, CallBook
from weir_probe.streams.conversation import Conversation
from weir_probe.streams.endpoints import Sought
from weir_probe.streams.layout import EVERY, FIRST, FRESH, GIVEN_UP, LIVE, PAYLOAD_LOST
from weir_probe.streams.segments import BUSY, DISCARDED, RECORD_HEAD, Segments

log = logging.getLogger(__name__)

#: Between two looks at the ring. A new flow gives FRESH_BYTES at most until somebody has looked: 70 MB/s.
POLL_US: Final = 15_000
#: In a row that find nothing, before all else that is due.
LOOKS: Final = 8

_BATCH = 4096  # segments between which others may have the lock
_EXPIRE_NS = 1_000_000_000
_BUSY, _DISCARDED, _LENGTH, _RECORD_HEAD = BUSY, DISCARDED, DISCARDED - 1, RECORD_HEAD
_FRESH, _FIRST, _EVERY, _GIVEN_UP = FRESH, FIRST, EVERY, GIVEN_UP
_LIVE = LIVE
_WORD = 0xFFFFFFFF
# layout.SEGMENT_HEAD
_NS, _SLOT, _BORN, _SEQ, _ACK, _SIZE, _CAPTURED, _WAY, _FLAGS, _HEAD_BYTES = 0, 8, 12, 16, 20, 24, 28, 32, 33, 40


class LiveCalls:
    """Owns the call engine of a capture. `taken` gives its rows to whoever exports them."""

    def __init__(
        self,
        slots: npt.NDArray[Any],
        ring: Segments,
        protocols: Iterable[Spec],
        *,
        calls: int = CALLS,
        conversations: int = CONVERSATIONS,
        on_crowded: Callable[[], None] | None = None,
    ) -> None:
        """`on_crowded` is called from the thread when the book should be read before the next tick. When half of it is
        done calls segments wait in the ring."""
        self.slots = slots
        self.ring = ring
        self.engine = CallEngine(protocols, calls=calls, conversations=conversations)
        self.book = self.engine.book
        self.count = len(slots)
        self.words = slots.view(np.uint64).reshape(self.count, -1).data
        self.first_ns = slots["first_ns"].data
        self.state = slots["state"].data
        self.opener = slots["opener"].data
        self.workload_side = slots["workload_side"].data
        self.observations = slots["observations"].data
        self.peer_observations = slots["peer_observations"].data
        self.mode = ring.intakes["mode"].data
        #: The number of each slot's reader.
        self.numbers = np.zeros(len(slots), np.uint64)
        self.number = self.numbers.data
        self.stale = 0  # segments of flows that are no more
        self.heard = 0  # segments that were read
        self.mask = 0
        self.lost_before = 0  # segments that found no room, by the last look
        self.loses = False  # some since the one before
        self.full = calls // 2
        self.unread = 0  # done calls that were left by who read the others
        self.crowded = False
        self.on_crowded = on_crowded
        self.given_up: deque[tuple[int, int, int]] = deque()  # when to look again, at which slot, whose reader
        self.expired_ns = 0
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.thread: threading.Thread | None = None

    # ---- for the agent

    def observe(self, sought: Mapping[int, Sought]) -> None:
        """The observations (by their bits) that want calls, and of which protocols; none: nothing runs. What was given
        up for others is looked at again."""
        mask = sum(1 << bit for bit in sought)
        with self.lock:
            if self.engine.endpoints.sought != sought:
                self.engine.endpoints.seek(sought)
                while self.given_up:
                    self._reconsider(*self.given_up.popleft()[1:])
            self.mask = mask
        if mask and self.thread is None:
            self.ring.intakes["mode"][self.ring.intakes["mode"] == GIVEN_UP] = FRESH  # of an earlier process
            self.stopping.clear()
            self.thread = threading.Thread(target=self.run, name="weir-calls", daemon=True)
            self.thread.start()
        elif not mask:
            self.close()

    def close(self) -> None:
        """Stop; calls in flight are done with what is known."""
        if self.thread is not None:
            self.stopping.set()
            self.thread.join()
            self.thread = None
        with self.lock:
            self.engine.finish()
            self.numbers[:] = 0
            self.given_up.clear()

    @contextmanager
    def taken(self, ended: npt.NDArray[Any] | None = None) -> Iterator[CallBook]:
        """The book with all calls that are done by now, at rest; they are released in the end. `ended`: slots of flows
        that are over, which may be given to others once this was left."""
        with self.lock:
            self.drain(0)
            for slot in [] if ended is None else ended[self.numbers[ended] != 0].tolist():
                self.forget(slot)
            self._refresh()
            yield self.book
            self.book.release()
            self.unread = self.book.count
            self.crowded = False

    def lost(self) -> dict[str, int]:
        """Segments, connections and calls that were lost, by reason, since the capture (calls: this object) began."""
        lost = dict(zip(LOSSES, self.book.losses.tolist(), strict=True))
        lost |= dict(zip(PAYLOAD_LOST, self.ring.payload["lost"][0].tolist(), strict=True))
        return lost | {"no_room_for_connection": self.engine.unread, "stale": self.stale}

    def _refresh(self) -> None:
        """Who wants the calls of each conversation, by the slots as they are now."""
        conversations = self.book.conversations[: self.book.reached]
        rows = np.flatnonzero((conversations["state"] != 0) & (conversations["slot"] >= 0))
        if len(rows):
            slots = conversations["slot"][rows]
            for name in ("observations", "peer_observations"):
                conversations[name][rows] = self.slots[name][slots] & np.uint64(self.mask)

    # ---- the thread

    def run(self) -> None:
        """Drain until it is told to stop."""
        while not self.stopping.is_set():
            self.ring.wait(POLL_US, LOOKS)
            more = True
            while more and not self.stopping.is_set():
                with self.lock:
                    more = self.drain(_BATCH) == _BATCH
                    self.look_again(time.monotonic_ns())
                    crowded = self.crowded
                if crowded and self.on_crowded is not None:
                    self.on_crowded()

    def look_again(self, now_ns: int) -> None:
        """What has waited too long; flows that were given up."""
        if now_ns - self.expired_ns > _EXPIRE_NS:
            self.expired_ns = now_ns
            self.book.expire(now_ns - CALL_TIMEOUT_NS)
        while self.given_up and self.given_up[0][0] <= now_ns:
            self._reconsider(*self.given_up.popleft()[1:])

    def _reconsider(self, slot: int, number: int) -> None:
        """Look at a flow again, if it is still the one that was given up."""
        if self.numbers[slot] == number:
            self.forget(slot)
            self.mode[slot] = _FRESH

    def drain(self, most: int) -> int:
        """Read at most `most` segments, fewer when the book fills (0: all that are there); returns how many."""
        ring = self.ring
        cursor = ring.cursor
        at = ring.tail[0]
        head = ring.head[0]
        count = 0
        lost = self.ring.lost()
        self.loses = lost != self.lost_before
        self.lost_before = lost
        while at < head and (most == 0 or count < most):
            if most and self.book.count >= self.unread + self.engine.most_done:
                self.crowded = True
                if self.book.count >= self.full:
                    break
            place = at & (ring.size - 1)
            cursor.limit(place + _RECORD_HEAD + _HEAD_BYTES)
            word = cursor.u32le(place)
            if word & _BUSY:
                break
            following = at + ((word & _LENGTH) + _RECORD_HEAD + 7 & ~7)
            ring.soon.row((following & (ring.size - 1)) >> 3)
            if not word & _DISCARDED:
                self.heard += 1
                self.hear(place + _RECORD_HEAD)
            at = following
            count += 1
        ring.tail[0] = at
        return count

    def hear(self, at: int) -> None:
        """The segment whose head is at `at`."""
        cursor = self.ring.cursor
        ts_ns = cursor.u64le(at + _NS)
        slot = cursor.u32le(at + _SLOT)
        way = cursor.u8(at + _WAY)
        if slot >= self.count or self.state[slot] < _LIVE or self.first_ns[slot] & _WORD != cursor.u32le(at + _BORN):
            self.stale += 1
            return
        engine = self.engine
        engine.now_ns = max(engine.now_ns, ts_ns)
        reader = engine.reader(self.number[slot])
        if reader is None:
            wanted = (self.observations[slot] | self.peer_observations[slot]) & self.mask
            reader = engine.begin(self.words, slot, self.opener[slot], self.workload_side[slot], slot, wanted)
            if reader is None:
                self.leave_alone(slot, 0)
                return
            self.number[slot] = reader.number
        missing = reader.missing
        if not reader.mute:
            seq = cursor.u32le(at + _SEQ)
            ack = cursor.u32le(at + _ACK)
            length = cursor.u32le(at + _SIZE)
            captured = cursor.u32le(at + _CAPTURED)
            flags = cursor.u8(at + _FLAGS)
            engine.hear(reader, way, flags, seq, ack, cursor, at + _HEAD_BYTES, captured, length, ts_ns)
        # pipelined; or the end of a message is beyond what a turn gives, unless it was lost on the way
        beyond = reader.missing > missing and not self.loses
        if not reader.needs_all and reader.protocol >= 0 and (beyond or self.book.pipelines[reader.row]):
            engine.demand(reader)
        wants = self.mode_for(reader)
        if self.mode[slot] != wants:
            self.mode[slot] = wants
            if wants == _GIVEN_UP and not reader.over:
                self.leave_alone(slot, reader.number)

    def leave_alone(self, slot: int, number: int) -> None:
        """Nothing more is wanted of the slot's flow for a while."""
        self.mode[slot] = _GIVEN_UP
        if len(self.given_up) < len(self.slots):
            self.given_up.append((self.engine.now_ns + RETRY_NS, slot, number))

    def mode_for(self, reader: Conversation) -> int:
        """How much of its flow's payload the reader needs from now on."""
        if reader.mute:
            return _GIVEN_UP
        if reader.protocol < 0:
            return _FRESH
        return _EVERY if reader.needs_all else _FIRST

    def forget(self, slot: int) -> None:
        """The slot has no reader any more."""
        reader = self.engine.reader(self.number[slot])
        if reader is not None:
            self.engine.end(reader)
        self.number[slot] = 0
