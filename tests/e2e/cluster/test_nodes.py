"""A node that crashes, and comes back with its disk."""

import pytest

from kube.cluster.machine import Machine
from weir_on_cluster import WeirOnCluster

pytestmark = [pytest.mark.kube, pytest.mark.root, pytest.mark.timeout(600, func_only=True)]


def test_a_node_crashes_and_comes_back(weir: WeirOnCluster, machines: dict[str, Machine]) -> None:
    assert weir.cluster is not None
    *_, survivor, lost = machines
    weir.observe("everything", selector={"all": True})
    weir.until(lambda: programmed(weir) == len(machines), "every node's plan to be in use")

    machines[lost].crash()
    try:
        weir.until(lambda: lost in silent(weir), "the status to name the node that is silent")
        # Kubernetes starts its pods elsewhere; nobody confirms that the old ones ended, so they stay, and it is told
        weir.open_shop()
        weir.until(lambda: attached(weir, survivor) == len(running(weir, survivor)), "all of the others' pods")
        status = weir.status("everything")
        assert status["summary"]["bytesPerSecond"] > 0
        assert status["matched"]["nodes"] == len(machines)
        assert silent(weir) == {lost}
        ready = next(each for each in status["conditions"] if each["type"] == "Ready")
        assert (ready["status"], ready["reason"]) == ("False", "ProbeNotReporting")
        # until an administrator says that it does not come back: they are deleted without its kubelet's word
        weir.kube.kubectl("taint", "node", lost, "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute")
        rest = {"pods": len(weir.pods("shop", "app")), "nodes": 1, "programmedNodes": 1}
        weir.until(lambda: weir.status("everything")["matched"] == rest, f"{rest} to be all that is matched")
        assert not silent(weir)
        weir.wait_ready("everything")
    finally:
        weir.kube.kubectl("patch", "node", lost, "--type=merge", "-p", '{"spec": {"taints": []}}')
        weir.cluster.start(machines[lost])

    weir.wait_rolled_out()
    weir.until(lambda: not silent(weir), "the node to be heard again")
    weir.kube.kubectl("rollout", "restart", "deployment", "-n", "shop")  # so that pods are on both nodes again
    weir.open_shop()
    for node in machines:
        weir.until(lambda: attached(weir, node) == len(running(weir, node)) > 0, f"the pods of {node}")  # noqa: B023
    weir.until(lambda: programmed(weir) == len(machines), "every node's plan to be in use again")
    weir.forget("everything")


def programmed(weir: WeirOnCluster) -> int:
    """How many nodes have the plan in use, once the observation is Ready."""
    return int(weir.wait_ready("everything")["matched"]["programmedNodes"])


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
