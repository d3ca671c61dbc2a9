"""`weir up --what calls`: the calls of a real server, as they are made, and their records in a file."""

import json
from pathlib import Path
from typing import Any

import pytest

from weir_cli.subjects import Calls

pytestmark = pytest.mark.root

_POLICY = """
apiVersion: weir.dev/v1alpha1
kind: FlowObservation
metadata: {name: cache, namespace: lab}
spec:
  selector: {podSelector: {matchLabels: {app: server}}}
  signals: {metrics: {l7: true}, callLogs: {mode: ErrorsAndSlow, slowerThan: 10s}}
"""


@pytest.fixture
def lab(world: Any) -> Any:
    """A Redis in lab/server, which lab/client can reach."""
    world.connect("lab.server", "lab.client")
    options = ("--bind", "10.9.0.1", "--protected-mode", "no", "--save", "")
    world.start("ip", "netns", "exec", "lab.server", "redis-server", *options)
    return world


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "cache.yaml").write_text(_POLICY)
    return folder


def ask(lab: Any, *words: str) -> str:
    answer: str = lab.run("ip", "netns", "exec", "lab.client", "redis-cli", "-h", "10.9.0.1", *words, check=False)
    return answer


def test_calls_are_shown_as_they_are_made_and_the_failed_ones_kept(lab: Any, policies: Path, tmp_path: Path) -> None:
    records = tmp_path / "calls.jsonl"
    up = lab.weir("up", "--policies", policies, "--what", "calls", "-o", "jsonl", "--export-calls-file", records)
    up.wait_for(lambda: "observing 1 workload" in up.err, 60)
    up.wait_for(lambda: ask(lab, "set", "key", "1") == "OK\n" and any(row["type"] == "set" for row in up.rows()), 60)
    row = next(row for row in up.rows() if row["type"] == "set")
    assert (row["src_workload"], row["dst_workload"], row["dst_port"]) == ("Pod/client", "Pod/server", 6379)
    assert (row["protocol"], row["resource"], row["status"], row["observations"]) == (
        "Redis",
        "set key 1",
        "ok",
        ["lab/cache"],
    )
    assert 0 < row["latency_us"] < 5_000_000
    assert "ERR" in ask(lab, "nonsense", "\x1b[2J")
    up.wait_for(lambda: any(row["status"] == "client_error" for row in up.rows()), 30)
    assert up.stop() == 0
    (kept,) = map(json.loads, records.read_bytes().splitlines())
    assert (kept["type"], kept["status"], kept["resource"]) == ("nonsense", "client_error", "nonsense \x1b[2J")


def test_a_pipe_gets_columns_that_move_no_cursor(lab: Any, policies: Path) -> None:
    up = lab.weir("up", "--policies", policies, "--what", "calls")
    up.wait_for(lambda: "observing 1 workload" in up.err, 60)
    up.wait_for(lambda: "ERR" in ask(lab, "nonsense", "\x1b[2J") and "nonsense" in up.out, 60)
    assert up.out.splitlines()[0].split() == ["TIME", *Calls.headings]
    assert "\x1b" not in up.out
    line = next(line for line in up.out.splitlines() if "nonsense" in line)
    assert "lab/client:" in line
    assert "lab/server:6379" in line
    assert "client_error" in line
