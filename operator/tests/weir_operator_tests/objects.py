"""Objects as the API server gives them, and records made from them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from weir_operator.reconcile.resources import Observation, Pod, Probe, read_observation, read_pod, read_probe

NOW = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
ALL: dict[str, Any] = {"selector": {"all": True}}


def text(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def observation(
    name: str = "checkout",
    spec: Mapping[str, Any] = ALL,
    *,
    namespace: str = "shop",
    generation: int = 1,
    created: datetime = NOW - timedelta(hours=1),
    status: Mapping[str, Any] | None = None,
) -> Observation:
    metadata = {
        "namespace": namespace,
        "name": name,
        "uid": f"uid-{namespace}-{name}",
        "generation": generation,
        "creationTimestamp": text(created),
    }
    return read_observation({"metadata": metadata, "spec": spec, "status": dict(status or {})})


def raw_pod(name: str, node: str | None = "n1", *, namespace: str = "shop", **fields: Any) -> dict[str, Any]:
    metadata = {"namespace": namespace, "name": name, "labels": fields.pop("labels", {"app": "checkout"})}
    status = {"phase": fields.pop("phase", "Running")}
    return {"metadata": metadata | fields, "spec": {"nodeName": node} if node else {}, "status": status}


def pod(name: str, node: str = "n1", *, namespace: str = "shop", **fields: Any) -> Pod:
    read = read_pod(raw_pod(name, node, namespace=namespace, **fields))
    assert read is not None
    return read


def measured(of: Observation, pods: int = 1, **fields: Any) -> dict[str, Any]:
    """A probe's report of one observation, with every pod attached unless said otherwise."""
    return {
        "namespace": of.namespace,
        "name": of.name,
        "uid": of.uid,
        "generation": of.generation,
        "matchedPods": pods,
        "attachedPods": pods,
        "windowS": 10.0,
        **fields,
    }


def probe(node: str, plan_hash: str = "h", *reports: Mapping[str, Any], **status: Any) -> Probe:
    """A NodeProbe whose probe has the plan `plan_hash` in use."""
    metadata = {"name": node, "uid": f"np-{node}", "generation": 1, "creationTimestamp": text(NOW)}
    content = {"planHash": plan_hash, "heartbeatTime": text(NOW), "observations": list(reports), **status}
    return read_probe({"metadata": metadata, "spec": {}, "status": content})
