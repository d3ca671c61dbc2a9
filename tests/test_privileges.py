"""The probe works with the capabilities that its DaemonSet gives it, and no other: real eBPF, a real namespace."""

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from operator_process import CHECKOUT, ROOT
from probe_process import ProbeProcess, Site, granted, restricted
from weir_probe.capture import ladder
from weir_probe.capture.model import CaptureError, Rung, Settings

#: What the agent does first, and every 30 ticks: find the pod's interface, attach, tick, report, measure its programs.
SCRIPT = """
import json, sys, time
from weir_api.nodeprobe import PlannedObservation, plan
from weir_probe.agent import Agent, AgentSettings
from weir_probe.capture.model import Settings
from weir_probe.plan.host import discover

rung, namespace = sys.argv[1] or None, sys.argv[2]
agent = Agent(AgentSettings(capture=Settings(rung=rung, slots=4096), tick_s=0.02))
agent.start()
wire = {"namespace": namespace, "name": "all", "uid": "u", "generation": 1, "namespaces": [namespace]}
agent.set_plan(plan([PlannedObservation.model_validate({**wire, "selector": {"all": True}})]))
agent.set_pods(tuple(pod for pod in discover() if pod.workload.namespace == namespace))
time.sleep(2)
problem, report = agent.problem(), agent.report()
agent.close()
print(json.dumps({"problem": problem, "report": report.wire()}))
"""


@pytest.fixture
def pod() -> Iterator[str]:
    """A network namespace that looks like a pod to the probe, named <namespace>.web; the namespace's name."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces and capabilities need root: run as root")
    name = f"priv-{uuid.uuid4().hex[:6]}"
    netns, link = f"{name}.web", f"w{name[-6:]}"

    def ip(*arguments: str, check: bool = True) -> None:
        subprocess.run(["ip", *arguments], check=check, capture_output=True)

    ip("netns", "add", netns)
    try:
        ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", netns)
        ip("link", "set", link, "up")
        ip("-n", netns, "link", "set", "eth0", "up")
        yield name
    finally:
        ip("link", "del", link, check=False)
        ip("netns", "del", netns)


def run_restricted(*command: str) -> subprocess.CompletedProcess[str]:
    """Run with exactly the DaemonSet's capabilities."""
    return subprocess.run([*restricted(granted()), *command], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.root
@pytest.mark.parametrize("rung", ["core", "bcc", "afpacket"])
def test_each_rung_needs_no_more(pod: str, rung: Rung) -> None:
    try:
        ladder.open_capture(Settings(rung=rung, slots=4096)).close()
    except CaptureError as error:
        pytest.skip(f"rung {rung} does not work here with all of root's privileges: {error}")
    done = run_restricted(sys.executable, "-c", SCRIPT, rung, pod)
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    assert answer["problem"] == ""
    report = answer["report"]
    assert report["capture"]["rung"] == rung
    assert sum(hook["interfaces"] for hook in report["capture"]["hooks"]) >= 1
    assert [each["attachedPods"] for each in report["observations"]] == [1]


def test_entering_a_pod_is_not_among_them(pod: str) -> None:
    """What docs/security.md says of CAP_SYS_ADMIN."""
    done = run_restricted("nsenter", f"--net=/run/netns/{pod}.web", "true")
    assert done.returncode != 0
    assert "not permitted" in done.stderr


@dataclass(frozen=True)
class Row:
    """A row of the table in docs/security.md; `quoted` is what the probe says, in italics there."""

    without: str
    rung: str
    pods: str
    quoted: list[str]


def documented() -> list[Row]:
    """What docs/security.md says of the probe without each of its capabilities."""
    text = (ROOT / "docs/security.md").read_text()
    lines = text.partition("| without | rung |")[2].partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]
    return [
        Row(without.strip("`").removeprefix("CAP_"), rung.strip("`"), pods, re.findall(r"\*(.+?)\*", said))
        for without, rung, pods, said in cells
    ]


def does_as_documented(site: Site, row: Row) -> None:
    force = ["--capture", row.rung] if row.without == "NET_RAW" else []  # a better rung does not need it
    capabilities = [name for name in granted() if name != row.without]
    began = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    probe = ProbeProcess(site.hosts[0], site.plane, site.folder, *force, capabilities=capabilities)
    site.probes = [probe]

    def reported() -> bool:
        if row.pods == "does not start":
            return all(each in probe.log() for each in row.quoted)
        status = (site.plan() or {}).get("status") or {}
        found = site.probe_report()
        return (
            status.get("heartbeatTime", "") > began
            and status["capture"]["rung"] == row.rung
            and f"{found.get('attachedPods')} of {found.get('matchedPods')}" == row.pods
            and all(each in json.dumps(status) for each in row.quoted)
        )

    site.plane.wait(reported, 30, f"what docs/security.md says: {row}")
    probe.terminate()


@pytest.mark.kube
@pytest.mark.root
def test_none_of_them_is_too_many(bare_site: Site) -> None:
    """Without each in turn the probe does less, and says so as docs/security.md does."""
    rows = documented()
    assert [row.without for row in rows] == ["(all are there)", *granted()]
    bare_site.start("checkout-1")
    bare_site.observe("checkout", selector=CHECKOUT)
    for row in rows:
        does_as_documented(bare_site, row)
