"""Counters by (series, what happened): drops and resets by reason, retransmissions by state."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np

from weir_probe.export.series import OVERFLOW, unpack

#: `key` as in series.SERIES; `what`: kind << 56 | direction << 48 | state << 40 | reason, as streams.signals has these,
#: but for the direction: 0 sent by the workload, 1 received by it.
REASON: Final = np.dtype([("key", "<u8"), ("what", "<u8"), ("count", "<u8")])
#: Rows beside those of overflow series, of which there are few.
LIMIT: Final = 65_536

_ENDS = OVERFLOW << 27 | OVERFLOW
_ROLELESS = 0xFFFFFFFFFFFFFFFF ^ 1 << 57  # as SeriesTable's overflow series
_LIMIT = LIMIT
_WORD = 0xFFFFFFFFFFFFFFFF
_SPREAD = 0x9E3779B97F4A7C15


class ReasonTable:
    """`rows[:used]` are in use. Beyond the limit a row counts for the overflow series of its observation."""

    def __init__(self) -> None:
        self._hold_rows(np.zeros(256, REASON), 0)

    def _hold_rows(self, rows: np.ndarray, used: int) -> None:
        """Take these rows as the table, with an index of twice their number."""
        self.rows = rows
        self.used = used
        self.capacity = len(rows)
        self.key = rows["key"].data
        self.what = rows["what"].data
        self.counted = rows["count"].data
        self.index = np.full(2 * len(rows), -1, np.int32).data
        for row in range(used):
            self.index[self._place(int(rows["key"][row]), int(rows["what"][row]))] = row

    def add(self, key: int, what: int, count: int) -> None:
        """`count` more of `what` in the series `key`."""
        at = self._place(key, what)
        if self.index[at] < 0 and self.used >= _LIMIT and key & _ENDS != _ENDS:
            key = key & _ROLELESS | _ENDS
            at = self._place(key, what)
        if self.index[at] < 0:
            if self.used == self.capacity:
                grown = np.zeros(2 * self.capacity, REASON)
                grown[: self.used] = self.rows
                self._hold_rows(grown, self.used)
                at = self._place(key, what)
            self.index[at] = self.used
            self.key[self.used] = key
            self.what[self.used] = what
            self.used += 1
        self.counted[self.index[at]] += count

    def _place(self, key: int, what: int) -> int:
        """Where the row of `key` and `what` is in the index, or would be."""
        mask = 2 * self.capacity - 1
        at = (((key ^ ((what * _SPREAD) & _WORD)) * _SPREAD) & _WORD) >> 32 & mask
        while self.index[at] >= 0 and (self.key[self.index[at]] != key or self.what[self.index[at]] != what):
            at = (at + 1) & mask
        return at

    def drop(self, gone: Callable[[int, int], bool]) -> None:
        """As SeriesTable.drop."""
        kept = []
        for row in range(self.used):
            bit, _, _, local, _ = unpack(int(self.rows["key"][row]))
            if not gone(bit, local):
                kept.append(row)
        if len(kept) < self.used:
            rows = np.zeros(self.capacity, REASON)
            rows[: len(kept)] = self.rows[kept]
            self._hold_rows(rows, len(kept))


class What(NamedTuple):
    """What happened."""

    kind: int
    direction: int
    state: int
    reason: int


def read(rows: np.ndarray) -> Iterator[tuple[int, What, int]]:
    """Key, what and count of rows of REASON."""
    for key, what, count in rows.tolist():
        yield key, What(what >> 56, what >> 48 & 1, what >> 40 & 0xFF, what & 0xFFFFFFFF), count
