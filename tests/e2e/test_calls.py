"""From an observation's wish to calls of a real server: columns, metrics and records equal what the server counts."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from kube.node import PodNetns
from operator_process import CHECKOUT
from probe_process import Site
from weir_api.records import CallRecord

pytestmark = [pytest.mark.kube, pytest.mark.root]

PORT = 6379
SIGNALS = {"metrics": {"l7": True}, "callLogs": {"mode": "All"}}


class Redis:
    """A real server in a pod."""

    def __init__(self, pod: PodNetns) -> None:
        self.pod = pod
        command = ["redis-server", "--port", str(PORT), "--bind", *pod.ips, "--save", "", "--protected-mode", "no"]
        self.process = pod.popen(command, stdout=subprocess.DEVNULL)

    def ask(self, *words: str) -> str:
        """By its own client, from its own pod: over loopback, which nobody watches."""
        return self.pod.run(["redis-cli", "-h", self.pod.ips[0], "-p", str(PORT), *words], check=False).stdout

    def counted(self) -> dict[str, int]:
        """Calls by command, as the server counts them."""
        told = [line for line in self.ask("info", "commandstats").splitlines() if line.startswith("cmdstat_")]
        return {
            line.split(":")[0].removeprefix("cmdstat_"): int(line.split("calls=")[1].split(",")[0]) for line in told
        }


def bench(pod: PodNetns, address: str, count: int, *commands: str) -> None:
    """So many calls of each command, pipelined by 4 over 5 connections."""
    load = ["redis-benchmark", "-h", address, "-p", str(PORT), "-n", str(count), "-c", "5", "-P", "4", "-q"]
    pod.run([*load, "-t", ",".join(commands)])


def records(file: Path) -> list[dict[str, Any]]:
    files = sorted(file.parent.glob(f"{file.name}*"))
    return [json.loads(line) for each in files for line in each.read_bytes().splitlines()]


@pytest.mark.parametrize("rung", ["core", "afpacket"])
def test_apply_observe_read(bare_site: Site, tmp_path: Path, rung: str) -> None:
    site, file = bare_site, tmp_path / "calls.jsonl"
    site.run_probes("--capture", rung, "--export-calls-file", str(file))
    checkout, db = site.start("checkout-1"), site.start("db-1")
    server = Redis(db)
    site.plane.wait(lambda: "PONG" in server.ask("ping"), 30, "the server to answer")
    server.ask("config", "resetstat")

    site.observe("checkout", selector=CHECKOUT, signals=SIGNALS, redaction={"headers": ["x-key"]})
    site.wait("Ready", ("True", "Ready"))
    bench(checkout, db.ips[0], 2000, "get", "set", "incr")
    checkout.run(["redis-cli", "-h", db.ips[0], "-p", str(PORT), "incr", "key:__rand_int__", "not-a-number"])
    counted = {name: count for name, count in server.counted().items() if name in {"get", "set", "incr"}}
    assert counted["get"] >= 2000

    probe = site.probes[0]

    def called() -> dict[str, int]:
        page = [line for line in probe.page("/metrics").splitlines() if line.startswith("weir_calls_total{")]
        found: Counter[str] = Counter()
        for line in page:
            command = line.split('type="')[1].split('"')[0].lower()
            if command in counted and 'role="client"' in line:
                found[command] += int(float(line.rsplit(" ", 1)[1]))
        return dict(found)

    # what INCR refuses for its arguments the server does not count as a call
    site.plane.wait(
        lambda: {**called(), "incr": called().get("incr", 0) - 1} == counted, 30, f"{counted}, not {called()}"
    )
    assert probe.metric("weir_calls_total", type="incr", status="client_error", workload="checkout-1") == 1
    assert probe.metric("weir_probe_lost_calls_total") == 0

    columns: dict[str, str] = {}

    def shown() -> bool:
        header, row = site.plane.kubectl("get", "flowobservations", "-n", site.namespace).splitlines()
        names = ("RPS", "ERR%", "P99", "LOSS%")
        for name, behind in pairwise(names):
            columns[name] = row[header.index(name) : header.index(behind)].strip()
        return float(columns["RPS"] or 0) > 0 and columns["P99"].endswith("s")

    site.plane.wait(shown, 15, f"the columns to be filled: {columns}")
    assert 0 < float(columns["ERR%"]) < 5

    site.plane.wait(
        lambda: probe.metric("weir_probe_call_records_total", result="written") >= len(records(file)) > 0, 10, "records"
    )
    told = records(file)
    commands = Counter(call["type"].lower() for call in told if call["type"].lower() in counted)
    assert {**commands, "incr": commands["incr"] - 1} == counted
    assert all(CallRecord.model_validate(call).observations == [f"{site.namespace}/checkout"] for call in told)
    assert {call["src_workload"] for call in told} == {"Pod/checkout-1"}
    assert {(call["dst_namespace"], call["dst_workload"]) for call in told} == {(site.namespace, "Pod/db-1")}


def test_nothing_is_read_and_no_column_filled_before_somebody_asks(site: Site) -> None:
    checkout, db = site.start("checkout-1"), site.start("db-1")
    server = Redis(db)
    site.observe("checkout", selector=CHECKOUT)
    site.wait("Ready", ("True", "Ready"))
    site.plane.wait(lambda: "PONG" in server.ask("ping"), 30, "the server to answer")
    bench(checkout, db.ips[0], 200, "get")
    site.wait("DataFlowing", ("True", "Flowing"))
    assert "requestsPerSecond" not in site.get()["status"]["summary"]
    assert "weir_calls_total{" not in site.probes[0].page("/metrics")
    site.observe("checkout", selector=CHECKOUT, signals=SIGNALS)
    site.plane.wait(
        lambda: [issue["reason"] for issue in site.get()["status"].get("nodeIssues", [])] == ["CallLogsNotKept"],
        15,
        "to be told that this probe keeps no records",
    )
