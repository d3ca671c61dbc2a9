# cython: annotation_typing=False
"""The flow table of user space: layout.SLOT in buckets of four, two candidate buckets for a flow.

Of a fixed size it is read by others while it is written (AF_PACKET): a slot is filled before its head word, which makes
it live, and a retired one stays until its reader empties it. With `max_flows` it grows and keeps every flow to the end
(replay): retired flows move to an archive, so that a port reused a thousand times does not fill its buckets.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from weir_probe.streams.hashing import KeyHash
from weir_probe.streams.layout import BYTES_BITS, BYTES_MASK, EMPTY, LIVE, RETIRED, SLOT, WAYS
from weir_probe.streams.measures import MEASURED, Measures
from weir_probe.streams.performance import Performance
from weir_probe.streams.samples import Samples

#: What a growing table knows of a flow besides its slot: the number of the frame it starts with, what was measured,
#: what its words by side have no more room for, and who reads its payload (streams/call_engine.py).
EXTRA: Final = np.dtype(
    [
        ("serial", "<u8"),
        ("packets", "<u8", (2,)),
        ("bytes", "<u8", (2,)),
        ("link_bytes", "<u8", (2,)),
        ("header_bytes", "<u8", (2,)),
        ("reader", "<u8"),
        ("measured", MEASURED),
    ]
)
CAPACITY: Final = 65_536

_WAYS = WAYS
_EMPTY, _LIVE = EMPTY << 40, LIVE << 40
_RETIRED = RETIRED
_HEAD = 4  # the slot's word of ports, protocol, state and interface
_STATE_MASK = 0xFF << 40
_KEY_MASK = (1 << 40) - 1  # ports and protocol
_MATCH_MASK = (1 << 48) - 1  # and the state
_WORD_MASK = (1 << 64) - 1
_HALF_FULL = 1 << 63 | 1 << 39  # of a traffic word: packets, bytes
_HEADERS_HALF_FULL = 1 << 63 | 1 << 31
_LOW_MASK = 0xFFFFFFFF
_SLOT_WORDS = SLOT.itemsize // 8
_BYTES_BITS = BYTES_BITS
_BYTES_MASK = BYTES_MASK
_CHUNK = 65_536


def _copy_row(to: memoryview, row: int, source: memoryview, place: int, width: int) -> None:
    """Row `row` of `to` has the words of row `place` of `source`."""
    for word in range(width):
        to[row, word] = source[place, word]


def _clear_row(words: memoryview, row: int, width: int) -> None:
    for word in range(width):
        words[row, word] = 0


class FlowTable:
    """Slots are named by their row; -1 stands for none."""

    def __init__(
        self,
        slots: npt.NDArray[Any] | None = None,
        *,
        capacity: int = CAPACITY,
        max_flows: int = 0,
        samples: Samples | None = None,
        seed: int | None = None,
    ) -> None:
        """Over `slots` (layout.SLOT, in shared memory perhaps), or over own memory of `capacity` slots; a power of two.

        `max_flows` > 0: own memory that grows until it holds so many flows, live and retired. `samples` get what slots
        have no room for; without them it is in `measured`, a row for every slot, or in the `extra` of a growing table.
        """
        if slots is None:
            slots = np.zeros(capacity, SLOT)
        elif max_flows:
            raise ValueError("a table over given slots cannot grow: leave max_flows out")
        if samples is not None and max_flows:
            raise ValueError("samples: they name slots, and flows of a growing table move: leave one of the two out")
        if slots.size < 2 * WAYS or slots.size & (slots.size - 1):
            raise ValueError(f"slots: {slots.size} is no power of two of at least {2 * WAYS}")
        self.hash = KeyHash(seed)
        self.hashed = 0
        self.max_flows = max_flows
        self.live = 0  # kept by a growing table only: others empty the slots of a fixed one
        self.archived = 0
        self.extra_size = EXTRA.itemsize // 8
        self._keep(np.zeros(0, SLOT), np.zeros(0, EXTRA))
        self.measured = np.zeros(slots.size if samples is None and not max_flows else 0, MEASURED)
        self.performance = Performance(np.zeros(0, SLOT), Measures(self.measured), samples)
        self._use(slots.reshape(-1), np.zeros(slots.size if max_flows else 0, EXTRA))

    def _use(self, slots: npt.NDArray[Any], extra: npt.NDArray[Any]) -> None:
        self.slots = slots
        self.extra = extra
        self.capacity = len(slots)
        self.bucket_mask = self.capacity // WAYS - 1
        self.words = slots.view(np.uint64).reshape(self.capacity, -1).data
        self.state = slots["state"].data
        self.iface = slots["iface"].data
        self.traffic = slots["traffic"].data
        self.headers = slots["headers"].data
        self.last = slots["last"].data
        self.observations = slots["observations"].data
        self.peer_observations = slots["peer_observations"].data
        self.first_ns = slots["first_ns"].data
        self.generation = slots["generation"].data
        self.peer_generation = slots["peer_generation"].data
        self.peer_iface = slots["peer_iface"].data
        self.tcp_flags = slots["tcp_flags"].data
        self.opener = slots["opener"].data
        self.index = slots["index"].data
        self.workload_side = slots["workload_side"].data
        self.extra_words = extra.view(np.uint64).reshape(len(extra), self.extra_size).data
        self.serial = extra["serial"].data
        self.reader = extra["reader"].data
        self.more_packets = extra["packets"].data
        self.more_bytes = extra["bytes"].data
        self.more_link = extra["link_bytes"].data
        self.more_header = extra["header_bytes"].data
        self.performance.use(slots)
        if self.max_flows:
            self.performance.measures.use(extra["measured"])

    def find(self, low0: int, low1: int, high0: int, high1: int, key: int) -> int:
        """The live slot of a flow: addresses of side 0 and side 1, ports and protocol as the head word has them."""
        self.hashed = self.hash.of(low0, low1, high0, high1, key)
        want = key | _LIVE
        start = (self.hashed & self.bucket_mask) * _WAYS
        for _ in range(2):
            for index in range(start, start + _WAYS):
                if (
                    self.words[index, _HEAD] & _MATCH_MASK == want
                    and self.words[index, 1] == low1
                    and self.words[index, 3] == high1
                    and self.words[index, 0] == low0
                    and self.words[index, 2] == high0
                ):
                    return index
            start = (self.hashed >> 32 & self.bucket_mask) * _WAYS
        return -1

    def place(self) -> int:
        """An empty slot for the flow that `find` has just not found, to be filled, head last; -1: the table is full."""
        if not self.max_flows:
            return self._empty()
        if self.live + self.archived >= self.max_flows:
            return -1
        if self.live * 4 >= self.capacity * 3:
            self._grow()
        index = self._room()
        if index < 0 and self._grow():
            index = self._room()
        if index >= 0:
            self.live += 1
        return index

    def _empty(self) -> int:
        """An empty slot in the emptier of the two buckets; in the first, where look-ups start, if they are even.

        Two choices keep the fullest bucket at log log n over the average; with one it is log n / log log n.
        """
        first = (self.hashed & self.bucket_mask) * _WAYS
        second = (self.hashed >> 32 & self.bucket_mask) * _WAYS
        first_used = second_used = 0
        first_empty = second_empty = -1
        for way in range(_WAYS):
            if self.words[first + way, _HEAD] & _STATE_MASK == _EMPTY:
                first_empty = first + way
            else:
                first_used += 1
            if self.words[second + way, _HEAD] & _STATE_MASK == _EMPTY:
                second_empty = second + way
            else:
                second_used += 1
        return second_empty if second_used < first_used else first_empty

    def _room(self) -> int:
        """As `_empty`; where both buckets are full, a flow in them that has room in its other bucket moves there."""
        index = self._empty()
        if index >= 0:
            return index
        wanted = self.hashed
        for half in range(2):
            start = (wanted >> 32 * half & self.bucket_mask) * _WAYS
            for resident in range(start, start + _WAYS):
                self.hashed = self._hash_of(resident)
                index = self._empty()
                if index >= 0:
                    _copy_row(self.words, index, self.words, resident, _SLOT_WORDS)
                    _copy_row(self.extra_words, index, self.extra_words, resident, self.extra_size)
                    _clear_row(self.extra_words, resident, self.extra_size)
                    self.hashed = wanted
                    return resident
        self.hashed = wanted
        return -1

    def _hash_of(self, index: int) -> int:
        return self.hash.of(
            self.words[index, 0],
            self.words[index, 1],
            self.words[index, 2],
            self.words[index, 3],
            self.words[index, _HEAD] & _KEY_MASK,
        )

    def closed(self, index: int) -> bool:
        """Whether a TCP flow has ended: RST from anyone, or FIN from both sides."""
        low = self.tcp_flags[index, 0]
        high = self.tcp_flags[index, 1]
        return (low | high) & 0x04 != 0 or low & high & 0x01 != 0

    def retire(self, index: int) -> None:
        """Count no new packet in this slot; the same addresses and ports are another flow from here on."""
        if self.max_flows and self._archive(index):
            return
        self.state[index] = _RETIRED

    def add(self, index: int, side: int, word: int, headers: int) -> None:
        """Add packets << 40 | bytes to what `side` sent, of which link headers << 32 | IP and transport headers."""
        total = self.traffic[index, side] + word & _WORD_MASK
        layers = self.headers[index, side] + headers & _WORD_MASK
        if self.max_flows and (total & _HALF_FULL or layers & _HEADERS_HALF_FULL):
            # Half of a field is used up: nobody reads differences meanwhile, so make room.
            self.more_packets[index, side] += total >> _BYTES_BITS
            self.more_bytes[index, side] += total & _BYTES_MASK
            self.more_link[index, side] += layers >> 32
            self.more_header[index, side] += layers & _LOW_MASK
            total = layers = 0
        self.traffic[index, side] = total
        self.headers[index, side] = layers

    def _grow(self) -> bool:
        """Move to twice the slots, or more where a bucket overflows. False: at the bound, or out of memory."""
        capacity = self.capacity * 2
        while capacity <= 4 * self.max_flows + CAPACITY:
            try:
                slots, extra = np.zeros(capacity, SLOT), np.zeros(capacity, EXTRA)
            except MemoryError:
                return False
            if self._move(slots, extra):
                return True
            capacity *= 2
        return False

    def _move(self, slots: npt.NDArray[Any], extra: npt.NDArray[Any]) -> bool:
        old_slots, old_extra, wanted = self.slots, self.extra, self.hashed
        words, extra_words, hashes = self.words, self.extra_words, np.zeros(self.capacity, np.uint64).data
        for index in range(len(words)):
            hashes[index] = self._hash_of(index)
        self._use(slots, extra)
        for index in range(len(words)):
            if words[index, _HEAD] & _STATE_MASK == _EMPTY:
                continue
            self.hashed = hashes[index]
            room = self._room()
            if room < 0:
                self._use(old_slots, old_extra)
                break
            _copy_row(self.words, room, words, index, _SLOT_WORDS)
            _copy_row(self.extra_words, room, extra_words, index, self.extra_size)
        self.hashed = wanted
        return self.slots is slots

    def _archive(self, index: int) -> bool:
        if self.archived == len(self.archive_words) and not self._lengthen():
            return False  # the flow stays in its slot, retired
        _copy_row(self.archive_words, self.archived, self.words, index, _SLOT_WORDS)
        _copy_row(self.archive_extra_words, self.archived, self.extra_words, index, self.extra_size)
        _clear_row(self.words, index, _SLOT_WORDS)
        _clear_row(self.extra_words, index, self.extra_size)
        self.archived += 1
        self.live -= 1
        return True

    def _lengthen(self) -> bool:
        """Make the archive longer. False: out of memory."""
        more = max(1024, self.archived)
        try:
            slots = np.concatenate([self.archive, np.zeros(more, SLOT)])
            extra = np.concatenate([self.archive_extra, np.zeros(more, EXTRA)])
        except MemoryError:
            return False
        self._keep(slots, extra)
        return True

    def _keep(self, archive: npt.NDArray[Any], extra: npt.NDArray[Any]) -> None:
        """Retired flows are in these from here on."""
        self.archive = archive
        self.archive_extra = extra
        self.archive_words = archive.view(np.uint64).reshape(len(archive), _SLOT_WORDS).data
        self.archive_extra_words = extra.view(np.uint64).reshape(len(extra), self.extra_size).data

    def flows(self) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
        """All flows of a growing table, in the order of their first frames: chunks of (slots, extra)."""
        used = np.flatnonzero(self.slots["state"] != EMPTY)
        serial = np.concatenate([self.extra["serial"][used], self.archive_extra["serial"][: self.archived]])
        rows = np.concatenate([used, -1 - np.arange(self.archived)])[np.argsort(serial, kind="stable")]
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK]
            live = chunk >= 0
            slots, extra = np.zeros(len(chunk), SLOT), np.zeros(len(chunk), EXTRA)
            slots[live], extra[live] = self.slots[chunk[live]], self.extra[chunk[live]]
            slots[~live], extra[~live] = self.archive[-1 - chunk[~live]], self.archive_extra[-1 - chunk[~live]]
            yield slots, extra
