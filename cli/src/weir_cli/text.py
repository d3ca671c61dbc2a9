"""Text for people: columns, endpoints, quantities. Nothing here cuts; what is too long makes its column wider."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

#: Rows that are looked at for the width of a column before the first is printed, so that a table can be endless.
_LOOK_AHEAD: Final = 1000


class Columns:
    """Lines of aligned cells. `right` are the headings of columns with numbers."""

    def __init__(self, headings: Sequence[str], right: Sequence[str] = ()) -> None:
        self._headings = headings
        self._right = [heading in right for heading in headings]
        self._widths = [len(heading) for heading in headings]

    def heading(self) -> str:
        return self.line(self._headings)

    def line(self, cells: Sequence[str]) -> str:
        """One row; a column never gets narrower again."""
        self._fit(cells)
        padded = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(cells, self._widths, self._right, strict=True)
        )
        return "  ".join(padded).rstrip()

    def lines(self, rows: Iterable[Sequence[str]]) -> Iterator[str]:
        """The heading and all rows."""
        rest = iter(rows)
        first = list(itertools.islice(rest, _LOOK_AHEAD))
        for cells in first:
            self._fit(cells)
        yield self.heading()
        for cells in itertools.chain(first, rest):
            yield self.line(cells)

    def _fit(self, cells: Sequence[str]) -> None:
        self._widths = [max(width, len(cell)) for width, cell in zip(self._widths, cells, strict=True)]


def endpoint(name: str, port: int) -> str:
    """`10.0.0.1:80`, `[fd00::1]:80`, `shop/web:80`; without the port where the protocol has none."""
    if port == 0:
        return name
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def printable(text: str) -> str:
    """Without control characters: names of files and namespaces are not to move the cursor of a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def plural(number: int, noun: str) -> str:
    """`1 flow`, `2 flows`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def amount(value: float) -> str:
    """Three digits and a decimal prefix: 950, 1.23k, 45.6M."""
    for unit in ("", "k", "M", "G", "T"):
        if abs(value) < 999.5:
            return f"{value:.3g}{unit}"
        value /= 1000
    return f"{value:.3g}P"
