"""This node's plan: it appears, changes, cannot be used, is deleted."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cluster.told import Told, observing
from kube.control_plane import ControlPlane
from weir_api.nodeprobe import CaptureReport, HookCount, NodeProbeSpec, NodeProbeStatus

pytestmark = pytest.mark.kube
CRD = Path(__file__).parents[3] / "crds/nodeprobes.yaml"
Follow = Callable[[str, Path], Told]


def put(kube: ControlPlane, node: str, spec: dict[str, Any]) -> int:
    """Its generation."""
    probe = {"apiVersion": "weir.dev/v1alpha1", "kind": "NodeProbe", "metadata": {"name": node}, "spec": spec}
    kube.apply(json.dumps(probe), "--server-side", "--force-conflicts")
    return int(kube.get("nodeprobe", node)["metadata"]["generation"])


@pytest.fixture
def unusable(kube: ControlPlane) -> Iterator[dict[str, Any]]:
    """A plan that the schema allows and the contract does not, as a newer operator's might be."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/nodeprobes.weir.dev"
    schema = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties"
    bound = f"{schema}/observations/items/properties/uid/maxLength"
    longer = [{"op": "replace", "path": bound, "value": 100}]
    kube.request("PATCH", path, longer, "application/json-patch+json")
    spec = observing("one").wire()
    spec["observations"][0]["uid"] = "u" * 65
    yield spec
    kube.apply(CRD, "--server-side", "--force-conflicts")


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
