"""Names that were made to harm who reads them: they reach terminals, metrics and files as text that does nothing."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

pytestmark = pytest.mark.root

#: A terminal escape, quotes, a backslash, a line break, a label of its own, and bytes that are no UTF-8.
_HOSTILE = os.fsdecode(b'lab.\x1b]0;x\x07\x1b[2J"\\\n{a="1"} 1 \xff\xfe')
_READ = '\x1b]0;x\x07\x1b[2J"\\\n{a="1"} 1 \ufffd\ufffd'
_LONG = "lab." + "n" * 251  # as long as the name of a file may be
_EVERYTHING = """
apiVersion: weir.dev/v1alpha1
kind: FlowObservation
metadata: {name: everything, namespace: lab}
spec: {selector: {all: true}, signals: {flowLogs: {mode: All, interval: 1s}}}
"""


def _ping(world: Any) -> None:
    world.run("ip", "netns", "exec", _LONG, "ping", "-c", "2", "-i", "0.2", "10.9.0.1")


def test_names_of_workloads(world: Any, tmp_path: Path) -> None:
    world.connect(_HOSTILE, _LONG)
    policies, records = tmp_path / "policies", tmp_path / "records.jsonl"
    policies.mkdir()
    (policies / "everything.yaml").write_text(_EVERYTHING)
    up = world.weir("up", "--policies", policies, "--export-file", records)

    def peers() -> set[str]:
        _ping(world)
        page = world.run("curl", "-s", "--max-time", "5", "http://127.0.0.1:9790/metrics", check=False)
        families = {each.name: each for each in text_string_to_metric_families(page)}
        samples = families["weir_flow_packets"].samples if "weir_flow_packets" in families else []
        return {sample.labels["peer_workload"] for sample in samples}

    up.wait_for(lambda: {_READ, _LONG.removeprefix("lab.")} <= peers())
    up.wait_for(lambda: "lab/" in up.out)
    assert up.stop(signal.SIGTERM) == 0
    assert not [character for character in up.out + up.err if not (character.isprintable() or character == "\n")]
    written = [json.loads(line) for line in records.read_text().splitlines()]
    ends = {each[side].rpartition("/")[2] for each in written for side in ("src_workload", "dst_workload")}
    assert {_READ, _LONG.removeprefix("lab.")} <= ends
