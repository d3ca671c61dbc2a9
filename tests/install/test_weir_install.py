"""`weir install` and `weir uninstall` on a real API server: applied, upgraded, said what is missing, nothing left."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from kube.control_plane import ControlPlane
from kube.process import kill
from operator_process import NAMESPACE, OperatorProcess
from weir_program import WEIR, weir

Leftovers = Callable[[], list[str]]
FINALIZER = '{"metadata": {"finalizers": ["example.org/hold"]}}'


@pytest.fixture
def cluster(empty_cluster: ControlPlane) -> Iterator[ControlPlane]:
    yield empty_cluster
    weir(empty_cluster, "uninstall", "--yes")


def observe(cluster: ControlPlane, name: str, namespace: str = "default") -> None:
    metadata = {"name": name, "namespace": namespace}
    observation = {"apiVersion": "weir.dev/v1alpha1", "kind": "FlowObservation", "metadata": metadata}

    def applied() -> str:  # the API server serves a new CRD within a second or two
        return cluster.apply(json.dumps(observation | {"spec": {"selector": {"all": True}}}))

    cluster.wait(applied, 20, "the API server to serve FlowObservations")


def versions(cluster: ControlPlane) -> str:
    """Generations, or resource versions where the kind has none, of all that is installed."""
    kinds = "crd,deployment,daemonset,service,sa,clusterrole,clusterrolebinding,role,rolebinding"
    shown = "jsonpath={range .items[*]}{.kind}/{.metadata.name}={.metadata.generation}{.rules} {end}"
    return cluster.kubectl("get", kinds, "-A", "-l", "app.kubernetes.io/part-of=weir", "-o", shown)


def test_a_second_installation_changes_nothing(cluster: ControlPlane) -> None:
    assert "applied DaemonSet weir-system/weir-probe" in weir(cluster, "install", "--apply")
    before = versions(cluster)
    assert len(before.split("}] ")) > 2
    weir(cluster, "install", "--apply")
    assert versions(cluster) == before


def test_installing_again_upgrades_and_puts_right(cluster: ControlPlane) -> None:
    weir(cluster, "install", "--apply", "--tag=0.0.1", "--bcc")
    cluster.kubectl("scale", "deployment/weir-operator", "-n", NAMESPACE, "--replicas=5")
    observe(cluster, "kept")
    weir(cluster, "install", "--apply")
    deployment = cluster.get("deployment", "weir-operator", NAMESPACE)
    daemonset = cluster.get("daemonset", "weir-probe", NAMESPACE)
    assert deployment["spec"]["replicas"] == 2
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "weir-operator:0.1.0"
    assert not [each for each in daemonset["spec"]["template"]["spec"]["volumes"] if "hostPath" in each]
    assert cluster.get("flowobservation", "kept", "default")
    stored = cluster.request("GET", f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets/weir-probe")
    managers = {each["manager"] for each in stored["metadata"]["managedFields"] if each["operation"] == "Apply"}
    assert managers == {"weir-install"}


def test_it_takes_over_from_kubectl(cluster: ControlPlane) -> None:
    printed = subprocess.run([WEIR, "install"], capture_output=True, text=True, check=True).stdout
    cluster.apply(printed, "--server-side", "--validate=strict")
    weir(cluster, "install", "--apply")


def test_waiting_says_what_is_missing_and_why(cluster: ControlPlane) -> None:
    cluster.make_node("install-n1")
    cluster.make_namespace("refusing", {"pod-security.kubernetes.io/enforce": "baseline"})
    try:
        told = weir(
            cluster,
            *("install", "--apply", "--wait", "--timeout=15", "--namespace=refusing", "--no-create-namespace"),
            code=1,
        )
        assert "0 of 2 pods are available" in told
        assert 'violates PodSecurity "baseline:latest"' in told
        assert "hostPID=true" in told
    finally:
        cluster.kubectl("delete", "node", "install-n1")
        weir(cluster, "uninstall", "--yes")
        cluster.kubectl("delete", "namespace", "refusing")


def test_a_namespace_of_others_is_not_taken(cluster: ControlPlane) -> None:
    told = weir(cluster, "install", "--apply", "--namespace=kube-public", code=1)
    assert "namespace kube-public is there already and is not Weir's" in told
    assert cluster.kubectl("get", "crd", "-o", "name") == ""


def test_uninstall_asks_and_names_what_is_lost(cluster: ControlPlane) -> None:
    weir(cluster, "install", "--apply")
    observe(cluster, "mine")
    told = weir(cluster, "uninstall", code=2)
    assert "1 FlowObservation: default/mine" in told
    assert "--yes" in told
    assert "DaemonSet weir-system/weir-probe" in weir(cluster, "uninstall", "--dry-run")
    assert cluster.get("flowobservation", "mine", "default")


def test_nothing_is_left_with_an_operator(cluster: ControlPlane, leftovers: Leftovers, tmp_path: Path) -> None:
    weir(cluster, "install", "--apply")
    cluster.make_node("install-n2")
    cluster.make_pod("default", "a", "install-n2", ip="10.0.0.1")
    try:
        with OperatorProcess(cluster, tmp_path) as operator:
            observe(cluster, "mine")
            cluster.wait(lambda: cluster.get("nodeprobe", "install-n2"), 30, "a plan")
            told = weir(cluster, "uninstall", "--yes")
            assert "no operator takes back" not in told
            assert operator.process.poll() is None
    finally:
        cluster.delete_pod("default", "a")
        cluster.kubectl("delete", "node", "install-n2")
    assert leftovers() == []
    assert "nothing of Weir's is there" in weir(cluster, "uninstall", "--yes")


def test_nothing_is_left_without_an_operator(cluster: ControlPlane, leftovers: Leftovers, tmp_path: Path) -> None:
    """The operator was killed while it led, with plans of its own there."""
    weir(cluster, "install", "--apply")
    cluster.make_node("install-n3")
    cluster.make_pod("default", "b", "install-n3", ip="10.0.0.2")
    try:
        with OperatorProcess(cluster, tmp_path) as operator:
            observe(cluster, "mine")
            cluster.wait(lambda: cluster.get("nodeprobe", "install-n3"), 30, "a plan")
            kill(operator.process)
        told = weir(cluster, "uninstall", "--yes")
        assert "no operator takes back 1 plan" in told
    finally:
        cluster.delete_pod("default", "b")
        cluster.kubectl("delete", "node", "install-n3")
    assert leftovers() == []


def test_what_users_wrote_can_be_kept(cluster: ControlPlane) -> None:
    weir(cluster, "install", "--apply")
    observe(cluster, "mine")
    observe(cluster, "platform", NAMESPACE)
    weir(cluster, "uninstall", "--yes", "--keep-crds")
    assert cluster.get("flowobservation", "mine", "default")
    assert cluster.get("flowobservation", "platform", NAMESPACE)
    assert "weir" not in cluster.kubectl("get", "deployment,daemonset,clusterrole,lease", "-A", "-o", "name")


def test_a_finalizer_of_others_is_named(cluster: ControlPlane) -> None:
    weir(cluster, "install", "--apply")
    observe(cluster, "held")
    patch = ("patch", "fo", "held", "--type=merge", "-p")
    cluster.kubectl(*patch, FINALIZER)
    told = weir(cluster, "uninstall", "--yes", "--timeout=2", code=1)
    assert "FlowObservation default/held is still there, held by example.org/hold" in told
    cluster.kubectl(*patch, FINALIZER.replace('"example.org/hold"', ""))
    weir(cluster, "uninstall", "--yes")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--kubeconfig=/no/file"], "no access to a cluster: no /no/file"),
        (["--context=nonsense"], "nonsense"),
        (["--namespace=Not_A_Name"], "is no name of a namespace"),
        (["--tag=a b"], "'a b' has other characters"),
        (["--wait"], "--wait goes with --apply"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_is_said(cluster: ControlPlane, arguments: list[str], says: str) -> None:
    apply = [] if arguments == ["--wait"] else ["--apply"]
    environment = os.environ | {"KUBECONFIG": str(cluster.kubeconfig)}
    command = [str(WEIR), "install", *apply, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (2, 3)
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_not_permitted_is_named(cluster: ControlPlane) -> None:
    kubeconfig = cluster.service_account_kubeconfig("default", "nobody")
    told = weir(cluster, "install", "--apply", f"--kubeconfig={kubeconfig}", code=1)
    assert "403 Forbidden" in told
    assert "namespaces" in told


def test_a_server_that_is_away_is_said(cluster: ControlPlane, tmp_path: Path) -> None:
    content = yaml.safe_load(cluster.kubeconfig.read_text())
    content["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(content))
    told = weir(cluster, "install", "--apply", f"--kubeconfig={tmp_path / 'kubeconfig'}", code=1)
    assert "127.0.0.1" in told
