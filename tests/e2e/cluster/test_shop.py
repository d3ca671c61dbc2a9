"""The main job on a real cluster: samples applied, values seen, workloads that come, go and move."""

import json

import pytest

from weir_on_cluster import ROOT, WeirOnCluster

pytestmark = [pytest.mark.kube, pytest.mark.root, pytest.mark.timeout(600, func_only=True)]

SAMPLES = {
    "shop": ["http-servers", "redis-clients", "api", "everything", "web-log", "name-resolution"],
    "weir-system": ["outgoing-http"],
}


def test_samples_show_live_values(weir: WeirOnCluster) -> None:
    weir.kube.apply(ROOT / "config" / "samples")
    for namespace, names in SAMPLES.items():
        for name in names:
            weir.wait_ready(name, namespace)
            weir.until(
                lambda: weir.status(name, namespace).get("summary", {}).get("bytesPerSecond", 0) > 0,  # noqa: B023
                f"traffic in {namespace}/{name}",
            )
    print(weir.kube.kubectl("get", "fo", "-A"))
    header, *rows = weir.kube.kubectl("get", "fo", "-n", "shop").splitlines()
    assert header.split()[:4] == ["NAME", "READY", "PODS", "FLOWS/S"]
    everything = next(row for row in rows if row.startswith("everything")).split()
    assert everything[1] == "True"
    assert int(everything[2]) == len(weir.pods("shop", "app"))
    peers = {peer["name"] for peer in weir.status("everything")["topPeers"]}
    print(sorted(peers))
    assert peers


def test_events_tell_of_an_observation(weir: WeirOnCluster) -> None:
    weir.observe("eventful", selector={"podSelector": {"matchLabels": {"app": "redis"}}})
    weir.wait_ready("eventful")

    def reasons() -> set[str]:
        selector = "regarding.kind=FlowObservation,regarding.name=eventful"
        listed = weir.kube.kubectl(
            "get", "events.events.k8s.io", "-n", "shop", f"--field-selector={selector}", "-o", "json"
        )
        return {each["reason"] for each in json.loads(listed)["items"]}

    weir.until(lambda: "Ready" in reasons(), "an Event that says Ready")
    assert "Ready" in weir.kube.kubectl("get", "events", "-n", "shop"), "and kubectl get events lists it"
    weir.forget("eventful")


def test_a_rollout_is_followed(weir: WeirOnCluster) -> None:
    weir.observe("web", selector={"podSelector": {"matchLabels": {"app": "web"}}})
    weir.wait_ready("web")
    before = {pod["metadata"]["uid"] for pod in weir.pods("shop", "app=web")}
    weir.kube.kubectl("rollout", "restart", "deployment/web", "-n", "shop")
    weir.open_shop()
    after = {pod["metadata"]["uid"] for pod in weir.pods("shop", "app=web")}
    assert not before & after
    weir.until(lambda: attached(weir, "web") == 2, "the new pods to be attached, and none else")
    weir.wait_ready("web")
    weir.until(
        lambda: weir.status("web").get("summary", {}).get("bytesPerSecond", 0) > 0,
        "the new pods' traffic in the status",
    )
    weir.forget("web")


def test_a_deployment_is_scaled_from_one_to_fifty(weir: WeirOnCluster) -> None:
    """The pods are the redis image's: each asks the shop's redis once a second."""
    command = "while sleep 1; do redis-cli -h redis.shop ping; done"
    container = {"name": "asks", "image": "localhost/tools:1", "command": ["sh", "-c", command]}
    labels = {"app": "many"}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "many", "namespace": "shop"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
            },
        },
    }
    weir.kube.apply(json.dumps(deployment))
    weir.observe("many", selector={"workloads": [{"kind": "Deployment", "name": "many"}]})
    weir.until(lambda: weir.wait_ready("many")["matched"]["pods"] == 1, "one pod")
    for count in (50, 1):
        weir.kube.kubectl("scale", "deployment/many", "-n", "shop", f"--replicas={count}")
        weir.until(lambda: attached(weir, "many") == count, f"{count} pods to be attached")  # noqa: B023
        status = weir.wait_ready("many")
        assert status["matched"]["pods"] == count
    weir.forget("many")
    weir.kube.kubectl("delete", "deployment/many", "-n", "shop")


def attached(weir: WeirOnCluster, observation: str) -> int:
    """How many pods of an observation the nodes' probes watch."""
    reports = [each for node in weir.nodes for each in weir.report(node).get("observations", [])]
    return sum(each["attachedPods"] for each in reports if each["name"] == observation)
