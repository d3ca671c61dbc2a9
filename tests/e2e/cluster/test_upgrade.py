"""Operator and probes replaced, pod by pod, as an upgrade does it, while traffic flows.

An operator's change is no gap: probes go on. A probe's is one, of seconds, and it is told: in status and as a metric.
"""

import pytest

from teller import Teller
from weir_on_cluster import NAMESPACE, WeirOnCluster

pytestmark = [pytest.mark.kube, pytest.mark.root, pytest.mark.timeout(600, func_only=True)]


def test_nothing_is_missed_while_the_operator_is_replaced(weir: WeirOnCluster) -> None:
    with Teller(weir, weir.nodes[0]) as teller:
        before, generation = teller.settled(), weir.status(teller.name)["observedGeneration"]
        weir.kube.kubectl("rollout", "restart", "deployment/weir-operator", "-n", NAMESPACE)
        teller.shop()
        weir.wait_rolled_out()
        teller.shop()
        weir.kube.wait(lambda: teller.unexplained == before, 30, "every packet to be counted")
        status = weir.wait_ready(teller.name)
        assert status["observedGeneration"] == generation
        assert "nodeIssues" not in status


def test_for_how_long_a_replaced_probe_missed_packets_is_told(weir: WeirOnCluster) -> None:
    weir.observe("everything", selector={"all": True})
    weir.wait_ready("everything")
    weir.kube.kubectl("rollout", "restart", "daemonset/weir-probe", "-n", NAMESPACE)
    weir.wait_rolled_out()
    weir.kube.wait(lambda: gaps(weir) == set(weir.nodes), 60, "each node's gap in the status")
    weir.wait_ready("everything")
    for issue in weir.status("everything")["nodeIssues"]:
        print(issue["node"], issue["message"])
    for node in weir.nodes:
        assert weir.metric(node, "weir_probe_capture_gap_seconds") > 0
    weir.forget("everything")


def gaps(weir: WeirOnCluster) -> set[str]:
    """The nodes of which the status says that nothing was captured for a time."""
    issues = weir.status("everything").get("nodeIssues", [])
    return {issue["node"] for issue in issues if issue["reason"] == "CaptureGap"}
