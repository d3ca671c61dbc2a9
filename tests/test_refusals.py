"""What must be refused, tried with real accounts on a real API server: Weir's own, and people's."""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kube.control_plane import ControlPlane, KubectlError
from operator_process import CHECKOUT, NAMESPACE, ROOT, Shop

pytestmark = pytest.mark.kube

#: kubectl arguments; OTHER is a namespace that is not the account's, NODE one of the cluster's.
READ_SECRETS = ("get", "secrets", "-A")
ESCALATE = ("create", "clusterrolebinding", "mine", "--clusterrole=cluster-admin", "--user=me")
GRANT = ("create", "clusterrole", "mine", "--verb=get", "--resource=secrets")
MINT = ("create", "token", "default", "-n", "OTHER")
EXEC = ("exec", "-n", "OTHER", "web-1", "--", "true")
RUN_POD = ("run", "mine", "--image=none", "-n", "OTHER")
IMPERSONATE = ("get", "pods", "--as=system:admin", "-A")
CHANGE_POLICY = ("delete", "validatingadmissionpolicy", "weir-probe-own-node")
SPEC = json.dumps({"spec": {"paused": True}})
CHANGE_OBSERVATION = ("patch", "flowobservation", "checkout", "-n", "OTHER", "--type=merge", "-p", SPEC)
DELETE_OBSERVATION = ("delete", "flowobservation", "checkout", "-n", "OTHER")
PLAN = json.dumps({"spec": {"planHash": "mine", "observations": []}})
CHANGE_PLAN = ("patch", "nodeprobe", "NODE", "--type=merge", "-p", PLAN)
REPORT = json.dumps({"status": {"planHash": "mine"}})
WRITE_REPORT = ("patch", "nodeprobe", "NODE", "--subresource=status", "--type=merge", "-p", REPORT)
READ_PLANS = ("get", "nodeprobes")

ALWAYS = [READ_SECRETS, ESCALATE, GRANT, MINT, EXEC, RUN_POD, IMPERSONATE, CHANGE_POLICY]
#: The operator holds one Secret, its own certificate's, and neither makes nor removes any.
OTHER_SECRET = ("get", "secret", "another", "-n", NAMESPACE)
MAKE_SECRET = ("create", "secret", "generic", "mine", "-n", NAMESPACE)
DROP_CERTIFICATE = ("delete", "secret", "weir-identity-tls", "-n", NAMESPACE)
READ_CERTIFICATE = ("get", "secret", "weir-identity-tls", "-n", NAMESPACE)
REFUSED = {
    "weir-operator": [
        *ALWAYS,
        *(CHANGE_OBSERVATION, DELETE_OBSERVATION, WRITE_REPORT),
        *(OTHER_SECRET, MAKE_SECRET, DROP_CERTIFICATE),
    ],
    "weir-probe": [
        *ALWAYS,
        READ_CERTIFICATE,
        MAKE_SECRET,
        CHANGE_OBSERVATION,
        DELETE_OBSERVATION,
        CHANGE_PLAN,
        ("get", "flowobservations", "-A"),
    ],
}


def aimed(arguments: tuple[str, ...], at: Shop) -> list[str]:
    """The arguments with a real namespace and a real node."""
    return [{"OTHER": at.namespace, "NODE": at.nodes[0]}.get(each, each) for each in arguments]


@dataclass(frozen=True)
class Account:
    """kubectl with the token of a service account."""

    plane: ControlPlane
    kubeconfig: Path

    def kubectl(self, *arguments: str, input: str | None = None) -> str:
        answer: str = self.plane.kubectl(*arguments, input=input, kubeconfig=self.kubeconfig)
        return answer

    def refused(self, *arguments: str, input: str | None = None) -> None:
        with pytest.raises(KubectlError, match=r"(?i)forbidden|cannot impersonate"):
            self.kubectl(*arguments, input=input)


@pytest.fixture
def there(shop: Shop) -> Iterator[Shop]:
    """A shop with a pod, an observation and a plan, where others have no business."""
    shop.pod("web-1", labels={"app": "checkout"})
    shop.observe("checkout", selector=CHECKOUT)
    shop.wait_plans(["checkout"])
    for manifest in ("config/probe/rbac.yaml", "config/users"):
        flag = "-k" if manifest == "config/users" else "-f"
        shop.plane.kubectl("apply", "--server-side", "--force-conflicts", flag, str(ROOT / manifest))
    yield shop


