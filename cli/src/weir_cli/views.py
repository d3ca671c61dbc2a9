"""How rows are shown: a live table on a terminal; on a pipe, lines that are neither coloured nor cut."""

import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from weir_cli.subjects import MOST_ROWS, Subject
from weir_cli.text import Columns, printable


class View(ABC):
    """Where a running `weir up` shows itself."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject

    @property
    def limit(self) -> int:
        """How many rows it can show."""
        return MOST_ROWS

    @abstractmethod
    def show(self, rows: Sequence[Any], headline: str) -> None:
        """The rows of one interval. Raises BrokenPipeError when the reader has gone."""

    def say(self, text: str, bad: bool = False) -> None:  # noqa: ARG002 - no colours here
        """Something for the user that is not a row; `bad`: they should do something about it."""
        print(printable(text), file=sys.stderr, flush=True)

    def close(self) -> None:  # noqa: B027 - most views hold nothing
        """No more will be shown."""


class JsonLines(View):
    """One JSON object per row and interval."""

    def show(self, rows: Sequence[Any], headline: str) -> None:  # noqa: ARG002
        now = _now()
        for row in rows:
            print(json.dumps({"time": now, **self.subject.record(row)}))
        sys.stdout.flush()


class Lines(View):
    """One line of columns per row and interval."""

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self._columns = Columns(("TIME", *subject.headings), tuple(subject.numbers))
        self._begun = False

    def show(self, rows: Sequence[Any], headline: str) -> None:  # noqa: ARG002
        now = _now()
        if rows and not self._begun:
            self._begun = True
            print(self._columns.heading())
        for row in rows:
            print(self._columns.line((now, *self.subject.cells(row, human=False))))
        sys.stdout.flush()


def open_view(output: str, subject: Subject) -> View:
    """The view for `table` or `jsonl` on this standard output."""
    if output == "jsonl":
        return JsonLines(subject)
    if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        from weir_cli.table import LiveTable

        return LiveTable(subject)
    return Lines(subject)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
