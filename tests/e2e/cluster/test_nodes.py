"""A node that crashes, and comes back with its disk."""

import pytest

from kube.cluster.machine import Machine
from weir_on_cluster import WeirOnCluster

pytestmark = [pytest.mark.kube, pytest.mark.root, pytest.mark.timeout(600, func_only=True)]

#: Pods of a node with this taint are deleted without its kubelet's word.
GONE = "node.kubernetes.io/out-of-service"


def test_a_node_crashes_and_comes_back(weir: WeirOnCluster, machines: dict[str, Machine]) -> None:
    assert weir.cluster is not None
    *_, survivor, lost = machines
    weir.observe("everything", selector={"all": True})
    assert weir.wait_ready("everything")["matched"]["nodes"] == len(machines)

    machines[lost].crash()
    try:
        weir.kube.wait(lambda: lost in silent(weir), 90, "the status to name the node that is silent")
        # Kubernetes starts its pods elsewhere; nobody confirms that the old ones ended, so they stay, and it is told
        weir.open_shop()
        weir.kube.wait(lambda: attached(weir, survivor) == len(running(weir, survivor)), 60, "all of the others' pods")
        status = weir.status("everything")
        assert status["summary"]["bytesPerSecond"] > 0
        assert status["matched"]["nodes"] == len(machines)
        assert silent(weir) == {lost}
        ready = next(each for each in status["conditions"] if each["type"] == "Ready")
        assert (ready["status"], ready["reason"]) == ("False", "ProbeNotReporting")
        # until an administrator says that it does not come back
        weir.kube.kubectl("taint", "node", lost, f"{GONE}=nodeshutdown:NoExecute")
        weir.kube.wait(lambda: weir.wait_ready("everything")["matched"]["nodes"] == 1, 90, "the rest to be all")
        assert weir.status("everything")["matched"]["pods"] == len(weir.pods("shop", "app"))
        assert not silent(weir)
        weir.kube.kubectl("taint", "node", lost, f"{GONE}-")
    finally:
        weir.cluster.start(machines[lost])

    weir.wait_rolled_out()
    weir.kube.wait(lambda: not silent(weir), 90, "the node to be heard again")
    weir.kube.kubectl("rollout", "restart", "deployment", "-n", "shop")  # so that pods are on both nodes again
    weir.open_shop()
    for node in machines:
        weir.kube.wait(lambda: attached(weir, node) == len(running(weir, node)) > 0, 60, f"the pods of {node}")  # noqa: B023
    assert weir.wait_ready("everything")["matched"]["programmedNodes"] == len(machines)
    weir.forget("everything")


def silent(weir: WeirOnCluster) -> set[str]:
    """The nodes of which the status says that their probes are not heard."""
    issues = weir.status("everything").get("nodeIssues", [])
    return {issue["node"] for issue in issues if issue["reason"] == "ProbeNotReporting"}


def running(weir: WeirOnCluster, node: str) -> list[str]:
    """The shop's pods on a node."""
    return [pod["metadata"]["name"] for pod in weir.pods("shop", "app") if pod["spec"]["nodeName"] == node]


def attached(weir: WeirOnCluster, node: str) -> int:
    """The pods of a node that its probe watches."""
    return sum(each["attachedPods"] for each in weir.report(node).get("observations", []))
