"""Which workloads a pod belongs to, read from the pod alone, so that operator and probe name it alike.

Deployment and CronJob are one step further than a pod's ownerReferences go. Their controllers build names by a rule,
which saves a watch of every ReplicaSet and Job in the cluster.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

# The Deployment controller names a ReplicaSet <deployment>-<pod-template-hash> and puts the hash on its pods.
_TEMPLATE_HASH: Final = "pod-template-hash"

# The CronJob controller names a Job <cronjob>-<minutes since 1970> (since Kubernetes 1.21, 2021). The bounds, 2019 to
# 2160, leave out what people write by hand, such as 20250131.
_CRON_JOB: Final = re.compile(r"(?P<name>.+)-(?P<minutes>[0-9]{8})")
_CRON_JOB_MINUTES: Final = range(26_000_000, 100_000_000)


def _chain(metadata: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(kind, name) of the pod, of its controller, and of that one's controller where the name tells it."""
    yield "Pod", str(metadata.get("name", ""))
    controller = next((o for o in metadata.get("ownerReferences") or () if o.get("controller")), None)
    # a static pod is owned by its Node, which is where it runs and not what it belongs to
    if controller is None or controller.get("kind") == "Node":
        return
    kind, name = str(controller.get("kind", "")), str(controller.get("name", ""))
    yield kind, name
    if kind == "ReplicaSet":
        template_hash = (metadata.get("labels") or {}).get(_TEMPLATE_HASH)
        deployment = name.removesuffix(f"-{template_hash}")
        if template_hash and deployment and deployment != name:
            yield "Deployment", deployment
    elif kind == "Job":
        scheduled = _CRON_JOB.fullmatch(name)
        if scheduled and int(scheduled["minutes"]) in _CRON_JOB_MINUTES:
            yield "CronJob", scheduled["name"]


def owners_of(pod_metadata: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """(kind, name) of the pod itself and of every owner up to the top: what `Workload.owners` holds.

    `pod_metadata` is a Pod's `metadata` as the API server gives it. A Job that was made from a CronJob by hand, with a
    name of its own, counts as a Job.
    """
    return frozenset(_chain(pod_metadata))


def top_owner(pod_metadata: Mapping[str, Any]) -> tuple[str, str]:
    """(kind, name) of the workload that a person would name: the last owner, or the pod itself where it has none."""
    return list(_chain(pod_metadata))[-1]
