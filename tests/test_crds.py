"""The CRDs on a real API server: what it refuses and how it says so, what it fills in, what it shows."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kube.control_plane import ControlPlane, KubectlError
from kube.patience import timeout_flag
from weir_api.conditions import Condition
from weir_api.flowobservation import FlowObservation
from weir_api.nodeprobe import NodeProbe, PlannedObservation, plan

ROOT = Path(__file__).parents[1]
ALL: dict[str, Any] = {"all": True}
CONDITION = {
    "type": "Ready",
    "status": "True",
    "reason": "AllNodes",
    "message": "",
    "observedGeneration": 1,
    "lastTransitionTime": "2026-01-02T03:04:05Z",
}


@pytest.fixture(scope="module")
def cluster(control_plane: ControlPlane) -> ControlPlane:
    control_plane.kubectl(
        "apply", "--server-side", "--force-conflicts", "--validate=strict", "-k", str(ROOT / "config/crds")
    )
    for plural in ("flowobservations", "l7protocols", "nodeprobes"):
        control_plane.kubectl("wait", "--for=condition=Established", f"crd/{plural}.weir.dev", timeout_flag(20))
    return control_plane


@pytest.fixture(scope="module")
def namespace(cluster: ControlPlane) -> Iterator[str]:
    name = f"crds-{uuid.uuid4().hex[:8]}"
    cluster.make_namespace(name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def observation(namespace: str, spec: dict[str, Any], name: str = "one") -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "weir.dev/v1alpha1", "kind": "FlowObservation", "metadata": metadata, "spec": spec}


def dry_run(cluster: ControlPlane, manifest: dict[str, Any]) -> dict[str, Any]:
    stored: dict[str, Any] = json.loads(
        cluster.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", input=json.dumps(manifest))
    )
    return stored


def test_the_server_sees_no_fault_in_them(cluster: ControlPlane) -> None:
    for plural in ("flowobservations", "l7protocols", "nodeprobes"):
        conditions = {each["type"]: each for each in cluster.get("crd", f"{plural}.weir.dev")["status"]["conditions"]}
        assert "NonStructuralSchema" not in conditions, conditions["NonStructuralSchema"]["message"]
        assert conditions["NamesAccepted"]["status"] == "True"


def expressions(*each: dict[str, Any]) -> dict[str, Any]:
    return {"selector": {"podSelector": {"matchExpressions": list(each)}}}


def selecting(**fields: Any) -> dict[str, Any]:
    return {"selector": {"all": True, **fields}}


SCHEDULE = {"cron": "0 3 * * *", "duration": "1h"}
THRESHOLD = {"name": "a", "metric": "m", "op": ">", "value": "1"}
ONE_OF = "exactly one of podSelector, workloads and all"
VALUES = "values must be given with operator In or NotIn"

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no selector": ({}, "spec.selector: Required value"),
    "empty selector": ({"selector": {}}, ONE_OF),
    "two selectors": (selecting(podSelector={}), ONE_OF),
    "all is false": ({"selector": {"all": False}}, "all must be true where it is given"),
    "unknown field": ({"selector": ALL, "bogus": 1}, 'unknown field "spec.bogus"'),
    "unknown field below": (selecting(podselector={}), 'unknown field "spec.selector.podselector"'),
    "duration in words": ({"selector": ALL, "duration": "5 minutes"}, "spec.duration: Invalid value"),
    "duration and schedule": ({"selector": ALL, "duration": "1h", "schedule": SCHEDULE}, "exclude each other"),
    "label value": (
        {"selector": {"podSelector": {"matchLabels": {"app": "a b"}}}},
        "spec.selector.podSelector.matchLabels.app: Invalid value",
    ),
    "label key": ({"selector": {"podSelector": {"matchLabels": {"a b": "c"}}}}, "a key is not a valid label key"),
    "operator": (expressions({"key": "app", "operator": "Is"}), 'supported values: "In", "NotIn"'),
    "In without values": (expressions({"key": "app", "operator": "In"}), VALUES),
    "Exists with values": (expressions({"key": "app", "operator": "Exists", "values": ["a"]}), VALUES),
    "port": (selecting(ports=[{"port": 65536}]), "spec.selector.ports[0].port: Invalid value"),
    "transport": (selecting(ports=[{"port": 1, "protocol": "tcp"}]), 'supported values: "TCP", "UDP"'),
    "direction": (selecting(direction="in"), 'supported values: "Ingress", "Egress"'),
    "kind": ({"selector": {"workloads": [{"kind": "Deploy", "name": "a"}]}}, "workloads[0].kind: Unsupported"),
    "no workload": ({"selector": {"workloads": []}}, "should have at least 1 items"),
    "series": ({"selector": ALL, "signals": {"metrics": {"maxSeries": 0}}}, "maxSeries: Invalid value"),
    "thresholds of one name": ({"selector": ALL, "thresholds": [THRESHOLD, THRESHOLD]}, "Duplicate value"),
    "a string for a boolean": ({"selector": ALL, "paused": "yes"}, "spec.paused"),
}


@pytest.mark.parametrize(("spec", "error"), REFUSED.values(), ids=REFUSED)
def test_refused_with_the_field_named(cluster: ControlPlane, namespace: str, spec: dict[str, Any], error: str) -> None:
    with pytest.raises(KubectlError) as caught:
        dry_run(cluster, observation(namespace, spec))
    assert error in str(caught.value)


def test_defaults_of_every_depth(cluster: ControlPlane, namespace: str) -> None:
    some: list[dict[str, Any]] = [{}, {"signals": {}}, {"signals": {"metrics": {}}}]
    for signals in some:
        stored = dry_run(cluster, observation(namespace, {"selector": ALL, **signals}))["spec"]
        assert stored["signals"] == {"metrics": {"l4": True, "l7": False, "maxSeries": 2000}}
        assert stored["paused"] is False
        assert stored["selector"]["direction"] == "Both"
    logs = dry_run(cluster, observation(namespace, {"selector": ALL, "signals": {"flowLogs": {"mode": "All"}}}))
    assert logs["spec"]["signals"]["flowLogs"] == {"mode": "All", "interval": "60s"}
    assert logs["spec"]["signals"]["metrics"]["l4"] is True


@pytest.mark.parametrize(
    "spec",
    [
        {"selector": ALL},
        {"selector": {"podSelector": {}, "ports": [{"port": 53, "protocol": "UDP"}]}, "duration": "10m"},
        {"selector": {"workloads": [{"kind": "Deployment", "name": "web"}], "direction": "Egress"}, "paused": True},
        expressions({"key": "shop.example/tier", "operator": "NotIn", "values": ["a", ""]}),
        {"selector": ALL, "signals": {"metrics": {"l4": False}, "flowLogs": {}}, "thresholds": [THRESHOLD]},
    ],
)
def test_server_and_models_fill_in_the_same(cluster: ControlPlane, namespace: str, spec: dict[str, Any]) -> None:
    stored = dry_run(cluster, observation(namespace, spec))["spec"]
    assert FlowObservation.model_validate({"spec": spec}).wire()["spec"] == stored


def test_status_is_a_subresource_and_its_conditions_a_map(cluster: ControlPlane, namespace: str) -> None:
    run = cluster.kubectl
    run("create", "-f", "-", input=json.dumps(observation(namespace, {"selector": ALL}, "status")))

    def patch(status: dict[str, Any], manager: str) -> None:
        body = observation(namespace, {}, "status") | {"status": status}
        body.pop("spec")
        applied = json.dumps(body)
        run("apply", "--server-side", "--subresource=status", f"--field-manager={manager}", "-f", "-", input=applied)

    patch({"conditions": [CONDITION]}, "one")
    patch({"conditions": [CONDITION | {"type": "Accepted"}]}, "two")
    stored = cluster.get("flowobservation", "status", namespace)
    assert [each["type"] for each in stored["status"]["conditions"]] == ["Ready", "Accepted"]
    assert stored["metadata"]["generation"] == 1
    assert [Condition.model_validate(each).type for each in stored["status"]["conditions"]] == ["Ready", "Accepted"]
    with pytest.raises(KubectlError, match="reason"):
        patch({"conditions": [CONDITION | {"reason": "two words"}]}, "one")


def test_columns(cluster: ControlPlane, namespace: str) -> None:
    cluster.kubectl("create", "-f", "-", input=json.dumps(observation(namespace, {"selector": ALL}, "shown")))
    status = {
        "conditions": [CONDITION],
        "matched": {"pods": 6, "nodes": 2, "programmedNodes": 2},
        "summary": {"flowsPerSecond": 41.2},
        "quality": {"lossPercent": 0.0},
        "overhead": {"cpuMillis": 3.5},
    }
    patch = f"--patch={json.dumps({'status': status})}"
    cluster.kubectl("patch", "fo", "shown", "-n", namespace, "--subresource=status", "--type=merge", patch)
    head, row = cluster.kubectl("get", "fo", "shown", "-n", namespace).splitlines()
    assert head.split() == ["NAME", "READY", "PODS", "FLOWS/S", "RPS", "ERR%", "P99", "LOSS%", "AGE"]
    shown = {name: row[head.index(name) :].split("  ")[0].strip() for name in head.split()}
    assert {key: shown[key] for key in ("NAME", "READY", "PODS", "FLOWS/S", "RPS", "LOSS%")} == {
        "NAME": "shown",
        "READY": "True",
        "PODS": "6",
        "FLOWS/S": "41.2",
        "RPS": "",
        "LOSS%": "0",
    }
    wide = cluster.kubectl("get", "fo", "shown", "-n", namespace, "-o", "wide").splitlines()[0].split()
    assert wide[-5:] == ["NODES", "RETRANS%", "DROPS", "CPU", "AGE"]
    assert "shown" in cluster.kubectl("get", "weir", "-n", namespace)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("flowobservation", "Observes the flows of the workloads"),
        ("flowobservation.spec.selector.direction", "flows that peers open to the selected pods"),
        ("flowobservation.status.conditions.reason", "Why, for programs"),
        ("nodeprobe.status", "The probe's report"),
        ("l7protocol.spec.framing", "Where a message ends"),
    ],
)
def test_explain(cluster: ControlPlane, path: str, says: str) -> None:
    def explained() -> bool:
        return says in " ".join(cluster.kubectl("explain", path).split())

    cluster.wait(explained, 20, f"an explanation of {path}")  # the server publishes a new schema within seconds


def test_a_full_plan_is_taken(cluster: ControlPlane) -> None:
    """64 observations of many namespaces: within the size that a schema and etcd allow."""
    wire = {"namespace": "shop", "uid": "u" * 36, "generation": 1, "namespaces": [f"team-{n}" for n in range(200)]}
    labels = {"matchLabels": {f"key-{n}": "v" * 63 for n in range(10)}}
    planned = [
        PlannedObservation.model_validate({**wire, "name": f"o-{n}", "selector": {"podSelector": labels}})
        for n in range(64)
    ]
    name = f"full-{uuid.uuid4().hex[:8]}"
    body = {
        "apiVersion": "weir.dev/v1alpha1",
        "kind": "NodeProbe",
        "metadata": {"name": name},
        "spec": plan(planned).wire(),
    }
    stored = dry_run(cluster, body)
    assert NodeProbe.model_validate({"spec": stored["spec"]}).spec == plan(planned)
