"""Which workloads a pod belongs to, by its metadata alone."""

from typing import Any

import pytest

from weir_api.workload import owners_of, top_owner


def pod(kind: str, name: str, **labels: str) -> dict[str, Any]:
    owner = {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "u", "controller": True}
    return {"name": "p", "labels": labels, "ownerReferences": [owner]}


def with_hash(name: str, value: str) -> dict[str, Any]:
    return pod("ReplicaSet", name) | {"labels": {"pod-template-hash": value}}


@pytest.mark.parametrize(
    ("metadata", "chain"),
    [
        ({"name": "p"}, [("Pod", "p")]),
        ({"name": "p", "labels": None, "ownerReferences": None}, [("Pod", "p")]),
        (pod("StatefulSet", "db"), [("Pod", "p"), ("StatefulSet", "db")]),
        (pod("DaemonSet", "log"), [("Pod", "p"), ("DaemonSet", "log")]),
        (with_hash("web-5d9c7b", "5d9c7b"), [("Pod", "p"), ("ReplicaSet", "web-5d9c7b"), ("Deployment", "web")]),
        # a ReplicaSet of nobody's, and one whose name only looks like a Deployment's
        (pod("ReplicaSet", "web-5d9c7b"), [("Pod", "p"), ("ReplicaSet", "web-5d9c7b")]),
        (with_hash("web-5d9c7b", "7b"), [("Pod", "p"), ("ReplicaSet", "web-5d9c7b")]),
        (with_hash("-5d9c7b", "5d9c7b"), [("Pod", "p"), ("ReplicaSet", "-5d9c7b")]),
        (pod("Job", "backup-29364120"), [("Pod", "p"), ("Job", "backup-29364120"), ("CronJob", "backup")]),
        (pod("Job", "a-b-29364120"), [("Pod", "p"), ("Job", "a-b-29364120"), ("CronJob", "a-b")]),
        # a date, and a random suffix
        (pod("Job", "backup-20250131"), [("Pod", "p"), ("Job", "backup-20250131")]),
        (pod("Job", "backup-x7f2q"), [("Pod", "p"), ("Job", "backup-x7f2q")]),
        # a custom controller's pods, and a static pod
        (pod("Cluster", "pg"), [("Pod", "p"), ("Cluster", "pg")]),
        (pod("Node", "node-1"), [("Pod", "p")]),
    ],
)
def test_owners_are_found_up_to_the_top(metadata: dict[str, Any], chain: list[tuple[str, str]]) -> None:
    assert owners_of(metadata) == frozenset(chain)
    assert top_owner(metadata) == chain[-1]


def test_an_owner_that_is_not_the_controller_does_not_count() -> None:
    metadata = pod("StatefulSet", "db")
    metadata["ownerReferences"].insert(0, {"kind": "Backup", "name": "nightly", "uid": "v"})
    assert top_owner(metadata) == ("StatefulSet", "db")
    metadata["ownerReferences"].pop()
    assert top_owner(metadata) == ("Pod", "p")
