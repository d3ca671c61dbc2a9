"""The live table on a terminal, drawn by rich (which honours NO_COLOR)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from weir_cli.text import amount, printable
from weir_cli.views import HEADINGS, NUMBERS, View, cells

if TYPE_CHECKING:
    from weir_probe.export.live import LiveFlow

#: Headline, heading, frame, and what was said last.
_OTHER_LINES: Final = 8
_FEWEST_FLOWS: Final = 5
_FEWEST_LETTERS: Final = 12
#: Columns of a terminal that totals have room on.
_WIDE: Final = 110
_ONLY_WIDE: Final = frozenset({"PACKETS", "BYTES"})
_ENDPOINTS: Final = ("SRC", "DST")
_SHORT: Final = {"PACKETS/S": "PKT/S", "BYTES/S": "B/S"}


class LiveTable(View):
    """The busiest flows, drawn again each interval; what is said scrolls above it."""

    def __init__(self) -> None:
        self._console = Console()
        self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")
        self._begun = False

    @property
    def limit(self) -> int:
        return max(_FEWEST_FLOWS, self._console.size.height - _OTHER_LINES)

    def show(self, flows: Sequence["LiveFlow"], headline: str) -> None:
        table = self._table([cells(flow, amount, amount) for flow in flows[: self.limit]])
        if not self._begun:
            self._begun = True
            self._live.start()
        self._live.update(Group(Text(""), Text(printable(headline), style="dim"), table), refresh=True)

    def _table(self, rows: Sequence[Sequence[str]]) -> Table:
        """A narrow terminal shows no totals; endpoints share what the other columns leave."""
        shown = [h for h in HEADINGS if self._console.width >= _WIDE or h not in _ONLY_WIDE]
        table = Table(box=None, pad_edge=False, header_style="bold")
        widths = {h: max(len(_SHORT.get(h, h)), *(len(row[HEADINGS.index(h)]) for row in rows), 0) for h in shown}
        others = sum(width for h, width in widths.items() if h not in _ENDPOINTS) + 2 * (len(shown) - 1)
        room = max(_FEWEST_LETTERS, (self._console.width - others) // len(_ENDPOINTS))
        for h in shown:
            width = min(widths[h], room) if h in _ENDPOINTS else widths[h]
            justify: Literal["left", "right"] = "right" if h in NUMBERS else "left"
            table.add_column(_SHORT.get(h, h), justify=justify, width=width, no_wrap=True, overflow="ellipsis")
        for row in rows:
            table.add_row(*(Text(row[HEADINGS.index(h)]) for h in shown))
        return table

    def say(self, text: str, bad: bool = False) -> None:
        self._console.print(Text(printable(text), style="red" if bad else ""))

    def close(self) -> None:
        self._live.stop()
