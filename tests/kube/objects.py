"""Node and Pod objects as kubelets leave them in the API; here nothing runs pods, their status is written by hand."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from kube.cgroup import new_container_id

Manifest = dict[str, Any]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _condition(kind: str, status: bool, reason: str) -> Manifest:
    return {"type": kind, "status": str(status), "reason": reason, "lastTransitionTime": _now()}


def node_manifest(name: str, labels: Mapping[str, str]) -> Manifest:
    """A Node as a kubelet registers it."""
    named = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": named | dict(labels)}}


def node_status(ips: Sequence[str], ready: bool = True) -> Manifest:
    """The status of a Node with these addresses."""
    addresses = [{"type": "InternalIP", "address": ip} for ip in ips]
    return {"status": {"addresses": addresses, "conditions": [_condition("Ready", ready, "KubeletReady")]}}


def pod_manifest(
    namespace: str, name: str, labels: Mapping[str, str], owner: Manifest | None = None, host_network: bool = False
) -> Manifest:
    """A Pod with one container, not yet bound to a node; `owner` is an object as the API returned it."""
    metadata: Manifest = {"namespace": namespace, "name": name, "labels": dict(labels)}
    if owner is not None:
        reference = {key: owner[key] for key in ("apiVersion", "kind")} | {
            key: owner["metadata"][key] for key in ("name", "uid")
        }
        metadata["ownerReferences"] = [reference | {"controller": True, "blockOwnerDeletion": True}]
    spec: Manifest = {"containers": [{"name": "main", "image": "localhost/pause:1"}], "hostNetwork": host_network}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def running_status(ips: Sequence[str], host_ips: Sequence[str], restarts: int = 0) -> Manifest:
    """The status of a Pod whose container runs; a container id is made up that `Node.add` gives to its cgroup."""
    container = {
        "name": "main",
        "image": "localhost/pause:1",
        "imageID": "localhost/pause:1",
        "containerID": f"containerd://{new_container_id()}",
        "ready": True,
        "started": True,
        "restartCount": restarts,
        "state": {"running": {"startedAt": _now()}},
    }
    kinds = ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    status: Manifest = {
        "phase": "Running",
        "startTime": _now(),
        "conditions": [_condition(kind, True, "Running") for kind in kinds],
        "containerStatuses": [container],
    }
    if ips:
        status |= {"podIP": ips[0], "podIPs": [{"ip": ip} for ip in ips]}
    if host_ips:
        status |= {"hostIP": host_ips[0], "hostIPs": [{"ip": ip} for ip in host_ips]}
    return {"status": status}


def finished_status(phase: str) -> Manifest:
    """The status of a Pod whose container has ended, phase `Succeeded` or `Failed`: it keeps its address."""
    return {"status": {"phase": phase, "conditions": [_condition("Ready", False, "PodCompleted")]}}
