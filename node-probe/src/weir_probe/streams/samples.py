# cython: annotation_typing=False
# ruff: noqa: PLR0917 -- C calls are positional
"""The stream of samples: what packets tell of a flow's performance that its slot has no room for (bpf/tcp.h)."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from weir_probe.streams.layout import RING, SAMPLE, SEGMENT

#: Samples that are kept between two ticks, a power of two.
SAMPLES: Final = 131_072

_SEGMENT = SEGMENT


def take(records: npt.NDArray[Any], ring: npt.NDArray[Any], room: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """What a ring that the kernel fills has got since the last call, in its order, copied to `room`, as large as it.

    `ring` says where its ends are; of `records` the `sequence`, which is written last, is its place in the stream + 1.
    """
    tail, head = int(ring["tail"][0]), int(ring["head"][0])
    octets, copies = (of.view(np.uint8).reshape(len(of), -1) for of in (records, room))
    count = 0
    while tail + count < head:
        first = (tail + count) % len(records)
        last = min(first + head - tail - count, len(records))  # up to where the ring begins again
        due = np.arange(tail + count + 1, tail + count + 1 + last - first, dtype=np.uint64)
        late = np.flatnonzero(records["sequence"][first:last] != due)  # still being written
        ready = int(late[0]) if len(late) else last - first
        copies[count : count + ready] = octets[first : first + ready]
        count += ready
        if len(late):
            break
    ring["tail"][0] = tail + count
    return room[:count]


class Samples:
    """A ring of `records` (layout.SAMPLE), and where its ends are (`ring`, one of layout.RING). One writer or the
    kernel, one reader; within one process they take turns."""

    def __init__(self, records: npt.NDArray[Any] | None = None, ring: npt.NDArray[Any] | None = None) -> None:
        """Over shared memory, or without any: then nothing can be put."""
        self.records = np.zeros(1, SAMPLE) if records is None else records
        self.ring = np.zeros(1, RING) if ring is None else ring
        self.size = 0 if records is None else len(records)
        self.room = np.zeros(len(self.records), SAMPLE)
        self.head = self.ring["head"].data
        self.tail = self.ring["tail"].data
        self.missed = self.ring["lost"].data
        self.sequence = self.records["sequence"].data
        self.slot = self.records["slot"].data
        self.kind = self.records["kind"].data
        self.way = self.records["way"].data
        self.segments = self.records["segments"].data
        self.seq = self.records["seq"].data
        self.ns = self.records["ns"].data
        self.length = self.records["length"].data
        self.low = self.records["low"].data
        self.high = self.records["high"].data
        self.enters = self.records["enters"].data

    @property
    def lost(self) -> int:
        """Samples that found no room, since the capture began."""
        return int(self.ring["lost"][0])

    @property
    def unmeasured(self) -> int:
        """Packets that were counted, but that another CPU kept from being measured."""
        return int(self.ring["unmeasured"][0])

    def take(self) -> npt.NDArray[Any]:
        """The samples since the last call, in their order; they hold until the next."""
        return take(self.records, self.ring, self.room)

    def put_time(self, slot: int, what: int, took_ns: int) -> None:
        """One of a flow's times; `what` is an index of layout.TIMES."""
        at = self._place(slot, what)
        if at >= 0:
            self.ns[at] = took_ns

    def put_segment(
        self, slot: int, way: int, seq: int, length: int, low: int, high: int, enters: bool, segments: int
    ) -> None:
        """A segment out of sequence, as Measures.segment takes it."""
        at = self._place(slot, _SEGMENT)
        if at >= 0:
            self.way[at] = way
            self.segments[at] = segments
            self.seq[at] = seq
            self.length[at] = length
            self.low[at] = low
            self.high[at] = high
            self.enters[at] = enters

    def _place(self, slot: int, kind: int) -> int:
        """A place in the ring; -1: there is none, and that is counted."""
        head = self.head[0]
        if head - self.tail[0] >= self.size:
            self.missed[0] += 1
            return -1
        at = head & (self.size - 1)
        self.sequence[at] = head + 1
        self.slot[at] = slot
        self.kind[at] = kind
        self.head[0] = head + 1
        return at
