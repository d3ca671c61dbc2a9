"""The probe works with the capabilities that its DaemonSet gives it, and no other: real eBPF, a real namespace."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from weir_probe.capture import ladder
from weir_probe.capture.model import CaptureError, Rung, Settings

ROOT = Path(__file__).parents[1]

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


def restricted(*command: str) -> subprocess.CompletedProcess[str]:
    """Run as root with exactly the DaemonSet's capabilities, and no way to more."""
    daemonset = yaml.safe_load((ROOT / "config/probe/daemonset.yaml").read_text())
    granted = daemonset["spec"]["template"]["spec"]["containers"][0]["securityContext"]["capabilities"]["add"]
    bounding = ",".join(["-all", *(f"+{name.lower()}" for name in granted)])
    prefix = ["setpriv", f"--bounding-set={bounding}", "--inh-caps=-all", "--no-new-privs"]
    return subprocess.run([*prefix, *command], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.root
@pytest.mark.parametrize("rung", ["core", "bcc", "afpacket"])
def test_each_rung_needs_no_more(pod: str, rung: Rung) -> None:
    try:
        ladder.open_capture(Settings(rung=rung, slots=4096)).close()
    except CaptureError as error:
        pytest.skip(f"rung {rung} does not work here with all of root's privileges: {error}")
    done = restricted(sys.executable, "-c", SCRIPT, rung, pod)
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
    done = restricted("nsenter", f"--net=/run/netns/{pod}.web", "true")
    assert done.returncode != 0
    assert "not permitted" in done.stderr
