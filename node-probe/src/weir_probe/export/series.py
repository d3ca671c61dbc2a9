"""Counters by (observation, role, protocol, workload, peer), bounded per observation, with one overflow series beyond.

Filled by compiled code from flow differences; read as one numpy table by the Prometheus collector and the report.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from weir_probe.export.rowindex import RowIndex, grown, with_only
from weir_probe.streams.layout import COUNTERS, TIMES
from weir_probe.streams.performance import CLOSE_TYPES
from weir_probe.wire.prefetching import Prefetch

#: Upper bounds of the histograms' buckets; a last one has no bound.
BOUNDS_NS: Final = (
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    10_000_000_000,
)

#: packets and bytes: index 0 sent by the local workload, 1 received by it; so for the pairs in `counters`
SERIES: Final = np.dtype(
    [
        ("key", "<u8"),
        ("packets", "<u8", (2,)),
        ("bytes", "<u8", (2,)),
        ("connections", "<u8"),
        ("live", "<u8"),
        ("counters", "<u8", (len(COUNTERS),)),
        ("closed", "<u8", (len(CLOSE_TYPES),)),
        ("sum_ns", "<u8", (len(TIMES),)),
        ("buckets", "<u8", (len(TIMES), len(BOUNDS_NS) + 1)),
    ]
)
PROTOCOLS: Final = ("tcp", "udp", "icmp", "sctp", "other")
ROLES: Final = ("client", "server")

#: The identity that stands for all workloads and peers of an observation's overflow series.
OVERFLOW: Final = (1 << 27) - 1
_BOUNDS = len(BOUNDS_NS)
_OVERFLOW = OVERFLOW  # the same for compiled code, as a C number


#: Of a key: below it what the observation's bit is above.
BIT_SHIFT: Final = 58


def unpack(key: int) -> tuple[int, int, int, int, int]:
    """(observation bit, role, protocol, workload identity, peer identity) of a row's key."""
    return key >> BIT_SHIFT, key >> 57 & 1, key >> 54 & 7, key >> 27 & ((1 << 27) - 1), key & ((1 << 27) - 1)


class SeriesTable:
    """The counters. `rows[:used]` are in use; `held`, `limits` and `overflowed` go by observation bit."""

    def __init__(self, observations: int = 64) -> None:
        self.limits = np.zeros(observations, np.uint32)
        self.held = np.zeros(observations, np.uint32)
        self.overflowed = np.zeros(observations, np.uint64)  # flows that were opened in an overflow series
        self.limit = self.limits.data
        self.hold = self.held.data
        self.overflow = self.overflowed.data
        self.bound = np.array(BOUNDS_NS, np.uint64).data
        self.index = RowIndex()
        self._hold_rows(np.zeros(256, SERIES), 0)

    def _hold_rows(self, rows: np.ndarray, used: int) -> None:
        """Take these rows as the table."""
        self.rows = rows
        self.used = used
        self.capacity = len(rows)
        self.key = rows["key"].data
        self.packets = rows["packets"].data
        self.bytes = rows["bytes"].data
        self.connections = rows["connections"].data
        self.live = rows["live"].data
        self.counters = rows["counters"].data
        self.closed = rows["closed"].data
        self.sum_ns = rows["sum_ns"].data
        self.buckets = rows["buckets"].data
        self.counting = Prefetch(rows, 128)
        self.index.hold(len(rows))
        for row in range(used):
            self.index.enter(self.key[row], 0, row)

    def begin(self) -> None:
        """Start a tick: live flows are counted anew in each."""
        self.rows["live"][: self.used] = 0

    def add(  # noqa: PLR0917  a C call
        self,
        bit: int,
        role: int,
        protocol: int,
        local: int,
        peer: int,
        sent: int,
        received: int,
        opened: bool,
        live: bool,
    ) -> int:
        """Add one flow's difference: `sent` and `received` are packets << 40 | bytes, from the workload's side.

        Returns the row, which holds until `drop`."""
        key = bit << 58 | role << 57 | protocol << 54 | local << 27 | peer
        at = self.index.find(key, 0)
        if at < 0:
            if self.hold[bit] < self.limit[bit]:
                self.hold[bit] += 1
            else:
                self.overflow[bit] += opened
                key = bit << 58 | protocol << 54 | _OVERFLOW << 27 | _OVERFLOW
                at = self.index.find(key, 0)
            if at < 0:
                at = self._append(key)
        self.packets[at, 0] += sent >> 40
        self.packets[at, 1] += received >> 40
        self.bytes[at, 0] += sent & 0xFFFFFFFFFF
        self.bytes[at, 1] += received & 0xFFFFFFFFFF
        self.connections[at] += opened
        self.live[at] += live
        return at

    def find(self, bit: int, role: int, protocol: int, local: int, peer: int) -> int:
        """The row where `add` counts such a flow; -1: it never did."""
        at = self.index.find(bit << 58 | role << 57 | protocol << 54 | local << 27 | peer, 0)
        if at < 0:
            at = self.index.find(bit << 58 | protocol << 54 | _OVERFLOW << 27 | _OVERFLOW, 0)
        return at

    def time(self, at: int, what: int, took_ns: int) -> None:
        """One of the times of layout.TIMES, in row `at`."""
        bucket = 0
        while bucket < _BOUNDS and took_ns > self.bound[bucket]:
            bucket += 1
        self.sum_ns[at, what] += took_ns
        self.buckets[at, what, bucket] += 1

    def _append(self, key: int) -> int:
        if self.used == self.capacity:
            self._hold_rows(grown(self.rows), self.used)
        row = self.used
        self.key[row] = key
        self.used += 1
        self.index.enter(key, 0, row)
        return row

    def drop(self, gone: Callable[[int, int], bool]) -> None:
        """Forget the series for which `gone(bit, workload)`, e.g. of a workload that left this node."""
        kept = []
        for row in range(self.used):
            bit, _, _, local, _ = unpack(int(self.rows["key"][row]))
            if not gone(bit, local):
                kept.append(row)
            elif local != OVERFLOW:
                self.hold[bit] -= 1
        if len(kept) < self.used:
            self._hold_rows(with_only(self.rows, kept), len(kept))
