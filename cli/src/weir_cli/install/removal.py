"""Removes Weir, in the order that leaves nothing: what users asked for, who writes plans, plans, probes, the rest.

It works without an operator too: no object of Weir's has a finalizer, and the kernel removes what a probe attached when
the probe ends.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from weir_cli.exits import Failure
from weir_cli.install.cluster import POLL_S, Cluster, name_of, wait_until
from weir_cli.install.manifests import Choices, Manifest, manifests
from weir_cli.text import plural

Say = Callable[[str], None]

_API: Final = "weir.dev/v1alpha1"
#: What users wrote: it cannot be had back.
_ASKED: Final = ("FlowObservation", "L7Protocol")
_PLAN: Final = "NodeProbe"
_CRD: Final = "CustomResourceDefinition"
#: An operator that leads renews its Lease every 2 s.
_LEASE_S: Final = 6.0


@dataclass(frozen=True, slots=True)
class Found:
    """What of Weir's is in a cluster."""

    asked: list[Manifest]
    installed: list[Manifest]

    def of(self, *kinds: str) -> list[Manifest]:
        """What is installed of some kinds."""
        return [each for each in self.installed if each["kind"] in kinds]

    def summary(self, keep_crds: bool) -> list[str]:
        """What a removal takes away, one line a kind; what users wrote is named."""
        lines = []
        if not keep_crds:
            for kind in _ASKED:
                names = [_name(each) for each in self.asked if each["kind"] == kind]
                if names:
                    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
                    lines.append(f"{plural(len(names), kind)}: {', '.join(names[:10])}{more}")
        kept = ("Namespace", _CRD) if keep_crds else ()
        for kind, number in Counter(each["kind"] for each in self.installed if each["kind"] not in kept).items():
            lines.append(plural(number, kind) if number > 1 else name_of(self.of(kind)[0]))
        return lines


def _name(manifest: Manifest) -> str:
    return name_of(manifest).partition(" ")[2]


async def find(cluster: Cluster) -> Found:
    """All that has Weir's label, of the kinds that it consists of, and all that users wrote."""
    kinds = dict.fromkeys((each["apiVersion"], each["kind"]) for each in manifests(Choices()))
    installed = [each for kind in kinds for each in await cluster.list(*kind, labelled=True)]
    asked = [each for kind in _ASKED for each in await cluster.list(_API, kind)]
    return Found(asked, installed)


def check_owner(found: Found) -> None:
    """Raise Failure where Helm keeps the release: it would not know that its objects are gone."""
    for each in found.of("Deployment", "DaemonSet"):
        annotations = each["metadata"].get("annotations") or {}
        if release := annotations.get("meta.helm.sh/release-name"):
            namespace = annotations.get("meta.helm.sh/release-namespace")
            raise Failure(f"installed by Helm; first `helm uninstall {release} -n {namespace}`, then this for the rest")


async def remove(cluster: Cluster, found: Found, *, keep_crds: bool, timeout_s: float, say: Say) -> None:
    """Remove what was found. Raises Failure that names what does not go; then it can be called again."""

    async def gone(what: Iterable[Manifest], said: str) -> None:
        objects = list(what)
        for each in objects:
            await cluster.delete(each)
        await wait_until(lambda: _left(cluster, objects), timeout_s, say)
        if objects:
            say(f"removed {said}")

    if not keep_crds:
        await gone(found.asked, "what was observed")
        await _operator_answers(cluster, found, say)
    await gone(found.of("Deployment"), "the operator")
    await gone(await cluster.list(_API, _PLAN), "the plans")
    await gone(found.of("DaemonSet"), "the probes")
    steps = ("Deployment", "DaemonSet", "Namespace", _CRD)
    leases = [_lease(each["metadata"]["namespace"]) for each in found.of("Deployment")]
    await gone([*(each for each in found.installed if each["kind"] not in steps), *leases], "the rest")
    if not keep_crds:
        await gone(found.of("Namespace"), "the namespace")
        await gone(found.of(_CRD), "the CRDs")


async def _operator_answers(cluster: Cluster, found: Found, say: Say) -> None:
    """While an operator holds its Lease, wait until it has taken its plans back, so that probes detach in order."""
    leases = [_lease(each["metadata"]["namespace"]) for each in found.of("Deployment")]
    held: tuple[object, ...] = ()
    renewed_s = time.monotonic()
    while left := await cluster.list(_API, _PLAN):
        told = [await cluster.get(each) for each in leases]
        now = tuple((each or {}).get("spec", {}).get("renewTime") for each in told)
        if now != held:  # compared with itself: this machine's clock is not the operator's
            held, renewed_s = now, time.monotonic()
        if time.monotonic() - renewed_s > _LEASE_S:
            say(f"no operator takes back {plural(len(left), 'plan')}; they are removed without it")
            return
        await asyncio.sleep(POLL_S)


def _lease(namespace: str) -> Manifest:
    metadata = {"name": "weir-operator", "namespace": namespace}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}


async def _left(cluster: Cluster, objects: Sequence[Manifest]) -> str:
    """The first object that is still there, with the finalizers that hold it."""
    for each in objects:
        found = await cluster.get(each)
        if found is not None and found["metadata"]["uid"] == each["metadata"].get("uid", found["metadata"]["uid"]):
            metadata = found["metadata"]
            holding = [*(metadata.get("finalizers") or []), *((found.get("spec") or {}).get("finalizers") or [])]
            return f"{name_of(each)} is still there" + (f", held by {', '.join(holding)}" if holding else "")
    return ""
