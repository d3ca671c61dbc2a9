"""The Helm chart: renders to what kustomize does, refuses bad values by name, installs, upgrades, leaves nothing."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import helm as helm_program
from kube.binaries import ControlPlaneMissingError
from kube.control_plane import ControlPlane
from manifests.chart import CHART
from manifests.kustomize import ROOT, Manifest, render
from weir_program import weir

pytestmark = pytest.mark.timeout(900)  # the first test may wait for Helm to be built
NAMESPACE = "weir-system"
KEEP = "helm.sh/resource-policy"
Helm = Callable[..., str]
BCC = ("components/bcc", "--set=probe.bcc.enabled=true")
IN_POD = ("components/in-pod", "--set=probe.inPod.enabled=true")
MONITORED = ("prometheus", "--set=serviceMonitor.enabled=true,prometheusRule.enabled=true")


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Runs Helm in a home of its own; fails with its words unless it is to be refused."""
    try:
        program = helm_program.find()
    except helm_program.HelmMissingError as missing:
        pytest.skip(str(missing))
    home = tmp_path_factory.mktemp("helm")

    def run(*arguments: str, refused: bool = False) -> str:
        environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            [program, *arguments], env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
        )
        assert (done.returncode != 0) is refused, done.stdout + done.stderr
        return done.stderr if refused else done.stdout

    return run


def by_name(objects: list[Manifest]) -> dict[tuple[str, str], Manifest]:
    found = {(each["kind"], each["metadata"]["name"]): each for each in objects}
    assert len(found) == len(objects)
    return found


def template(helm: Helm, *arguments: str, namespace: str = NAMESPACE) -> dict[tuple[str, str], Manifest]:
    text = helm("template", "weir", str(CHART), f"--namespace={namespace}", "--kube-version=1.34", *arguments)
    return by_name([each for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each])


def test_lint(helm: Helm) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART))


@pytest.mark.parametrize(
    "variants", [[], [BCC], [IN_POD], [BCC, IN_POD, MONITORED]], ids=["default", "bcc", "in-pod", "all"]
)
def test_it_renders_to_what_kustomize_does(helm: Helm, variants: list[tuple[str, str]]) -> None:
    try:
        expected = by_name(render(*(component for component, _ in variants)))
    except ControlPlaneMissingError as missing:
        pytest.skip(str(missing))
    del expected["Namespace", NAMESPACE]  # Helm has to have it before
    found = template(helm, *(flag for _, flag in variants))
    for manifest in found.values():
        if manifest["kind"] == "CustomResourceDefinition":
            assert manifest["metadata"]["annotations"].pop(KEEP) == "keep"
            if not manifest["metadata"]["annotations"]:
                del manifest["metadata"]["annotations"]
    assert found == expected


