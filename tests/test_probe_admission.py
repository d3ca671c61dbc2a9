"""A probe writes the status of its own node's NodeProbe and nothing else: the admission policy on a real API server."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kube import objects
from kube.control_plane import ControlPlane, KubectlError
from kube.patience import patience, timeout_flag

ROOT = Path(__file__).parents[1]
NAMESPACE = "weir-system"
HERE, THERE = f"here-{uuid.uuid4().hex[:6]}", f"there-{uuid.uuid4().hex[:6]}"

REPORT = ("apply", "--server-side", "--force-conflicts", "--subresource=status", "-f", "-")


def node_probe(name: str, **parts: object) -> dict[str, object]:
    return {"apiVersion": "weir.dev/v1alpha1", "kind": "NodeProbe", "metadata": {"name": name}, **parts}


@dataclass(frozen=True)
class Probe:
    """kubectl with a probe's token, bound to a pod on one node, or to none."""

    cluster: ControlPlane
    kubeconfig: Path
    token: str

    def kubectl(self, *arguments: str, body: object = None) -> str:
        text = None if body is None else json.dumps(body)
        token = f"--token={self.token}"
        answer: str = self.cluster.kubectl(token, *arguments, input=text, kubeconfig=self.kubeconfig)
        return answer

    def report(self, node: str, **other: object) -> str:
        """As probes did before."""
        return self.kubectl(*REPORT, body=node_probe(node, status={"planHash": "seen"}, **other))

    def replace_report(self, node: str, status: object) -> str:
        """As probes do."""
        held = self.cluster.get("nodeprobe", node)
        return self.kubectl("replace", "--subresource=status", "-f", "-", body={**held, "status": status})


@pytest.fixture(scope="module")
def cluster(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    run = control_plane.kubectl
    run("apply", "--server-side", "--force-conflicts", "-k", str(ROOT / "config/crds"))
    if not run("get", "namespace", NAMESPACE, "--ignore-not-found", "-o", "name"):
        control_plane.make_namespace(NAMESPACE)
    manifests = [str(ROOT / "config/probe" / name) for name in ("rbac.yaml", "admission.yaml")]
    for manifest in manifests:
        run("apply", "--server-side", "--force-conflicts", "-f", manifest)
    run("wait", "--for=condition=Established", "crd/nodeprobes.weir.dev", timeout_flag(20))
    for node in (HERE, THERE):
        control_plane.make_node(node)
        run("create", "-f", "-", input=json.dumps(node_probe(node)))
    yield control_plane
    run("delete", "nodeprobe", HERE, THERE, "--ignore-not-found")
    run("delete", "node", HERE, THERE)
    for manifest in manifests:
        run("delete", "--ignore-not-found", "-f", manifest)


@pytest.fixture(scope="module")
def probe(cluster: ControlPlane) -> Iterator[Probe]:
    """The probe of node HERE, once the policy is in force."""
    pod = objects.pod_manifest(NAMESPACE, f"weir-probe-{uuid.uuid4().hex[:6]}", {})
    pod["spec"]["serviceAccountName"] = "weir-probe"
    name = pod["metadata"]["name"]
    cluster.request("POST", f"/api/v1/namespaces/{NAMESPACE}/pods", pod)
    cluster.run_pod(NAMESPACE, name, HERE)
    token = cluster.kubectl(
        *("create", "token", "weir-probe", "-n", NAMESPACE),
        *("--bound-object-kind=Pod", f"--bound-object-name={name}"),
    ).strip()
    bound = Probe(cluster, cluster.service_account_kubeconfig(NAMESPACE, "weir-probe"), token)
    until_refused(lambda: bound.report(THERE))
    yield bound
    cluster.delete_pod(NAMESPACE, name)


def until_refused(attempt: Callable[[], str]) -> None:
    """The API server takes up a new policy within a second or so."""
    began = time.monotonic()
    while time.monotonic() < began + patience(20):
        try:
            attempt()
        except KubectlError as error:
            if "weir-probe-own-node" in str(error):
                return
        time.sleep(0.1)
    raise TimeoutError("the admission policy did not come into force")


def test_it_reports_for_its_own_node(probe: Probe) -> None:
    assert "applied" in probe.report(HERE)
    assert probe.cluster.get("nodeprobe", HERE)["status"]["planHash"] == "seen"
    probe.replace_report(HERE, {"planHash": "newer"})
    assert probe.cluster.get("nodeprobe", HERE)["status"] == {"planHash": "newer"}


def test_it_does_not_report_for_another_node(probe: Probe) -> None:
    refusal = f"the probe of node {HERE} may not change NodeProbe {THERE}"
    with pytest.raises(KubectlError, match=refusal):
        probe.report(THERE)
    with pytest.raises(KubectlError, match=refusal):
        probe.replace_report(THERE, {"planHash": "newer"})


def test_a_token_that_is_bound_to_no_node_is_refused(probe: Probe) -> None:
    token = probe.cluster.kubectl("create", "token", "weir-probe", "-n", NAMESPACE).strip()
    with pytest.raises(KubectlError, match="token is not bound to a node"):
        Probe(probe.cluster, probe.kubeconfig, token).report(HERE)


def test_it_does_not_change_its_plan(probe: Probe) -> None:
    with pytest.raises(KubectlError, match="forbidden"):
        probe.kubectl("apply", "--server-side", "-f", "-", body=node_probe(HERE, spec={"planHash": "mine"}))
    probe.report(HERE, spec={"planHash": "mine"})  # what goes along with a status is left as it was
    assert "spec" not in probe.cluster.get("nodeprobe", HERE)


def test_the_policy_holds_even_where_rbac_grants_more(probe: Probe) -> None:
    run = probe.cluster.kubectl
    run(
        "create",
        "clusterrolebinding",
        "weir-test-too-much",
        "--clusterrole=cluster-admin",
        f"--serviceaccount={NAMESPACE}:weir-probe",
    )
    try:
        for arguments in (["delete", "nodeprobe", HERE], ["annotate", "nodeprobe", HERE, "a=b"]):
            with pytest.raises(KubectlError, match="status of a NodeProbe only"):
                probe.kubectl(*arguments)
        with pytest.raises(KubectlError, match="may not change NodeProbe"):
            probe.report(THERE)
    finally:
        run("delete", "clusterrolebinding", "weir-test-too-much")


def test_it_does_not_hold_for_others(probe: Probe) -> None:
    probe.cluster.kubectl(*REPORT, input=json.dumps(node_probe(THERE, status={"planHash": "by another"})))
    assert probe.cluster.get("nodeprobe", THERE)["status"]["planHash"] == "by another"
