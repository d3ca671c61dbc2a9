"""`weir up` as a user runs it: on real network namespaces, by real eBPF, in a world of the test's own."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from weir_cli.subjects import Flows

pytestmark = pytest.mark.root

_SERVER = """
import socket, sys
listener = socket.create_server((sys.argv[1], 8000), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
while True:
    connection, _ = listener.accept()
    while connection.recv(65536):
        connection.sendall(b"y" * 700)
    connection.close()
"""
_CLIENT = """
import socket, sys, time
while True:
    try:
        connection = socket.create_connection((sys.argv[1], 8000), 5)
        break
    except OSError:  # the server has not begun yet
        time.sleep(0.05)
while True:
    connection.sendall(b"x" * 300)
    connection.recv(65536)
    time.sleep(0.05)
"""
_EVERYTHING = """
apiVersion: weir.dev/v1alpha1
kind: FlowObservation
metadata: {name: everything, namespace: lab}
spec: {selector: {all: true}, signals: {flowLogs: {mode: All, interval: 1s}}}
"""


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    folder.mkdir()
    return folder


@pytest.fixture
def lab(world: Any) -> Any:
    """lab/client talks to lab/server over IPv4 and IPv6 all the time; a namespace `idle` does nothing."""
    world.connect("lab.server", "lab.client", "idle")
    for address in ("10.9.0.1", "fd00:9::1"):
        world.start("ip", "netns", "exec", "lab.server", sys.executable, "-c", _SERVER, address)
        world.start("ip", "netns", "exec", "lab.client", sys.executable, "-c", _CLIENT, address)
    return world


def _of(rows: list[dict[str, Any]], address: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["dst_address"] == address and row["dst_port"] == 8000]


def _scrape(world: Any, port: int = 9790) -> str:
    text: str = world.run("curl", "-s", "--max-time", "5", f"http://127.0.0.1:{port}/metrics", check=False)
    return text


def test_flows_have_names_and_bytes_and_nothing_remains(lab: Any, policies: Path, tmp_path: Path) -> None:
    (policies / "everything.yaml").write_text(_EVERYTHING)
    records = tmp_path / "records.jsonl"
    up = lab.weir("up", "--policies", policies, "-o", "jsonl", "--export-file", records)
    up.wait_for(lambda: all(len(_of(up.rows(), a)) >= 2 for a in ("10.9.0.1", "fd00:9::1")))
    for address in ("10.9.0.1", "fd00:9::1"):
        row = _of(up.rows(), address)[-1]
        assert (row["src"], row["dst"], row["protocol"], row["state"]) == ("lab/client", "lab/server", "TCP", "open")
        assert row["bytes"] > row["packets"] * 60
        assert row["bytes_per_s"] > 0
    series = [line for line in _scrape(lab).splitlines() if line.startswith("weir_flow_bytes_total{")]
    # TCP alone: a neighbour solicitation (ICMPv6) may be all that went one way
    named = [s for s in series if all(label in s for label in ('="server"', 'peer_workload="client"', '="tcp"'))]
    assert named
    silent = [s for s in named if float(s.rpartition(" ")[2]) == 0]
    assert silent == []
    assert "idle" not in "".join(series)
    # two workloads are selected, and only their interfaces are watched
    assert lab.hooks() == ["v1", "v2"]

    assert up.stop(signal.SIGTERM) == 0
    assert lab.hooks() == []
    assert lab.netns() == ["idle", "lab.client", "lab.server"]
    assert "stored" in up.err
    assert '"src_workload"' in records.read_text()


def test_only_flows_with_the_peers_that_a_policy_names(lab: Any, policies: Path) -> None:
    peers = "{workloads: [{kind: Pod, name: server}], namespaces: [lab]}"
    for name, selector in (
        ("by-name", f"{{podSelector: {{matchLabels: {{app: client}}}}, peers: {peers}}}"),
        ("by-range", "{podSelector: {matchLabels: {app: client}}, peers: {cidrs: [10.9.0.0/24]}}"),
        ("nobody", "{podSelector: {matchLabels: {app: client}}, peers: {podSelector: {matchLabels: {app: none}}}}"),
    ):
        (policies / f"{name}.yaml").write_text(
            "apiVersion: weir.dev/v1alpha1\nkind: FlowObservation\n"
            f"metadata: {{name: {name}, namespace: lab}}\nspec: {{selector: {selector}}}\n"
        )
    up = lab.weir("up", "--policies", policies, "-o", "jsonl")
    up.wait_for(lambda: all(len(_of(up.rows(), a)) >= 2 for a in ("10.9.0.1", "fd00:9::1")))
    found = {
        name: [
            line for line in _scrape(lab).splitlines() if line.startswith("weir_connections") and f'="{name}"' in line
        ]
        for name in ("by-name", "by-range", "nobody")
    }
    assert len(found["by-name"]) == 1
    assert 'peer_workload="server"' in found["by-name"][0]
    assert len(found["by-range"]) == 1
    assert found["nobody"] == []
    assert up.stop(signal.SIGTERM) == 0


def test_lines_on_a_pipe_are_whole_and_without_colour(lab: Any, policies: Path) -> None:
    (policies / "everything.yaml").write_text(_EVERYTHING)
    up = lab.start(Path(sys.executable).parent / "weir", "up", "--policies", policies, "--once", env={"COLUMNS": "20"})
    assert up.process.wait(20) == 0, up.err
    heading, *lines = up.out.splitlines()
    assert heading.split() == ["TIME", *Flows.headings]
    assert any("lab/client:" in line and "lab/server:8000" in line for line in lines)
    assert "\x1b" not in up.out + up.err


def test_policies_are_taken_up_as_they_change(lab: Any, policies: Path) -> None:
    up = lab.weir("up", "--policies", policies, "-o", "jsonl", "--metrics", "off")
    up.wait_for(lambda: "nothing is attached. Add one" in up.err)
    assert lab.hooks() == []

    file = policies / "mine.yaml"
    file.write_text(_EVERYTHING.replace("all: true", "all: yes please"))
    up.wait_for(lambda: "mine.yaml: FlowObservation lab/everything: spec.selector.all: " in up.err)
    assert lab.hooks() == []

    file.write_text(_EVERYTHING)
    up.wait_for(lambda: "mine.yaml: FlowObservation lab/everything: observing 2 workloads" in up.err)
    up.wait_for(lambda: _of(up.rows(), "10.9.0.1"))

    file.write_text(_EVERYTHING.replace("spec: {", "spec: {paused: true, "))
    up.wait_for(lambda: "lab/everything: spec.paused is true" in up.err)
    up.wait_for(lambda: lab.hooks() == [])

    file.write_text(_EVERYTHING.replace("spec: {", "spec: {duration: 3s, "))
    up.wait_for(lambda: "lab/everything: its duration of 3s has passed" in up.err)
    assert lab.hooks() == []

    file.unlink()
    up.wait_for(lambda: "FlowObservation lab/everything: removed" in up.err)
    assert up.stop(signal.SIGINT) == 0


def test_workloads_come_and_go(lab: Any, policies: Path) -> None:
    (policies / "late.yaml").write_text(_EVERYTHING.replace("namespace: lab", "namespace: late"))
    up = lab.weir("up", "--policies", policies, "-o", "jsonl", "--metrics", "off")
    up.wait_for(lambda: "late/everything: no workload of this host matches yet" in up.err)
    lab.run("ip", "netns", "add", "late.comer")
    lab.run("ip", "link", "add", "v9", "type", "veth", "peer", "name", "eth0", "netns", "late.comer")
    lab.run("ip", "link", "set", "v9", "master", "lab0", "up")
    lab.run("ip", "-n", "late.comer", "addr", "add", "10.9.0.9/24", "dev", "eth0")
    lab.run("ip", "-n", "late.comer", "link", "set", "eth0", "up")
    up.wait_for(lambda: "v9" in lab.hooks())
    client = lab.start("ip", "netns", "exec", "late.comer", sys.executable, "-c", _CLIENT, "10.9.0.1")
    up.wait_for(lambda: any(row["src"] == "late/comer" for row in _of(up.rows(), "10.9.0.1")))
    client.stop()
    lab.run("ip", "netns", "delete", "late.comer")
    up.wait_for(lambda: up.err.count("late/everything: no workload of this host matches yet") == 2)
    assert up.stop() == 0


@pytest.mark.parametrize("rung", ["bcc", "afpacket"])
def test_a_forced_capture_is_the_one_in_use(lab: Any, policies: Path, rung: str) -> None:
    (policies / "everything.yaml").write_text(_EVERYTHING)
    up = lab.weir("up", "--policies", policies, "-o", "jsonl", "--capture", rung)
    up.wait_for(lambda: _of(up.rows(), "10.9.0.1"), timeout_s=40)
    assert f'rung="{rung}"' in _scrape(lab)
    assert up.stop() == 0


def test_sigkill_leaves_no_program_attached(lab: Any, policies: Path) -> None:
    (policies / "everything.yaml").write_text(_EVERYTHING)
    up = lab.weir("up", "--policies", policies, "-o", "jsonl", "--metrics", "off")
    up.wait_for(up.rows)
    assert lab.hooks() != []
    up.stop(signal.SIGKILL)
    assert lab.hooks() == []


def test_an_address_in_use_is_an_error_with_a_way_out(world: Any, policies: Path) -> None:
    first = world.weir("up", "--policies", policies)
    first.wait_for(lambda: "metrics: http://127.0.0.1:9790/metrics" in first.err)
    second = world.weir("up", "--policies", policies)
    assert second.process.wait(20) == 1
    assert "weir: --metrics 127.0.0.1:9790: Address already in use; give another address" in second.err
    assert first.stop() == 0


def test_a_missing_folder_is_usage(world: Any, tmp_path: Path) -> None:
    up = world.weir("up", "--policies", tmp_path / "none")
    assert up.process.wait(20) == 2
    assert f"`mkdir -p {tmp_path}/none`" in up.err


def test_without_privileges_the_error_names_them(weir: Callable[..., Any], policies: Path) -> None:
    done = weir("up", "--policies", policies, preexec_fn=lambda: os.setuid(65534))
    assert done.returncode == 3, done.stderr
    assert "missing: CAP_NET_ADMIN (to attach to interfaces), CAP_SYS_PTRACE" in done.stderr
    assert "run as root" in done.stderr