def test_values_reach_the_objects(helm: Helm, tmp_path: Path) -> None:
    digest = f"sha256:{'0' * 64}"
    common: dict[str, Any] = {
        "resources": {"limits": {"memory": "1Gi"}},
        "nodeSelector": {"pool": "a"},
        "tolerations": [{"key": "only", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "mine",
        "extraArgs": ["--log-level=debug"],
    }
    values = {
        "image": {"registry": "registry.example/team", "pullPolicy": "Always", "pullSecrets": [{"name": "login"}]},
        "operator": common | {"image": {"tag": "1.2"}, "replicas": 3},
        "probe": common | {"image": {"digest": digest}},
        "crds": {"install": False},
        "serviceMonitor": {"enabled": True, "interval": "1m", "labels": {"release": "mine"}},
    }
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    found = template(helm, f"--values={file}", namespace="flows")
    deployment, daemonset = found["Deployment", "weir-operator"]["spec"], found["DaemonSet", "weir-probe"]["spec"]
    assert deployment["replicas"] == 3
    for spec in (deployment, daemonset):
        pod = spec["template"]["spec"]
        (container,) = pod["containers"]
        assert container["imagePullPolicy"] == "Always"
        assert container["resources"]["limits"] == {"memory": "1Gi"}
        assert container["args"][-1] == "--log-level=debug"
        assert pod["imagePullSecrets"] == [{"name": "login"}]
        assert pod["nodeSelector"]["pool"] == "a"
        assert {key: pod[key] for key in ("tolerations", "priorityClassName")} == {
            key: common[key] for key in ("tolerations", "priorityClassName")
        }
        assert "nodeAffinity" in pod["affinity"]
    assert deployment["template"]["spec"]["containers"][0]["image"] == "registry.example/team/weir-operator:1.2"
    assert daemonset["template"]["spec"]["containers"][0]["image"] == f"registry.example/team/weir-probe@{digest}"
    assert not [kind for kind, _ in found if kind == "CustomResourceDefinition"]
    assert {each["metadata"].get("namespace", "flows") for each in found.values()} == {"flows"}
    monitor = found["ServiceMonitor", "weir-probe"]
    assert monitor["metadata"]["labels"]["release"] == "mine"
    assert monitor["spec"]["endpoints"][0]["interval"] == "1m"


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("image.registry=a b", "registry"),
        ("image.pullSecrets[0]=login", "pullSecrets"),
        ("operator.replicas=many", "replicas"),
        ("operator.replicaCount=2", "replicaCount"),
        ("operator.image.digest=sha256:12", "digest"),
        ("operator.resources.limits.memory=much", "memory"),
        ("probe.tolerations[0].operator=Is", "tolerations"),
        ("probe.extraArgs[0]=rm", "extraArgs"),
        ("probe.bcc=true", "bcc"),
        ("serviceMonitor.interval=often", "interval"),
        ("crd.install=false", "crd"),
    ],
)
def test_bad_values_are_refused_by_their_name(helm: Helm, value: str, field: str) -> None:
    refused = helm("template", "weir", str(CHART), "--kube-version=1.34", f"--set={value}", refused=True)
    assert "values don't meet the specifications of the schema" in refused
    assert field in refused


def test_an_old_kubernetes_is_refused(helm: Helm) -> None:
    assert ">=1.30.0-0" in helm("template", "weir", str(CHART), "--kube-version=1.29", refused=True)


@pytest.fixture
def cluster(empty_cluster: ControlPlane) -> Iterator[ControlPlane]:
    yield empty_cluster
    empty_cluster.kubectl("delete", "--ignore-not-found", "namespace", NAMESPACE)


def test_install_upgrade_uninstall(helm: Helm, cluster: ControlPlane, leftovers: Callable[[], list[str]]) -> None:
    access = (f"--kubeconfig={cluster.kubeconfig}", f"--namespace={NAMESPACE}")
    notes = helm("install", "weir", str(CHART), "--create-namespace", *access)
    assert f"kubectl label namespace {NAMESPACE} pod-security.kubernetes.io/enforce=privileged" in notes
    generation = cluster.get("daemonset", "weir-probe", NAMESPACE)["metadata"]["generation"]
    helm("upgrade", "weir", str(CHART), *access)
    assert cluster.get("daemonset", "weir-probe", NAMESPACE)["metadata"]["generation"] == generation
    helm("upgrade", "weir", str(CHART), "--set=operator.replicas=1", *access)
    assert cluster.get("deployment", "weir-operator", NAMESPACE)["spec"]["replicas"] == 1
    helm("uninstall", "weir", "--wait", *access)
    crds = cluster.kubectl("get", "crd", "-l", "app.kubernetes.io/part-of=weir", "-o", "name").split()
    assert len(crds) == 3
    cluster.kubectl("delete", *crds)
    cluster.kubectl("delete", "namespace", NAMESPACE)
    assert leftovers() == []


def test_helm_takes_over_and_weir_uninstall_leaves_the_release_to_it(helm: Helm, cluster: ControlPlane) -> None:
    access = (f"--kubeconfig={cluster.kubeconfig}", f"--namespace={NAMESPACE}")
    weir(cluster, "install", "--apply")
    assert "invalid ownership metadata" in helm("install", "weir", str(CHART), *access, refused=True)
    helm("install", "weir", str(CHART), "--take-ownership", *access)
    assert f"helm uninstall weir -n {NAMESPACE}" in weir(cluster, "uninstall", "--yes", code=1)
    helm("uninstall", "weir", "--wait", *access)
    weir(cluster, "uninstall", "--yes")
    assert cluster.kubectl("get", "crd", "-o", "name") == ""
