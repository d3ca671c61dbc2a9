"""Pods on the node's network: what cannot be told from the node's is not claimed, and the status says so."""

from typing import Any

import pytest

from operator_process import CHECKOUT
from probe_process import Site
from traffic import serve, talk

pytestmark = [pytest.mark.kube, pytest.mark.root]


def test_the_rest_of_the_observation_works(site: Site) -> None:
    node, checkout = site.hosts[0], site.start("checkout-1")
    site.plane.make_pod(
        site.namespace, "checkout-agent", site.nodes[0], {"app": "checkout"}, node.ips, host_network=True
    )
    serve(node, 9100)
    site.observe("checkout", selector=CHECKOUT)

    def known() -> dict[str, Any]:
        status: dict[str, Any] = site.get()["status"]
        return (
            status
            if status.get("effective") and status["matched"] == {"pods": 2, "nodes": 1, "programmedNodes": 1}
            else {}
        )

    status = site.plane.wait(known, 20, "the pod on the node's network to be told")
    (downgrade,) = status["effective"]
    assert (downgrade["field"], downgrade["nodes"]) == ("spec.selector", 1)
    assert "hostNetwork" in downgrade["reason"]
    (issue,) = status["nodeIssues"]
    assert (issue["node"], issue["reason"]) == (site.nodes[0], "HostNetwork")
    assert f"{site.namespace}/checkout-agent" in issue["message"]
    site.wait("Ready", ("True", "Ready"))
    assert site.programs() == [checkout.interface]

    before = checkout.interface_counters()
    talk(checkout, node.ips[0], 9100, count=3, size=50_000)
    site.wait_total(*(checkout.interface_counters() - before).both_ways)
    metric = site.probes[0].metric
    assert metric("weir_connections_total", workload="checkout-1", peer_class="node") == 3
    assert metric("weir_connections_total", workload="checkout-agent") == 0, "nobody's flows are claimed for it"
    assert metric("weir_connections_total", peer_workload="checkout-agent") == 0


def test_nothing_but_such_pods_is_not_ready(site: Site) -> None:
    site.plane.make_pod(
        site.namespace, "checkout-1", site.nodes[0], {"app": "checkout"}, site.hosts[0].ips, host_network=True
    )
    site.observe("checkout", selector=CHECKOUT)
    found = site.wait("Ready", ("False", "HostNetwork"))
    assert found["status"]["matched"]["pods"] == 1
    assert site.programs() == []
