"""Operator and probes replaced, pod by pod, as an upgrade does it, while traffic flows.

An operator's change is no gap: probes go on. A probe's is one, of seconds, and it is told: in status and as a metric.
"""

import pytest

from teller import Teller
from weir_on_cluster import NAMESPACE, WeirOnCluster

pytestmark = [pytest.mark.kube, pytest.mark.root, pytest.mark.timeout(600, func_only=True)]


def test_nothing_is_missed_while_the_operator_is_replaced(weir: WeirOnCluster) -> None:
    with Teller(weir, weir.nodes[0]) as teller:
        before, status = teller.settled(), weir.status(teller.name)
        generation, known = status["observedGeneration"], status.get("nodeIssues", [])
        weir.kube.kubectl("rollout", "restart", "deployment/weir-operator", "-n", NAMESPACE)
        teller.shop()
        weir.wait_rolled_out()
        teller.shop()
        weir.until(lambda: teller.unexplained == before, "every packet to be counted")
        status = weir.wait_ready(teller.name)
        assert status["observedGeneration"] == generation
        assert not [issue for issue in status.get("nodeIssues", []) if issue not in known]


def test_for_how_long_a_replaced_probe_missed_packets_is_told(weir: WeirOnCluster) -> None:
    weir.observe("everything", selector={"all": True})
    weir.wait_ready("everything")
    before = gaps(weir)
    weir.kube.kubectl("rollout", "restart", "daemonset/weir-probe", "-n", NAMESPACE)
    weir.wait_rolled_out()

    def told() -> set[str]:
        return {node for node, message in gaps(weir).items() if message != before.get(node)}

    weir.until(lambda: told() == set(weir.nodes), "each node's gap in the status")
    weir.wait_ready("everything")
    for node in weir.nodes:
        assert weir.metric(node, "weir_probe_capture_gap_seconds") > 0
    weir.forget("everything")


def gaps(weir: WeirOnCluster) -> dict[str, str]:
    """By node, what the status says of the time in which nothing was captured."""
    issues = weir.status("everything").get("nodeIssues", [])
    return {issue["node"]: issue["message"] for issue in issues if issue["reason"] == "CaptureGap"}
