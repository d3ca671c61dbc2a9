"""The live table on a terminal, drawn by rich (which honours NO_COLOR)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

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
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in HEADINGS:
            table.add_column(heading, justify="right" if heading in NUMBERS else "left", no_wrap=True)
        for flow in flows[: self.limit]:
            table.add_row(*(Text(cell) for cell in cells(flow, amount, amount)))
        if not self._begun:
            self._begun = True
            self._live.start()
        self._live.update(Group(Text(""), Text(printable(headline), style="dim"), table), refresh=True)

    def say(self, text: str, bad: bool = False) -> None:
        self._console.print(Text(printable(text), style="red" if bad else ""))

    def close(self) -> None:
        self._live.stop()
