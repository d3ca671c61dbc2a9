# cython: annotation_typing=False
"""What is called, as label values: a number for each, bounded for each workload. Calls beyond have the number OTHER."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from weir_probe.streams.hashing import KeyHash

#: Distinct values of one workload: whatever paths its clients make up, its series are no more than this.
MAX_PER_WORKLOAD: Final = 128
#: Bytes of a value, type and endpoint together: the rest is left out.
MAX_TEXT: Final = 160
#: Type and endpoint of OTHER, which is no text (OpenTelemetry calls what is beyond a bound so, too).
OTHER_TEXT: Final = ("_OTHER", "_OTHER")
OTHER: Final = 0

ENDPOINT: Final = np.dtype(
    [
        ("hash", "<u8"),
        ("workload", "<u4"),
        ("size", "<u2"),  # of `text`
        ("type_size", "<u2"),  # of this, what is the type
        ("text", "u1", (MAX_TEXT,)),
    ]
)
_MAX_PER_WORKLOAD, _MAX_TEXT, _OTHER = MAX_PER_WORKLOAD, MAX_TEXT, OTHER


class Endpoints:
    """`rows[:used]` are in use; the first stands for OTHER."""

    def __init__(self) -> None:
        self.key = KeyHash()
        self.scratch = np.zeros(MAX_TEXT, np.uint8).data
        self.held = np.zeros(256, np.uint16).data  # by workload
        self._hold(np.zeros(256, ENDPOINT), 1)

    def _hold(self, rows: Any, used: int) -> None:
        """Take these rows as the table, with an index of twice their number."""
        self.rows = rows
        self.used = used
        self.capacity = len(rows)
        self.hash = rows["hash"].data
        self.workload = rows["workload"].data
        self.size = rows["size"].data
        self.type_size = rows["type_size"].data
        self.text = rows["text"].data
        self.index = np.zeros(2 * len(rows), np.int32).data  # 0: nothing
        for row in range(1, used):
            self._enter(row)

    def _enter(self, row: int) -> None:
        mask = 2 * self.capacity - 1
        place = self.hash[row] & mask
        while self.index[place]:
            place = (place + 1) & mask
        self.index[place] = row

    def find(self, workload: int, texts: Any, row: int, type_at: int, type_size: int, at: int, size: int) -> int:  # noqa: PLR0917
        """The number of what `texts[row]` names by type and endpoint, for this workload; OTHER: it has too many."""
        type_size = min(type_size, _MAX_TEXT // 4)
        size = min(size, _MAX_TEXT - type_size)
        hashed = workload << 8 | type_size
        for place in range(type_size):
            self.scratch[place] = texts[row, type_at + place]
        for place in range(size):
            self.scratch[type_size + place] = texts[row, at + place]
        size += type_size
        word = 0
        for place in range(size):
            word = word << 8 | self.scratch[place]
            if place & 7 == 7:
                hashed = self.key.of(hashed, word, 0, 0, 0)
                word = 0
        hashed = self.key.of(hashed, word, size, 0, 0)
        mask = 2 * self.capacity - 1
        spot = hashed & mask
        while self.index[spot]:
            found = self.index[spot]
            if (
                self.hash[found] == hashed
                and self.workload[found] == workload
                and self.type_size[found] == type_size
                and self._same(found, size)
            ):
                return found
            spot = (spot + 1) & mask
        return self._append(workload, hashed, type_size, size)

    def _same(self, row: int, size: int) -> bool:
        if self.size[row] != size:
            return False
        for place in range(size):
            if self.text[row, place] != self.scratch[place]:
                return False
        return True

    def _append(self, workload: int, hashed: int, type_size: int, size: int) -> int:
        while workload >= len(self.held):
            held = np.zeros(2 * len(self.held), np.uint16)
            held[: len(self.held)] = self.held
            self.held = held.data
        if self.held[workload] >= _MAX_PER_WORKLOAD:
            return _OTHER
        self.held[workload] += 1
        if self.used == self.capacity:
            grown = np.zeros(2 * self.capacity, ENDPOINT)
            grown[: self.used] = self.rows[: self.used]
            self._hold(grown, self.used)
        row = self.used
        self.hash[row] = hashed
        self.workload[row] = workload
        self.type_size[row] = type_size
        self.size[row] = size
        for place in range(size):
            self.text[row, place] = self.scratch[place]
        self.used += 1
        self._enter(row)
        return row

    def keep(self, numbers: Iterable[int]) -> dict[int, int]:
        """Forget all but these; returns which number each has from now on."""
        kept = [0, *sorted({*numbers} - {OTHER})]
        rows = np.zeros(max(256, 1 << (len(kept) - 1).bit_length()), ENDPOINT)
        rows[: len(kept)] = self.rows[kept]
        held = np.zeros(len(self.held), np.uint16)
        np.add.at(held, rows["workload"][1 : len(kept)], 1)
        self.held = held.data
        self._hold(rows, len(kept))
        return {before: now for now, before in enumerate(kept)}

    def name(self, number: int) -> tuple[str, str]:
        """Type and endpoint."""
        if number == OTHER:
            return OTHER_TEXT
        row = self.rows[number]
        text, split = row["text"][: row["size"]].tobytes(), int(row["type_size"])
        return printable(text[:split]), printable(text[split:])


def printable(text: bytes) -> str:
    """What is no UTF-8, and what moves the cursor of a terminal, as `\\x1b`."""
    decoded = text.decode("utf-8", "backslashreplace")
    if decoded.isprintable():
        return decoded
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in decoded)
