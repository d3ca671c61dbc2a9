"""Call records from an observation's wish to a file: who is named, what is kept, what becomes of it on a full disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from counted.office import COLUMN, Office
from disks import fill, small
from weir_api.flowobservation import CallLogMode, CallLogs, Protocols
from weir_api.nodeprobe import PlannedCalls, PlannedObservation
from weir_api.records import CallRecord
from weir_api.selector import Selector, Workload
from weir_probe.export.behind import Behind
from weir_probe.export.calls.harvest import CallHarvest
from weir_probe.export.calls.records import CallBlock
from weir_probe.export.calls.wanted import issues
from weir_probe.export.jsonl import LEAST_BYTES, JsonLines
from weir_probe.export.names import Names
from weir_probe.export.peers import default_classes
from weir_probe.export.series import SeriesTable
from weir_probe.export.sink import Queued, WriteError
from weir_probe.plan.pods import LocalPod
from weir_probe.protocols.registry import PROTOCOLS

ALL = CallLogs(mode=CallLogMode.ALL)


def observation(name: str, calls: PlannedCalls | None) -> PlannedObservation:
    selector = Selector(all=True)
    return PlannedObservation(
        namespace="shop", name=name, uid=name, generation=1, namespaces=["shop"], selector=selector, calls=calls
    )


class Desk:
    """Calls of an office, exported as on a node: shop/web is behind interface 1."""

    def __init__(self, file: Path) -> None:
        self.office = Office()
        self.file = file
        self.sink = Queued(JsonLines(file), what="call records")
        names = Names(default_classes([]))
        behind = Behind(names)
        self.harvest = CallHarvest(
            self.office.slots,
            PROTOCOLS,
            behind=behind,
            counted_by=np.zeros(64, np.uint64),
            names=names,
            flows=SeriesTable(),
            node="node-1",
            window_ticks=3,
            live_rows=2,
            sink=self.sink,
        )
        web = Workload(namespace="shop", name="web-7f9", labels={}, owners=frozenset({("Deployment", "web")}))
        behind.put(1, LocalPod(web, "web-7f9", ("Deployment", "web")))

    def observe(self, **wanted: PlannedCalls | None) -> None:
        self.harvest.observe(
            [observation(name, calls) for name, calls in wanted.items()], {name: bit for bit, name in enumerate(wanted)}
        )

    def take(self) -> None:
        self.harvest.consume(self.office.book, patient=True)
        self.office.book.release()

    def records(self) -> list[dict[str, Any]]:
        self.sink.close()
        return [json.loads(line) for line in self.file.read_bytes().splitlines()] if self.file.exists() else []


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "calls.jsonl")


def test_a_record_names_both_ends_and_who_asked(desk: Desk) -> None:
    desk.observe(checkout=PlannedCalls(logs=ALL), audit=PlannedCalls(logs=ALL), other=PlannedCalls(metrics=True))
    desk.office.call(desk.office.between("10.0.0.1", "8.8.8.8", observations=0b111), "GET", took_ns=2_000_000)
    desk.take()
    (record,) = desk.records()
    told = CallRecord.model_validate(record)
    assert (told.node, told.observations) == ("node-1", ["shop/checkout", "shop/audit"])
    assert (told.src_namespace, told.src_workload, told.src_pod) == ("shop", "Deployment/web", "web-7f9")
    assert (told.dst_namespace, told.dst_workload, told.dst_pod) == ("", "external", "")
    assert (told.type, told.status, told.latency_us) == ("GET", "ok", 2000)


def test_errors_and_slow_are_those_of_a_second_where_nothing_is_said(desk: Desk) -> None:
    desk.observe(checkout=PlannedCalls(logs=CallLogs(mode=CallLogMode.ERRORS_AND_SLOW)))
    between = desk.office.between()
    for took_ns, status in ((999_999_999, "ok"), (1_000_000_000, "ok"), (1, "client_error")):
        desk.office.call(between, took_ns=took_ns, status=status)
    desk.take()
    assert [record["latency_us"] for record in desk.records()] == [1_000_000, 0.001]


def test_another_observation_with_the_bit_of_one_that_ended_starts_at_zero(desk: Desk) -> None:
    desk.observe(checkout=PlannedCalls(metrics=True))
    between = desk.office.between()
    desk.office.call(between)
    desk.take()
    first = desk.harvest.measured(0)
    assert first is not None
    assert first.total == 1
    desk.harvest.forget({0})
    desk.harvest.series.drop(lambda bit, _workload: bit == 0)
    desk.observe(next=PlannedCalls(logs=ALL))
    assert desk.harvest.series.used == 0
    desk.office.call(between)
    desk.take()
    second = desk.harvest.measured(0)
    assert second is not None
    assert second.total == 1
    assert [record["observations"] for record in desk.records()] == [["shop/next"]]


def test_an_observation_without_calls_is_told_nothing(desk: Desk) -> None:
    desk.observe(flows=None)
    desk.office.call(desk.office.between())
    desk.take()
    assert desk.harvest.measured(0) is None
    assert desk.records() == []


def test_without_detection_only_what_ports_fix_is_wanted(desk: Desk) -> None:
    only = Protocols.model_validate({"detect": False, "ports": [{"port": 5353, "protocol": "dns"}]})
    desk.observe(checkout=PlannedCalls(logs=ALL, protocols=only))
    desk.office.call(desk.office.between())
    desk.take()
    assert desk.records() == []


def test_rates_and_latencies_of_the_last_window(desk: Desk) -> None:
    desk.observe(checkout=PlannedCalls(metrics=True))
    desk.harvest.end_tick(10.0)
    between = desk.office.between()
    for number in range(30):
        desk.office.call(between, status="timeout" if number < 3 else "ok", took_ns=None if number < 3 else 1_000_000)
    desk.take()
    desk.harvest.end_tick(12.0)
    measured = desk.harvest.measured(0)
    assert measured is not None
    assert (measured.requests_per_second, measured.errors_per_second) == (15.0, 1.5)
    assert measured.latency is not None
    assert measured.latency.counts == [27]
    for second in (13.0, 14.0, 15.0):
        desk.harvest.end_tick(second)
    measured = desk.harvest.measured(0)
    assert measured is not None
    assert (measured.requests_per_second, measured.latency, measured.total) == (0.0, None, 30)


def test_the_last_calls_are_there_to_be_shown(desk: Desk) -> None:
    desk.observe(checkout=PlannedCalls(metrics=True))
    between = desk.office.between()
    for type_ in ("GET", "SET", "DEL"):
        desk.office.call(between, type_)
    desk.take()
    desk.take()
    assert [json.loads(line)["type"] for line in desk.harvest.live] == ["SET", "DEL"]


def test_what_this_probe_cannot_do_is_an_issue() -> None:
    only = Protocols(include=["redis", "rediss"])
    found = issues(PlannedCalls(logs=ALL, protocols=only), kept=False)
    assert [reason for reason, _ in found] == ["UnknownProtocol", "CallLogsNotKept"]
    assert "rediss" in found[0][1]
    assert issues(PlannedCalls(logs=ALL, protocols=Protocols(include=["redis"])), kept=True) == []
    assert issues(PlannedCalls(metrics=True), kept=False) == []
    assert issues(None, kept=False) == []


# --- blocks on disks


def block(count: int, text: bytes = b"x" * 200) -> CallBlock:
    desk = Office()
    between = desk.between()
    for _ in range(count):
        desk.call(between, texts={COLUMN["resource"]: text})
    lines = b"".join(json.dumps(line).encode() + b"\n" for line in desk.lines())
    return CallBlock(lines, count)


@pytest.mark.parametrize("size", [10, 1000])
def test_a_block_is_told_in_whole_lines(size: int) -> None:
    whole = block(500, b"x" * size)
    parts = list(whole.lines())
    assert b"".join(parts) == whole.text
    assert all(part.endswith(b"\n") and len(part) <= 64 << 10 for part in parts)
    long = CallBlock(b"{" + b"x" * 100_000 + b"}\n" + b"{}\n", 2)
    assert [len(part) for part in long.lines()] == [100_003, 3]


def test_rotation_loses_no_call(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    sink = JsonLines(path, max_bytes=LEAST_BYTES, files=20)
    for _ in range(5):
        sink.write(block(300))
    sink.close()
    files = sorted(tmp_path.iterdir())
    assert len(files) > 2
    assert all(file.stat().st_size <= LEAST_BYTES for file in files)
    assert sum(file.read_bytes().count(b"\n") for file in files) == 1500


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small(tmp_path) as disk:
        yield disk


@pytest.mark.root
def test_a_full_disk_loses_what_it_says(small_disk: Path) -> None:
    path = small_disk / "calls.jsonl"
    sink = JsonLines(path)
    sink.write(block(50))
    ballast = fill(small_disk, 64 << 10)
    lost = 0
    for _ in range(4):
        try:
            sink.write(block(100))
        except WriteError as error:
            lost += error.lost
    assert 0 < lost < 400
    ballast.unlink()
    sink.write(block(50))
    lines = path.read_bytes().splitlines()
    assert len(lines) == 500 - lost
    assert all(json.loads(line)["protocol"] == "Redis" for line in lines)