@pytest.mark.parametrize("account", REFUSED)
def test_weirs_own_accounts(there: Shop, account: str) -> None:
    own = Account(there.plane, there.plane.service_account_kubeconfig(NAMESPACE, account))
    own.kubectl("get", "pods", "-n", there.namespace)  # the token is good
    for arguments in REFUSED[account]:
        own.refused(*aimed(arguments, there))


@pytest.fixture
def person(there: Shop) -> Iterator[Callable[[str], tuple[Account, str]]]:
    """Somebody with a role in a namespace of their own, and in no other."""
    made: list[str] = []

    def make(role: str) -> tuple[Account, str]:
        namespace = f"tenant-{uuid.uuid4().hex[:8]}"
        there.plane.make_namespace(namespace, {"shop": there.namespace})
        made.append(namespace)
        account = Account(there.plane, there.plane.service_account_kubeconfig(namespace, "somebody"))
        bind = ["create", "rolebinding", "somebody", f"--clusterrole={role}", f"--serviceaccount={namespace}:somebody"]
        there.plane.kubectl(*bind, "-n", namespace)
        return account, namespace

    yield make
    for namespace in made:
        there.plane.request("DELETE", f"/apis/weir.dev/v1alpha1/namespaces/{namespace}/flowobservations")
        there.plane.kubectl("delete", "namespace", namespace, "--wait=false")


def observation(namespace: str, **selector: Any) -> str:
    metadata = {"name": "mine", "namespace": namespace}
    spec = {"selector": selector or {"all": True}}
    return json.dumps(
        {"apiVersion": "weir.dev/v1alpha1", "kind": "FlowObservation", "metadata": metadata, "spec": spec}
    )


CREATE = ("create", "-f", "-")


def test_who_may_edit_a_namespace_observes_it_and_no_other(
    there: Shop, person: Callable[[str], tuple[Account, str]]
) -> None:
    somebody, namespace = person("edit")

    def allowed() -> bool:
        try:
            somebody.kubectl(*CREATE, input=observation(namespace))
        except KubectlError:  # roles are aggregated by a controller, and taken up by the API server a moment later
            return False
        return True

    there.plane.wait(allowed, 30, "the role to be in force")
    there.pod("other-1", labels={"app": "mine"})
    there.plane.make_pod(namespace, "mine-1", there.nodes[1], {"app": "mine"}, ip="10.9.9.9")

    def planned() -> list[list[str]]:
        plan = there.plan(1) or {"spec": {"observations": []}}
        return [each["namespaces"] for each in plan["spec"]["observations"] if each["namespace"] == namespace]

    # `all` is all of its own namespace: pods of the other one are on the first node
    assert there.plane.wait(planned, 15, "its plan") == [[namespace]]
    first = there.plan(0)
    assert first is not None
    assert {each["namespace"] for each in first["spec"]["observations"]} == {there.namespace}
    for arguments in (CHANGE_OBSERVATION, DELETE_OBSERVATION, CHANGE_PLAN, WRITE_REPORT, READ_PLANS, READ_SECRETS):
        somebody.refused(*aimed(arguments, there))
    somebody.refused(*CREATE, input=observation(there.namespace))
    somebody.refused(*CREATE, input=observation(NAMESPACE))


def test_who_may_view_a_namespace_changes_nothing(there: Shop, person: Callable[[str], tuple[Account, str]]) -> None:
    somebody, namespace = person("view")

    def allowed() -> bool:
        try:
            somebody.kubectl("get", "flowobservations", "-n", namespace)
        except KubectlError:
            return False
        return True

    there.plane.wait(allowed, 30, "the role to be in force")
    somebody.refused(*CREATE, input=observation(namespace))
    somebody.refused("get", "flowobservations", "-n", there.namespace)
    somebody.refused(*READ_PLANS)


def test_a_tenant_that_names_other_namespaces_is_refused(shop: Shop) -> None:
    shop.pod("checkout-1")
    shop.observe("wide", selector={"all": True, "namespaceSelector": {}})
    shop.wait("Accepted", ("False", "NamespaceSelectorNotAllowed"), name="wide")
    assert shop.plan() is None
