"""What a running `weir up` shows: flows, or calls. How it is shown is in views.py."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar, Final

from weir_cli.text import amount, endpoint, printable

if TYPE_CHECKING:
    from weir_probe.agent import Agent
    from weir_probe.export.live import LiveFlow

#: Rows of one interval on a pipe; on a terminal, as many as it has lines.
MOST_ROWS: Final = 1000


class Subject(ABC):
    """Rows, and their columns. `numbers` stand right, `wide` ones share what the others leave of a terminal's width,
    and `extra` ones are shown where there is much of it."""

    headings: ClassVar[tuple[str, ...]]
    numbers: ClassVar[frozenset[str]]
    wide: ClassVar[frozenset[str]]
    extra: ClassVar[frozenset[str]]
    short: ClassVar[dict[str, str]] = {}
    #: Rows that the probe keeps of each kind.
    live_flows: ClassVar[int] = 0
    live_calls: ClassVar[int] = 0

    @abstractmethod
    def rows(self, agent: "Agent", limit: int) -> Sequence[Any]:
        """Those of the last interval, at most `limit`."""

    @abstractmethod
    def cells(self, row: Any, *, human: bool) -> tuple[str, ...]:
        """A row's columns. `human`: quantities with prefixes."""

    @abstractmethod
    def record(self, row: Any) -> dict[str, Any]:
        """A row as a JSON object."""


class Flows(Subject):
    """The busiest flows."""

    headings = ("PROTO", "SRC", "DST", "PACKETS/S", "BYTES/S", "PACKETS", "BYTES", "AGE", "STATE")
    numbers = frozenset({"PACKETS/S", "BYTES/S", "PACKETS", "BYTES", "AGE"})
    wide = frozenset({"SRC", "DST"})
    extra = frozenset({"PACKETS", "BYTES"})
    short: ClassVar = {"PACKETS/S": "PKT/S", "BYTES/S": "B/S"}
    live_flows = MOST_ROWS

    def rows(self, agent: "Agent", limit: int) -> Sequence[Any]:
        return [flow for flow in agent.live_flows(limit) if flow.packets_per_s > 0]

    def cells(self, row: Any, *, human: bool) -> tuple[str, ...]:
        flow: LiveFlow = row
        rate, total = (amount, amount) if human else ("{:.1f}".format, str)
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

    def record(self, row: Any) -> dict[str, Any]:
        return asdict(row)


class Calls(Subject):
    """The last calls, whatever of them is logged: call records (docs/reference/records.md)."""

    headings = ("PROTO", "SRC", "DST", "CALL", "STATUS", "CODE", "LATENCY")
    numbers = frozenset({"CODE", "LATENCY"})
    wide = frozenset({"SRC", "DST", "CALL"})
    extra = frozenset({"CODE"})
    live_calls = MOST_ROWS

    def rows(self, agent: "Agent", limit: int) -> Sequence[Any]:
        return [json.loads(line) for line in agent.live_calls(limit)]

    def cells(self, row: Any, *, human: bool) -> tuple[str, ...]:  # noqa: ARG002 -- a latency reads the same
        latency_us = row.get("latency_us")
        what = row.get("resource") or row.get("endpoint") or row.get("domain", "")
        type_ = row.get("type", "")
        return (
            row["protocol"],
            printable(_side(row, "src")),
            printable(_side(row, "dst")),
            printable(what if what.startswith(type_) else f"{type_} {what}").replace("\n", "?"),
            row["status"],
            printable(str(row.get("code", ""))),
            "" if latency_us is None else f"{latency_us / 1000:.3f}ms",
        )

    def record(self, row: Any) -> dict[str, Any]:
        record: dict[str, Any] = row
        return record


def _end(name: str, address: str, port: int) -> str:
    """A workload by its name; others by class and address, `external 192.0.2.1:443`."""
    return endpoint(name, port) if "/" in name else f"{name} {endpoint(address, port)}"


def _side(call: dict[str, Any], side: str) -> str:
    """One end of a call record, as flows tell it."""
    namespace, workload = call[f"{side}_namespace"], call[f"{side}_workload"]
    name = f"{namespace}/{workload.rpartition('/')[2]}" if namespace else workload
    return _end(name, call[side], call[f"{side}_port"])
