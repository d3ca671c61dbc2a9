"""A node that crashes, and comes back with its disk."""

import pytest

from kube.cluster.machine import Machine
from weir_on_cluster import WeirOnCluster

pytestmark = [pytest.mark.kube, pytest.mark.root]


def test_a_node_crashes_and_comes_back(weir: WeirOnCluster, machines: dict[str, Machine]) -> None:
    assert weir.cluster is not None
    name, machine = list(machines.items())[-1]
    weir.observe("everything", selector={"all": True})
    assert weir.wait_ready("everything")["matched"]["nodes"] == len(machines)

    machine.crash()
    weir.kube.wait(lambda: silent(weir, name), 90, "the status to name the node that is silent")
    # Kubernetes moves its pods; those of the other node are observed as before
    weir.kube.wait(
        lambda: weir.status("everything")["matched"]["nodes"] == len(machines) - 1, 120, "the pods to have moved"
    )
    weir.wait_ready("everything")

    weir.cluster.start(machine)
    weir.wait_rolled_out()
    weir.kube.kubectl("rollout", "restart", "deployment", "-n", "shop")  # spread again
    weir.open_shop()
    weir.kube.wait(
        lambda: weir.status("everything")["matched"]["nodes"] == len(machines), 60, "pods of both nodes to be observed"
    )
    status = weir.wait_ready("everything")
    assert status["matched"]["programmedNodes"] == len(machines)
    assert not [issue for issue in status.get("nodeIssues", []) if issue["reason"] == "ProbeNotReporting"]
    weir.forget("everything")


def silent(weir: WeirOnCluster, node: str) -> bool:
    issues = weir.status("everything").get("nodeIssues", [])
    return any(issue["node"] == node and issue["reason"] == "ProbeNotReporting" for issue in issues)
