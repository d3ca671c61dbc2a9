"""The manifests of config/, applied to a real API server: accepted as they are, and granting exactly what is used."""

import copy
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube.control_plane import ControlPlane, KubectlError
from weir_api.admission import contradictions, not_supported_yet
from weir_api.feed import AUDIENCE, PATH
from weir_api.flowobservation import FlowObservation

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "config"
SAMPLES = sorted((CONFIG / "samples").glob("*.yaml"))
NAMESPACE = "weir-system"
APPLY = ("apply", "--server-side", "--force-conflicts", "--validate=strict")
SHARED = ("CustomResourceDefinition", "Namespace")  # other tests of the session use these too

PROBE_CAPABILITIES = ["BPF", "NET_ADMIN", "NET_RAW", "PERFMON", "SYS_PTRACE"]
READ = ("get", "list", "watch")
VERBS = (*READ, "create", "update", "patch", "delete", "deletecollection")

#: (group, resource) to verbs: all that each account may do, in any namespace
OPERATOR: dict[tuple[str, str], tuple[str, ...]] = {
    ("weir.dev", "flowobservations"): READ,
    ("weir.dev", "flowobservations/status"): ("patch",),
    ("weir.dev", "l7protocols"): READ,
    ("weir.dev", "l7protocols/status"): ("patch",),
    ("weir.dev", "nodeprobes"): (*READ, "create", "patch", "delete"),
    ("", "pods"): READ,
    ("", "services"): READ,
    ("", "nodes"): READ,
    ("", "namespaces"): READ,
    ("authentication.k8s.io", "tokenreviews"): ("create",),
    ("authorization.k8s.io", "subjectaccessreviews"): ("create",),
    ("events.k8s.io", "events"): ("create", "patch"),
}
PROBE: dict[tuple[str, str], tuple[str, ...]] = {
    ("weir.dev", "nodeprobes"): READ,
    ("weir.dev", "nodeprobes/status"): ("update", "patch"),
    ("", "pods"): READ,
}


@pytest.fixture(scope="module")
def manifests(control_plane: ControlPlane) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(control_plane.kubectl("kustomize", str(CONFIG / "default"))))


@pytest.fixture(scope="module")
def installed(control_plane: ControlPlane, manifests: list[dict[str, Any]]) -> Iterator[ControlPlane]:
    """Weir as `kubectl apply -k config/default` installs it; the server refuses fields that it does not know."""
    control_plane.kubectl(
        "apply", "--server-side", "--force-conflicts", "--validate=strict", "-k", str(CONFIG / "default")
    )
    yield control_plane
    own = [each for each in manifests if each["kind"] not in SHARED]
    control_plane.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", input=yaml.safe_dump_all(own))


def of_kind(manifests: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = [each for each in manifests if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def test_a_second_apply_changes_nothing(installed: ControlPlane) -> None:
    def generations() -> str:
        kinds = "deployment,daemonset,validatingadmissionpolicy,clusterrole"
        shown = "jsonpath={range .items[*]}{.metadata.name}={.metadata.generation} {end}"
        return str(installed.kubectl("get", kinds, "-A", "-l", "app.kubernetes.io/part-of=weir", "-o", shown))

    before = generations()
    assert len(before.split()) == 8
    installed.kubectl(*APPLY, "-k", str(CONFIG / "default"))
    assert generations() == before


@pytest.mark.parametrize("overlay", ["bcc", "in-pod"])
def test_overlays_are_accepted(installed: ControlPlane, overlay: str) -> None:
    installed.kubectl(*APPLY, "--dry-run=server", "-k", str(CONFIG / overlay))


def may(
    control_plane: ControlPlane, account: str, resource: tuple[str, str], verb: str, *, name: str, namespace: str
) -> bool:
    group, (plural, _, subresource) = resource[0], resource[1].partition("/")
    attributes = {"namespace": namespace, "verb": verb, "group": group, "resource": plural, "subresource": subresource}
    user = f"system:serviceaccount:{NAMESPACE}:{account}"
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "resourceAttributes": attributes | {"name": name}},
    }
    answer = control_plane.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    return bool(answer["status"]["allowed"])


