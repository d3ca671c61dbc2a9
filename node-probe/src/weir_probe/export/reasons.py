"""Counters by (series, what happened): drops and resets by reason, retransmissions by state."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np

from weir_probe.export.rowindex import RowIndex, grown, with_only
from weir_probe.export.series import OVERFLOW, unpack

#: `key` as in series.SERIES; `what`: kind << 56 | direction << 48 | state << 40 | reason, as streams.signals has these,
#: but for the direction: 0 sent by the workload, 1 received by it.
REASON: Final = np.dtype([("key", "<u8"), ("what", "<u8"), ("count", "<u8")])
#: Rows beside those of overflow series, of which there are few.
LIMIT: Final = 65_536

_ENDS = OVERFLOW << 27 | OVERFLOW
_ROLELESS = 0xFFFFFFFFFFFFFFFF ^ 1 << 57  # as SeriesTable's overflow series
_LIMIT = LIMIT


class ReasonTable:
    """`rows[:used]` are in use. Beyond the limit a row counts for the overflow series of its observation."""

    def __init__(self) -> None:
        self.index = RowIndex()
        self._hold_rows(np.zeros(256, REASON), 0)

    def _hold_rows(self, rows: np.ndarray, used: int) -> None:
        """Take these rows as the table."""
        self.rows = rows
        self.used = used
        self.capacity = len(rows)
        self.key = rows["key"].data
        self.what = rows["what"].data
        self.counted = rows["count"].data
        self.index.hold(len(rows))
        for row in range(used):
            self.index.enter(self.key[row], self.what[row], row)

    def add(self, key: int, what: int, count: int) -> None:
        """`count` more of `what` in the series `key`."""
        at = self.index.find(key, what)
        if at < 0 and self.used >= _LIMIT and key & _ENDS != _ENDS:
            key = key & _ROLELESS | _ENDS
            at = self.index.find(key, what)
        if at < 0:
            at = self._append(key, what)
        self.counted[at] += count

    def _append(self, key: int, what: int) -> int:
        if self.used == self.capacity:
            self._hold_rows(grown(self.rows), self.used)
        row = self.used
        self.key[row] = key
        self.what[row] = what
        self.used += 1
        self.index.enter(key, what, row)
        return row

    def drop(self, gone: Callable[[int, int], bool]) -> None:
        """As SeriesTable.drop."""
        kept = []
        for row in range(self.used):
            bit, _, _, local, _ = unpack(int(self.rows["key"][row]))
            if not gone(bit, local):
                kept.append(row)
        if len(kept) < self.used:
            self._hold_rows(with_only(self.rows, kept), len(kept))


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
