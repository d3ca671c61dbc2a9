"""What is in the cluster that is measured: namespaces, nodes, pods of deployments, observations. Pure, never random."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from weir_api.flowobservation import FlowObservationSpec
from weir_api.selector import LabelSelector, Selector, Workload, selects, selects_labels
from weir_api.workload import owners_of

Manifest = dict[str, Any]
#: The operator's namespace, where observations over several namespaces are allowed.
SYSTEM: Final = "weir-system"
_APPS: Final = ("web", "api", "cart", "orders", "billing", "search", "users", "mail", "stock", "cache", "queue", "jobs")
_TIERS: Final = ("front", "back", "data")
_TEAMS: Final = 10


@dataclass(frozen=True, slots=True)
class Size:
    """How much of each."""

    nodes: int
    pods: int
    observations: int
    namespaces: int


def _hash(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def node_name(number: int) -> str:
    return f"node-{number:05}"


def namespaces(size: Size) -> dict[str, dict[str, str]]:
    """Labels by name."""
    return {f"team-{n:03}": {"team": f"t{n % _TEAMS}", "stage": "prod"} for n in range(size.namespaces)}


def pod(size: Size, number: int) -> Manifest:
    """A pod of a deployment, about as large as real ones are, bound to its node."""
    namespace, app = f"team-{number % size.namespaces:03}", _APPS[number // size.namespaces % len(_APPS)]
    template = _hash(f"{namespace}/{app}", 10)
    replica_set = f"{app}-{template}"
    environment = [{"name": f"SETTING_{n}", "value": f"value-of-setting-{n}"} for n in range(12)]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": namespace,
            "name": f"{replica_set}-{_hash(str(number), 5)}{number:x}",
            "labels": {
                "app": app,
                "tier": _TIERS[number // size.namespaces % len(_TIERS)],
                "app.kubernetes.io/version": f"1.{number % 3}",
                "pod-template-hash": template,
            },
            "annotations": {"checksum/config": _hash(template, 64), "prometheus.io/scrape": "true"},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": replica_set,
                    "uid": "00000000-0000-4000-8000-" + _hash(replica_set, 12),
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            # a step that shares no factor with any usual number of nodes: a deployment's pods lie far apart
            "nodeName": node_name(number * 7919 % size.nodes),
            "containers": [
                {
                    "name": "main",
                    "image": f"registry.internal/{app}:1.{number % 3}",
                    "env": environment,
                    "ports": [{"name": "http", "containerPort": 8080}],
                    "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
                    "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}},
                    "livenessProbe": {"httpGet": {"path": "/live", "port": 8080}},
                }
            ],
        },
    }


def pod_ip(number: int) -> str:
    return f"10.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def observation(name: str, namespace: str, selector: Manifest) -> Manifest:
    """A FlowObservation."""
    return {
        "apiVersion": "weir.dev/v1alpha1",
        "kind": "FlowObservation",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"selector": selector},
    }


def observations(size: Size) -> Iterator[Manifest]:
    """Two over several namespaces, one of them over the whole cluster; the others one of each kind in turn."""
    everywhere: Manifest = {"matchExpressions": [{"key": "stage", "operator": "Exists"}]}
    yield observation("cluster", SYSTEM, {"all": True, "namespaceSelector": everywhere})
    yield observation("team-t0", SYSTEM, {"all": True, "namespaceSelector": {"matchLabels": {"team": "t0"}}})
    for number in range(size.observations - 2):
        app = _APPS[number % len(_APPS)]
        tiers = [{"key": "tier", "operator": "In", "values": [_TIERS[number % 3]]}]
        selectors: list[Manifest] = [
            {"podSelector": {"matchLabels": {"app": app}}},
            {"workloads": [{"kind": "Deployment", "name": app}]},
            {"all": True},
            {"podSelector": {"matchExpressions": tiers}, "ports": [{"port": 8080}]},
        ]
        namespace = f"team-{number % size.namespaces:03}"
        yield observation(f"watch-{number:03}", namespace, selectors[number % len(selectors)])


def matched(size: Size, wanted: Manifest, gone: frozenset[int] = frozenset()) -> Counter[str]:
    """Pods by node that an observation selects, worked out without the operator; `gone` are pods left out."""
    selector = FlowObservationSpec.model_validate(wanted["spec"]).selector
    where = _namespaces_of(size, selector, wanted["metadata"]["namespace"])
    found: Counter[str] = Counter()
    for number in range(size.pods):
        made = pod(size, number)
        if number not in gone and selects(selector, where, workload(made)):
            found[made["spec"]["nodeName"]] += 1
    return found


def _namespaces_of(size: Size, selector: Selector, own: str) -> frozenset[str]:
    wanted: LabelSelector | None = selector.namespace_selector
    if wanted is None:
        return frozenset({own})
    return frozenset(name for name, labels in namespaces(size).items() if selects_labels(wanted, labels))


def workload(raw: Manifest) -> Workload:
    """A pod as selectors are asked about it."""
    metadata = raw["metadata"]
    return Workload(metadata["namespace"], metadata["name"], metadata.get("labels") or {}, owners_of(metadata))