def all_resources(control_plane: ControlPlane) -> list[tuple[str, str]]:
    """Every resource and subresource that the API server has, as (group, resource)."""
    versions = ["v1"]
    for group in control_plane.request("GET", "/apis")["groups"]:
        versions.extend(version["groupVersion"] for version in group["versions"])
    found: set[tuple[str, str]] = set()
    for version in versions:
        served = control_plane.request("GET", f"/{'api' if version == 'v1' else 'apis'}/{version}")
        found.update((version.rpartition("/")[0], resource["name"]) for resource in served["resources"])
    return sorted(found)


@pytest.mark.parametrize(("account", "expected"), [("weir-operator", OPERATOR), ("weir-probe", PROBE)])
def test_accounts_may_do_this_and_nothing_else(
    installed: ControlPlane, account: str, expected: dict[tuple[str, str], tuple[str, ...]]
) -> None:
    wanted = {(*resource, verb) for resource, verbs in expected.items() for verb in verbs}
    resources = all_resources(installed)
    assert set(expected) <= set(resources)
    granted = {
        (*resource, verb)
        for resource, verb in itertools.product(resources, VERBS)
        if may(installed, account, resource, verb, name="any", namespace="any")
    }
    assert granted == wanted


def test_the_operator_changes_one_secret_and_one_config_map(installed: ControlPlane) -> None:
    def verbs(plural: str, name: str, namespace: str = NAMESPACE) -> set[str]:
        return {
            verb
            for verb in VERBS
            if may(installed, "weir-operator", ("", plural), verb, name=name, namespace=namespace)
        }

    for plural, name in (("secrets", "weir-identity-tls"), ("configmaps", "weir-identity-ca")):
        assert verbs(plural, name) == {"get", "update"}
        assert verbs(plural, "another") == verbs(plural, name, "kube-system") == set()


def test_the_operator_holds_one_lease_in_its_own_namespace(installed: ControlPlane) -> None:
    def lease(verb: str, name: str, namespace: str = NAMESPACE, account: str = "weir-operator") -> bool:
        return may(installed, account, ("coordination.k8s.io", "leases"), verb, name=name, namespace=namespace)

    assert {verb for verb in VERBS if lease(verb, "weir-operator")} == {"get", "create", "update"}
    assert {verb for verb in VERBS if lease(verb, "another")} == {"create"}
    assert not any(lease(verb, "weir-operator", "kube-system") for verb in VERBS)
    assert not any(lease(verb, "weir-operator", account="weir-probe") for verb in VERBS)


@pytest.mark.parametrize(
    ("role", "verbs"), [("view", {*READ}), ("edit", {*VERBS}), ("admin", {*VERBS})], ids=["view", "edit", "admin"]
)
def test_people_have_what_their_role_in_a_namespace_says(installed: ControlPlane, role: str, verbs: set[str]) -> None:
    def granted() -> bool:
        rules = installed.get("clusterrole", role)["rules"]
        given = {verb for rule in rules if "weir.dev" in rule["apiGroups"] for verb in rule["verbs"]}
        resources = {resource for rule in rules if "weir.dev" in rule["apiGroups"] for resource in rule["resources"]}
        return given == verbs and resources == {"flowobservations"}

    installed.wait(granted, 20, f"the aggregated role {role}")  # a controller aggregates


def pod_of(manifest: dict[str, Any]) -> dict[str, Any]:
    template = copy.deepcopy(manifest["spec"]["template"])
    template["spec"].pop("priorityClassName")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template["metadata"], "name": "candidate"},
        "spec": {**template["spec"], "serviceAccountName": "default"},
    }


#: What Kubernetes' own admission says of each, by the level that a namespace enforces; "": accepted.
POD_SECURITY = [
    ("weir-operator", "restricted", ""),
    ("weir-probe", "restricted", "hostNetwork=true, hostPID=true"),
    ("weir-probe", "baseline", "hostNetwork=true, hostPID=true"),
    ("weir-probe", "privileged", ""),
]


