"""The live table on a terminal, drawn by rich (which honours NO_COLOR)."""

from collections.abc import Sequence
from typing import Any, Final, Literal

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from weir_cli.subjects import Subject
from weir_cli.text import printable
from weir_cli.views import View

#: Headline, heading, frame, and what was said last.
_OTHER_LINES: Final = 8
_FEWEST_ROWS: Final = 5
_FEWEST_LETTERS: Final = 12
#: Columns of a terminal that has room for the subject's `extra` ones.
_ROOMY: Final = 110


class LiveTable(View):
    """The rows of the last interval, drawn again each time; what is said scrolls above them."""

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self._console = Console()
        self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")
        self._begun = False

    @property
    def limit(self) -> int:
        return max(_FEWEST_ROWS, self._console.size.height - _OTHER_LINES)

    def show(self, rows: Sequence[Any], headline: str) -> None:
        table = self._table([self.subject.cells(row, human=True) for row in rows[: self.limit]])
        if not self._begun:
            self._begun = True
            self._live.start()
        self._live.update(Group(Text(""), Text(printable(headline), style="dim"), table), refresh=True)

    def _table(self, rows: Sequence[Sequence[str]]) -> Table:
        """A narrow terminal shows fewer columns; the wide ones share what the others leave."""
        subject = self.subject
        headings, short = subject.headings, subject.short
        shown = [h for h in headings if self._console.width >= _ROOMY or h not in subject.extra]
        table = Table(box=None, pad_edge=False, header_style="bold")
        widths = {h: max(len(short.get(h, h)), *(len(row[headings.index(h)]) for row in rows), 0) for h in shown}
        others = sum(width for h, width in widths.items() if h not in subject.wide) + 2 * (len(shown) - 1)
        room = max(_FEWEST_LETTERS, (self._console.width - others) // len(subject.wide))
        for h in shown:
            width = min(widths[h], room) if h in subject.wide else widths[h]
            justify: Literal["left", "right"] = "right" if h in subject.numbers else "left"
            table.add_column(short.get(h, h), justify=justify, width=width, no_wrap=True, overflow="ellipsis")
        for row in rows:
            table.add_row(*(Text(row[headings.index(h)]) for h in shown))
        return table

    def say(self, text: str, bad: bool = False) -> None:
        self._console.print(Text(printable(text), style="red" if bad else ""))

    def close(self) -> None:
        self._live.stop()
