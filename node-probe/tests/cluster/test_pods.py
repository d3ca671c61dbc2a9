"""This node's pods: they come, go, end, restart and move; bursts are told as one."""

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.told import Told
from kube import objects
from kube.control_plane import ControlPlane

pytestmark = pytest.mark.kube
Follow = Callable[[str, Path], Told]


def name() -> str:
    return f"p{uuid.uuid4().hex[:8]}"


def test_what_is_known_of_a_pod(kube: ControlPlane, namespace: str, node: str, follow: Follow) -> None:
    first, second, third = sorted(name() for _ in range(3))
    made = kube.make_pod(namespace, first, node, {"app": "a"}, ["10.1.0.1", "fd00::1"])
    kube.make_pod(namespace, second, node, host_network=True, ip="192.0.2.1")
    told = follow(node, kube.kubeconfig)
    pods = told.until_pods(first, second)
    assert len(told.pods) == 1, "the first list, complete"
    pod = pods[first]
    assert pod.uid == made["metadata"]["uid"]
    assert (pod.workload.namespace, dict(pod.workload.labels)) == (namespace, {"app": "a"})
    assert pod.addresses == ("10.1.0.1", "fd00::1")
    assert pod.owner == ("Pod", first)
    assert not pod.host_network
    assert pods[second].host_network
    # an owner of a kind that no controller of this cluster would act on
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": third}}
    owner = kube.request("POST", f"/api/v1/namespaces/{namespace}/configmaps", config_map)
    kube.make_pod(namespace, third, node, ip="10.1.0.3", owner=owner)
    pod = told.until_pods(first, second, third)[third]
    assert pod.owner == ("ConfigMap", third)
    assert pod.workload.owners == {("Pod", third), ("ConfigMap", third)}


def test_they_come_and_go(kube: ControlPlane, namespace: str, node: str, follow: Follow) -> None:
    told = follow(node, kube.kubeconfig)
    told.until_pods()
    a, b, c = (name() for _ in range(3))
    kube.make_pod(namespace, a, node, ip="10.1.0.1")
    told.until(lambda: told.pods[-1] and told.pods[-1][0].addresses == ("10.1.0.1",))
    kube.make_pod(namespace, b, node, ip="10.1.0.2")
    told.until_pods(a, b)
    kube.make_pod(namespace, c, None)  # of no node
    kube.finish_pod(namespace, a)
    told.until_pods(b)
    kube.finish_pod(namespace, b, "Failed")
    told.until_pods()
    kube.run_pod(namespace, c, node, "10.1.0.3")
    told.until_pods(c)
    kube.delete_pod(namespace, c)
    told.until_pods()


def test_one_moves_to_another_node(kube: ControlPlane, namespace: str, node: str, follow: Follow) -> None:
    other = f"{node}-other"
    kube.make_node(other)
    here, there = follow(node, kube.kubeconfig), follow(other, kube.kubeconfig)
    pod = name()
    kube.make_pod(namespace, pod, node, ip="10.1.0.1")
    before = here.until_pods(pod)[pod].uid
    kube.delete_pod(namespace, pod)
    kube.make_pod(namespace, pod, other, ip="10.1.1.1")
    here.until_pods()
    assert there.until_pods(pod)[pod].uid != before
    kube.delete_pod(namespace, pod)
    kube.kubectl("delete", "node", other)


def test_one_is_replaced_under_its_name(kube: ControlPlane, namespace: str, node: str, follow: Follow) -> None:
    told = follow(node, kube.kubeconfig)
    pod = name()
    first = kube.make_pod(namespace, pod, node, ip="10.1.0.1")
    told.until(lambda: told.pods and [p.uid for p in told.pods[-1]] == [first["metadata"]["uid"]])
    kube.delete_pod(namespace, pod)
    second = kube.make_pod(namespace, pod, node, ip="10.1.0.2")
    told.until(lambda: [(p.uid, p.addresses) for p in told.pods[-1]] == [(second["metadata"]["uid"], ("10.1.0.2",))])


def test_one_restarts_in_place(kube: ControlPlane, namespace: str, node: str, follow: Follow) -> None:
    """Nothing of what is told changes, but the network namespace may have."""
    told = follow(node, kube.kubeconfig)
    pod = name()
    kube.make_pod(namespace, pod, node, ip="10.1.0.1")
    told.until(lambda: told.pods and told.pods[-1] and told.pods[-1][0].addresses)
    before = len(told.pods)
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/status"
    restarted = objects.running_status(["10.1.0.1"], ["192.0.2.1"], restarts=1)
    kube.request("PATCH", path, restarted, "application/merge-patch+json")
    told.until(lambda: len(told.pods) > before)
    assert told.pods[-1] == told.pods[before - 1]


def test_what_does_not_matter_is_not_told(kube: ControlPlane, namespace: str, node: str, follow: Follow) -> None:
    told = follow(node, kube.kubeconfig)
    pod = name()
    kube.make_pod(namespace, pod, node, ip="10.1.0.1")
    told.until(lambda: told.pods and told.pods[-1] and told.pods[-1][0].addresses)
    before = len(told.pods)
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}"
    for number in range(3):
        annotated = {"metadata": {"annotations": {"number": str(number)}}}
        kube.request("PATCH", path, annotated, "application/merge-patch+json")
    kube.request("PATCH", path, {"metadata": {"labels": {"app": "a"}}}, "application/merge-patch+json")
    told.until(lambda: told.pods[-1][0].workload.labels)
    assert len(told.pods) == before + 1


def test_bursts_are_told_together(kube: ControlPlane, namespace: str, node: str, follow: Follow) -> None:
    told = follow(node, kube.kubeconfig)
    told.until_pods()
    names = [name() for _ in range(40)]
    for number, pod in enumerate(names):  # 2 changes each: bound, running
        kube.make_pod(namespace, pod, node, ip=f"10.1.0.{number}")
    pods = told.until_pods(*names)
    told.until(lambda: all(pod.addresses for pod in told.pods[-1]))
    assert len(pods) == 40
    assert len(told.pods) <= 1 + 2 * 40
