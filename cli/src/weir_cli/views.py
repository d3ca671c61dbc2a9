"""How flows are shown: a live table on a terminal; on a pipe, lines that are neither coloured nor cut."""

import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from weir_cli.text import Columns, endpoint, printable

if TYPE_CHECKING:
    from weir_probe.export.live import LiveFlow

HEADINGS: Final = ("PROTO", "SRC", "DST", "PACKETS/S", "BYTES/S", "PACKETS", "BYTES", "AGE", "STATE")
NUMBERS: Final = ("PACKETS/S", "BYTES/S", "PACKETS", "BYTES", "AGE")
#: Flows of one interval on a pipe; on a terminal, as many as it has lines.
MOST_FLOWS: Final = 1000


class View(ABC):
    """Where a running `weir up` shows itself."""

    @property
    def limit(self) -> int:
        """How many flows it can show."""
        return MOST_FLOWS

    @abstractmethod
    def show(self, flows: Sequence["LiveFlow"], headline: str) -> None:
        """The flows of one interval. Raises BrokenPipeError when the reader has gone."""

    def say(self, text: str, bad: bool = False) -> None:  # noqa: ARG002 - no colours here
        """Something for the user that is not a flow; `bad`: they should do something about it."""
        print(printable(text), file=sys.stderr, flush=True)

    def close(self) -> None:  # noqa: B027 - most views hold nothing
        """No more will be shown."""


class JsonLines(View):
    """One JSON object per flow and interval."""

    def show(self, flows: Sequence["LiveFlow"], headline: str) -> None:  # noqa: ARG002
        now = _now()
        for flow in flows:
            print(json.dumps({"time": now, **asdict(flow)}))
        sys.stdout.flush()


class Lines(View):
    """One line of columns per flow and interval."""

    def __init__(self) -> None:
        self._columns = Columns(("TIME", *HEADINGS), NUMBERS)
        self._begun = False

    def show(self, flows: Sequence["LiveFlow"], headline: str) -> None:  # noqa: ARG002
        now = _now()
        if flows and not self._begun:
            self._begun = True
            print(self._columns.heading())
        for flow in flows:
            print(self._columns.line((now, *cells(flow, str, lambda rate: f"{rate:.1f}"))))
        sys.stdout.flush()


def open_view(output: str) -> View:
    """The view for `table` or `jsonl` on this standard output."""
    if output == "jsonl":
        return JsonLines()
    if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        from weir_cli.table import LiveTable

        return LiveTable()
    return Lines()


def cells(flow: "LiveFlow", total: Callable[[int], str], rate: Callable[[float], str]) -> tuple[str, ...]:
    return (
        str(flow.protocol),
        printable(_end(flow.src, flow.src_address, flow.src_port)),
        printable(_end(flow.dst, flow.dst_address, flow.dst_port)),
        rate(flow.packets_per_s),
        rate(flow.bytes_per_s),
        total(flow.packets),
        total(flow.bytes),
        f"{flow.age_s:.0f}s",
        flow.state,
    )


def _end(name: str, address: str, port: int) -> str:
    """A workload by its name; others by class and address, `external 192.0.2.1:443`."""
    return endpoint(name, port) if "/" in name else f"{name} {endpoint(address, port)}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
