"""This node's plan: it appears, changes, cannot be used, is deleted."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cluster.told import Told, observing
from kube.control_plane import ControlPlane
from weir_api.nodeprobe import CaptureReport, HookCount, NodeProbeSpec, NodeProbeStatus

pytestmark = pytest.mark.kube
Follow = Callable[[str, Path], Told]


def put(kube: ControlPlane, node: str, spec: dict[str, Any]) -> int:
    """Its generation."""
    probe = {"apiVersion": "weir.dev/v1alpha1", "kind": "NodeProbe", "metadata": {"name": node}, "spec": spec}
    kube.apply(json.dumps(probe), "--server-side", "--force-conflicts")
    return int(kube.get("nodeprobe", node)["metadata"]["generation"])


@pytest.fixture
def unusable() -> dict[str, Any]:
    """A plan that the contract does not allow, as a newer operator's might be."""
    spec = observing("one").wire()
    spec["observations"][0]["uid"] = "u" * 65
    return spec


def test_it_appears_changes_and_goes(kube: ControlPlane, node: str, follow: Follow) -> None:
    told = follow(node, kube.kubeconfig)
    assert told.until_plan(None) == 0
    put(kube, node, observing("one").wire())
    first = told.until_plan(observing("one"))
    put(kube, node, observing("one", "two").wire())
    assert told.until_plan(observing("one", "two")) == first + 1
    kube.kubectl("delete", "nodeprobe", node)
    assert told.until_plan(None) == 0
    put(kube, node, observing("one").wire())
    assert told.until_plan(observing("one")) == 1
    assert told.counts()[2] == 0
    assert len(told.plans) == 5, "each once"


def test_one_that_is_there_already(kube: ControlPlane, node: str, follow: Follow) -> None:
    put(kube, node, observing("one").wire())
    told = follow(node, kube.kubeconfig)
    told.until_plan(observing("one"))
    assert len(told.plans) == 1


def test_an_empty_one_is_a_plan(kube: ControlPlane, node: str, follow: Follow) -> None:
    put(kube, node, {})
    told = follow(node, kube.kubeconfig)
    assert told.until_plan(NodeProbeSpec()) == 1


def test_reports_are_no_change_of_the_plan(kube: ControlPlane, node: str, follow: Follow) -> None:
    put(kube, node, observing("one").wire())
    told = follow(node, kube.kubeconfig)
    told.until_plan(observing("one"))
    for number in range(3):
        assert told.cluster.report(NodeProbeStatus(version=str(number)))
    put(kube, node, observing("two").wire())
    told.until_plan(observing("two"))
    assert len(told.plans) == 2


@pytest.mark.parametrize("status", [{"capture": "all", "heartbeatTime": 5}, {"capture": {"hooks": [1]}}])
def test_a_report_of_somebody_else_is_no_predecessor(
    kube: ControlPlane, node: str, follow: Follow, status: dict[str, Any]
) -> None:
    put(kube, node, observing("one").wire())
    patch = f"--patch={json.dumps({'status': status})}"
    kube.kubectl("patch", "nodeprobe", node, "--subresource=status", "--type=merge", patch)
    told = follow(node, kube.kubeconfig)
    told.until_plan(observing("one"))
    assert told.predecessors == []


def test_other_nodes_plans_are_not_ours(kube: ControlPlane, node: str, follow: Follow) -> None:
    told = follow(node, kube.kubeconfig)
    other = f"{node}-other"
    put(kube, other, observing("other").wire())
    put(kube, node, observing("ours").wire())
    told.until_plan(observing("ours"))
    kube.kubectl("delete", "nodeprobe", other)
    assert [spec for spec, _ in told.plans] in ([None, observing("ours")], [observing("ours")])


def test_one_that_cannot_be_used_leaves_the_last_in_force(
    kube: ControlPlane, node: str, follow: Follow, unusable: dict[str, Any]
) -> None:
    put(kube, node, observing("one").wire())
    told = follow(node, kube.kubeconfig)
    told.until_plan(observing("one"))
    kube.wait(lambda: put(kube, node, unusable), 20, "the schema to allow it")
    told.until(lambda: told.faults)
    fault = told.faults[-1]
    assert fault is not None
    assert fault.startswith("spec.observations[0].uid: ")
    assert fault.endswith("give the probe the operator's version")
    assert len(fault) <= 512
    assert len(told.plans) == 1
    put(kube, node, observing("two").wire())
    told.until_plan(observing("two"))
    assert told.faults == [fault, None]


def test_a_fault_goes_with_the_plan(kube: ControlPlane, node: str, follow: Follow, unusable: dict[str, Any]) -> None:
    kube.wait(lambda: put(kube, node, unusable), 20, "the schema to allow it")
    told = follow(node, kube.kubeconfig)
    told.until(lambda: told.faults)
    assert told.plans == [], "none was ever good"
    kube.kubectl("delete", "nodeprobe", node)
    told.until_plan(None)
    assert told.faults[1:] == [None]


def test_a_probe_before_this_one_is_told_of(kube: ControlPlane, node: str, follow: Follow) -> None:
    put(kube, node, observing("one").wire())
    first = follow(node, kube.kubeconfig)
    first.until_plan(observing("one"))
    assert first.predecessors == []
    captured = CaptureReport(rung="core", hooks=[HookCount(kind="tcx", interfaces=1)])
    now = datetime.now(UTC).replace(microsecond=0)
    assert first.cluster.report(NodeProbeStatus(heartbeat_time=now, capture=captured))
    second = follow(node, kube.kubeconfig)
    second.until_plan(observing("one"))
    assert second.predecessors == [now]
    assert first.predecessors == [], "its own reports are not a predecessor's"
