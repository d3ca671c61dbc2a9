# cython: annotation_typing=False
"""Rows of large tables that are needed soon: fetched into the cache while others are worked on."""

from typing import Any

import cython  # type: ignore[import-untyped]  # Cython's stubs are not under this name
import numpy.typing as npt

_LINE = 64  # bytes of a cache line


class Prefetch:
    """Of each row of a table, some bytes from a column on. A hint: it changes nothing, and does nothing uncompiled."""

    def __init__(self, column: npt.NDArray[Any], size: int) -> None:
        """`size` bytes from the column's first on. The table must stay where it is."""
        self.start = column.ctypes.data
        self.stride = column.strides[0]
        self.size = size

    def row(self, number: int) -> None:
        """Have these bytes of a row soon; any number will do."""
        if cython.compiled:
            at = self.start + number * self.stride
            end = at + self.size
            while at < end:
                __builtin_prefetch(cython.cast(cython.p_void, at))  # type: ignore[name-defined]  # noqa: F821  # C
                at = (at | _LINE - 1) + 1
