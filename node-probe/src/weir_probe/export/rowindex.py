# cython: annotation_typing=False
"""Which row of a table a key has: open addressing, for tables that grow and are never more than half full."""

from typing import Any

import numpy as np
import numpy.typing as npt

_WORD, _SPREAD = 0xFFFFFFFFFFFFFFFF, 0x9E3779B97F4A7C15


class RowIndex:
    """Of keys of two 64-bit words. Who holds the rows enters each once, and holds the index anew when they move."""

    def __init__(self) -> None:
        self.hold(1)

    def hold(self, capacity: int) -> None:
        """Begin empty, for so many rows, a power of two."""
        self.mask = 2 * capacity - 1
        self.first = np.zeros(2 * capacity, np.uint64).data
        self.second = np.zeros(2 * capacity, np.uint64).data
        self.row = np.full(2 * capacity, -1, np.int32).data

    def find(self, first: int, second: int) -> int:
        """The row of a key, -1: it has none."""
        return self.row[self._place(first, second)]

    def enter(self, first: int, second: int, row: int) -> None:
        """A key that has no row yet has this one."""
        at = self._place(first, second)
        self.first[at] = first
        self.second[at] = second
        self.row[at] = row

    def _place(self, first: int, second: int) -> int:
        hashed = ((first * _SPREAD) & _WORD) ^ second
        hashed = ((hashed ^ hashed >> 31) * _SPREAD) & _WORD
        at = hashed >> 32 & self.mask
        while self.row[at] >= 0 and (self.first[at] != first or self.second[at] != second):
            at = (at + 1) & self.mask
        return at


def grown(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A table twice as long, which begins with these rows."""
    return np.concatenate([rows, np.zeros(len(rows), rows.dtype)])


def with_only(rows: npt.NDArray[Any], kept: list[int]) -> npt.NDArray[Any]:
    """A table as long as `rows`, which begins with those that are kept."""
    left = np.zeros(len(rows), rows.dtype)
    left[: len(kept)] = rows[kept]
    return left
