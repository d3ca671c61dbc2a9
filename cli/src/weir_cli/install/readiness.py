"""What an installation still lacks, in words, from the objects' status. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

Raw = Mapping[str, Any]


def lacks(manifest: Raw) -> str:
    """What this object lacks until it is ready; empty when it is, or when its kind has no readiness."""
    check = {"CustomResourceDefinition": _crd, "Deployment": _deployment, "DaemonSet": _daemonset}.get(manifest["kind"])
    return check(manifest.get("status") or {}, manifest) if check else ""


def _crd(status: Raw, _manifest: Raw) -> str:
    conditions = {each["type"]: each for each in status.get("conditions") or []}
    if conditions.get("Established", {}).get("status") == "True":
        return ""
    names = conditions.get("NamesAccepted", {})
    return str(names["message"]) if names.get("status") == "False" else "the API server does not serve it yet"


def _deployment(status: Raw, manifest: Raw) -> str:
    wanted = manifest["spec"].get("replicas", 1)
    return _seen(status, manifest) or _available(status, "updatedReplicas", "availableReplicas", wanted)


def _daemonset(status: Raw, manifest: Raw) -> str:
    wanted = status.get("desiredNumberScheduled", 0)
    return _seen(status, manifest) or _available(status, "updatedNumberScheduled", "numberAvailable", wanted)


def _seen(status: Raw, manifest: Raw) -> str:
    seen = status.get("observedGeneration", 0) >= manifest["metadata"].get("generation", 0)
    return "" if seen else "the controller manager has not seen it yet"


def _available(status: Raw, updated: str, available: str, wanted: int) -> str:
    if status.get(updated, 0) < wanted:
        return f"{status.get(updated, 0)} of {wanted} pods are of this version"
    if status.get(available, 0) < wanted:
        return f"{status.get(available, 0)} of {wanted} pods are available"
    return ""


def causes(pods: Iterable[Raw], events: Iterable[Raw]) -> list[str]:
    """Why pods do not run, each cause once: refused, not scheduled, no image, crashing."""
    found = [str(each.get("message", "")) for each in events]
    for pod in pods:
        status = pod.get("status") or {}
        for condition in status.get("conditions") or []:
            if condition["type"] == "PodScheduled" and condition["status"] == "False":
                found.append(f"not scheduled: {condition.get('message') or condition.get('reason')}")
        for container in status.get("containerStatuses") or []:
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting and waiting.get("reason") != "ContainerCreating":
                found.append(f"{waiting.get('reason')}: {waiting.get('message') or container.get('image')}")
    return list(dict.fromkeys(found))