@pytest.mark.parametrize(("name", "level", "refusal"), POD_SECURITY)
def test_pod_security_standards(
    installed: ControlPlane, manifests: list[dict[str, Any]], name: str, level: str, refusal: str
) -> None:
    kind = "Deployment" if name == "weir-operator" else "DaemonSet"
    namespace = f"weir-test-{name}-{level}"
    installed.make_namespace(namespace, {"pod-security.kubernetes.io/enforce": level})
    text = yaml.safe_dump(pod_of(of_kind(manifests, kind, name)))
    try:
        if refusal:
            with pytest.raises(KubectlError, match=refusal):
                installed.kubectl("create", "--dry-run=server", "-n", namespace, "-f", "-", input=text)
        else:
            assert "candidate" in installed.kubectl(
                "create", "--dry-run=server", "-n", namespace, "-f", "-", input=text
            )
    finally:
        installed.kubectl("delete", "namespace", namespace, "--wait=false")


def test_the_namespace_lets_the_probe_in(installed: ControlPlane, manifests: list[dict[str, Any]]) -> None:
    labels = of_kind(manifests, "Namespace", NAMESPACE)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "privileged"
    text = yaml.safe_dump(pod_of(of_kind(manifests, "DaemonSet", "weir-probe")))
    created = installed.kubectl("create", "--dry-run=server", "-n", NAMESPACE, "-f", "-", input=text)
    assert "candidate" in created


def test_the_probe_has_its_capabilities_and_no_more(manifests: list[dict[str, Any]]) -> None:
    spec = of_kind(manifests, "DaemonSet", "weir-probe")["spec"]["template"]["spec"]
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        context = container["securityContext"]
        assert sorted(context["capabilities"]["add"]) == PROBE_CAPABILITIES
        assert context["capabilities"]["drop"] == ["ALL"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["privileged"] is False
        assert context["allowPrivilegeEscalation"] is False
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert {next(iter(volume.keys() - {"name"})) for volume in spec["volumes"]} == {
        "emptyDir",
        "projected",
        "configMap",
    }
    (token,) = [volume["projected"]["sources"] for volume in spec["volumes"] if "projected" in volume]
    assert [source["serviceAccountToken"]["audience"] for source in token] == [AUDIENCE]


def test_the_probe_may_ask_the_identity_feed_and_the_operator_need_not(installed: ControlPlane) -> None:
    def allowed(account: str, path: str, verb: str = "get") -> bool:
        user = f"system:serviceaccount:{NAMESPACE}:{account}"
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": user, "nonResourceAttributes": {"path": path, "verb": verb}},
        }
        answer = installed.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return bool(answer["status"]["allowed"])

    assert allowed("weir-probe", PATH)
    assert not allowed("weir-probe", PATH, "post")
    assert not allowed("weir-probe", "/identity/v2")
    assert not allowed("weir-operator", PATH)


def test_applying_again_leaves_the_identity_feeds_certificate(installed: ControlPlane) -> None:
    patch = '{"data":{"tls.key":"Zm9v"}}'
    installed.kubectl("patch", "secret", "weir-identity-tls", "-n", NAMESPACE, "-p", patch)
    installed.kubectl(*APPLY, "-k", str(CONFIG / "default"))
    assert installed.get("secret", "weir-identity-tls", NAMESPACE)["data"]["tls.key"] == "Zm9v"


def test_pods_are_created_from_them(installed: ControlPlane) -> None:
    """The controllers' own pods pass admission: no field of the templates is refused later."""

    label = "app.kubernetes.io/name=weir-operator"

    def pods() -> bool:
        return len(installed.kubectl("get", "pods", "-n", NAMESPACE, "-l", label, "-o", "name").split()) == 2

    installed.wait(pods, 30, "the operator's two pods")


def test_samples_apply(installed: ControlPlane) -> None:
    """All at once, as a user would; the namespace that they observe is among them."""
    assert SAMPLES
    try:
        installed.kubectl(*APPLY, *(f"--filename={sample}" for sample in SAMPLES))
        observations = installed.request("GET", "/apis/weir.dev/v1alpha1/flowobservations")["items"]
        documents = [each for sample in SAMPLES for each in yaml.safe_load_all(sample.read_text()) if each]
        wanted = {each["metadata"]["name"] for each in documents if each["kind"] == "FlowObservation"}
        assert wanted <= {each["metadata"]["name"] for each in observations}
        for each in observations:
            spec = FlowObservation.model_validate({"spec": each["spec"]}).spec
            assert contradictions(spec) == not_supported_yet(spec) == [], each["metadata"]["name"]
    finally:
        installed.kubectl("delete", "--ignore-not-found", *(f"--filename={sample}" for sample in SAMPLES))
