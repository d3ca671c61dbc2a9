"""Plans against a real API server: which node is told to observe what."""

import json

import pytest

from operator_process import CHECKOUT, Shop

pytestmark = pytest.mark.kube


def test_an_observation_becomes_plans_on_the_right_nodes(shop: Shop) -> None:
    shop.pod("checkout-1")
    shop.pod("other-1", node=1)
    shop.observe("checkout", selector=CHECKOUT, signals={"flowLogs": {"mode": "All", "interval": "5s"}})
    shop.wait_plans(["checkout"], [])
    plan, held = shop.plan(), shop.get()
    assert plan is not None
    planned = plan["spec"]["observations"][0]
    assert (planned["uid"], planned["generation"]) == (held["metadata"]["uid"], 1)
    assert planned["namespaces"] == [shop.namespace]
    assert planned["flowLogs"] == {"mode": "All", "interval": "5s"}
    assert plan["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "weir-operator"}
    assert [owner["kind"] for owner in plan["metadata"]["ownerReferences"]] == ["Node"]
    stored = shop.plane.request("GET", f"/apis/weir.dev/v1alpha1/nodeprobes/{shop.nodes[0]}")
    assert [each["manager"] for each in stored["metadata"]["managedFields"]] == ["weir-operator"]

    shop.pod("checkout-2", node=1)  # pods that come and go
    shop.wait_plans(["checkout"], ["checkout"])
    shop.plane.finish_pod(shop.namespace, "checkout-1")
    shop.plane.delete_pod(shop.namespace, "checkout-2")
    shop.wait_plans([], [])
    assert shop.wait("Programmed", ("False", "NoPodsMatched"))["status"]["matched"]["pods"] == 0


def test_workloads_are_found_by_their_pods_owners(shop: Shop) -> None:
    """The pod is one that the Deployment controller made, by way of a ReplicaSet."""
    labels = {"app": "web"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "main", "image": "localhost/pause:1"}]},
    }
    content = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": shop.namespace},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }
    shop.plane.apply(json.dumps(content))
    listed = ("get", "pods", "-n", shop.namespace, "-l", "app=web", "-o", "jsonpath={.items[*].metadata.name}")
    name = shop.plane.wait(lambda: shop.plane.kubectl(*listed).strip(), 20, "the Deployment's pod")
    shop.observe("web", selector={"workloads": [{"kind": "Deployment", "name": "web"}]})
    shop.wait("Programmed", ("False", "NoPodsMatched"), "web")
    shop.plane.run_pod(shop.namespace, name, shop.nodes[0], "10.9.0.1")
    shop.pod("web-1", node=1)  # of the same labels, and of no Deployment
    shop.wait_plans(["web"], [])


def test_a_namespace_selector_in_the_operators_namespace(shop: Shop) -> None:
    shop.pod("checkout-1")
    shop.pod("checkout-2", node=1)
    name = f"platform-{shop.namespace}"
    selector = {"all": True, "namespaceSelector": {"matchLabels": {"shop": shop.namespace}}}
    shop.observe(name, namespace="weir-system", selector=selector)
    try:
        shop.wait_plans([name], [name])
        plan = shop.plan()
        assert plan is not None
        assert plan["spec"]["observations"][0]["namespaces"] == [shop.namespace]
        shop.plane.kubectl("label", "namespace", shop.namespace, "shop-")
        shop.wait_plans([], [])
    finally:
        shop.plane.kubectl("delete", "fo", name, "-n", "weir-system")


def test_a_node_that_is_full_is_named(shop: Shop) -> None:
    shop.pod("checkout-1")
    one = {"apiVersion": "weir.dev/v1alpha1", "kind": "FlowObservation", "spec": {"selector": {"all": True}}}
    names = [f"o{number:02}" for number in range(64)]
    shop.plane.apply(
        "---\n".join(json.dumps(one | {"metadata": {"name": n, "namespace": shop.namespace}}) + "\n" for n in names)
    )
    shop.wait_plans(names)
    # creation times have whole seconds; the name decides among equals
    shop.observe("zz-last", selector={"all": True})
    held = shop.wait("Programmed", ("False", "NodeObservationLimit"), "zz-last")
    assert held["status"]["nodeIssues"][0]["node"] == shop.nodes[0]
    assert shop.planned() == names
    shop.plane.kubectl("delete", "fo", "o00", "-n", shop.namespace)
    shop.wait_plans([*names[1:], "zz-last"])


def test_what_somebody_else_changes_in_a_plan_is_put_right(shop: Shop) -> None:
    shop.pod("checkout-1")
    shop.observe("checkout", selector=CHECKOUT)
    shop.wait_plans(["checkout"])
    shop.plane.kubectl("patch", "nodeprobe", shop.nodes[0], "--type=merge", "-p", '{"spec":{"observations":[]}}')
    shop.wait_plans(["checkout"])
    shop.plane.kubectl("delete", "nodeprobe", shop.nodes[0])
    shop.wait_plans(["checkout"])


def test_a_node_probe_goes_with_its_node(shop: Shop) -> None:
    shop.pod("checkout-1")
    shop.observe("checkout", selector=CHECKOUT)
    shop.wait_plans(["checkout"])
    shop.plane.kubectl("delete", "node", shop.nodes[0])
    shop.wait_plans([])


def test_a_node_probe_of_somebody_else_is_left_alone(shop: Shop) -> None:
    foreign = {"apiVersion": "weir.dev/v1alpha1", "kind": "NodeProbe", "metadata": {"name": shop.nodes[1]}, "spec": {}}
    shop.plane.apply(json.dumps(foreign))
    shop.pod("checkout-1")
    shop.observe("checkout", selector=CHECKOUT)
    shop.wait_plans(["checkout"])
    assert shop.plan(1) is not None
