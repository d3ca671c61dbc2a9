"""Installs and upgrades: the same thing, since every object is applied as it shall be."""

from collections.abc import Callable, Sequence

from weir_cli.exits import Failure
from weir_cli.install.cluster import Cluster, name_of, wait_until
from weir_cli.install.manifests import PART_OF, Manifest
from weir_cli.install.readiness import causes, lacks

Say = Callable[[str], None]


async def install(cluster: Cluster, objects: Sequence[Manifest], say: Say) -> None:
    """Apply the objects in their order. Raises Failure that names the one that was refused."""
    await cluster.check_version()
    await _check_namespace(cluster, objects)
    for each in objects:
        await cluster.apply(each)
        say(f"applied {name_of(each)}")


async def _check_namespace(cluster: Cluster, objects: Sequence[Manifest]) -> None:
    """A namespace of somebody else's is not taken over: `weir uninstall` would remove it with all that is in it."""
    key, value = PART_OF
    for each in objects:
        found = await cluster.get(each) if each["kind"] == "Namespace" else None
        if found is not None and (found["metadata"].get("labels") or {}).get(key) != value:
            raise Failure(
                f"namespace {each['metadata']['name']} is there already and is not Weir's; give another --namespace, "
                f"or label it pod-security.kubernetes.io/enforce=privileged yourself and give --no-create-namespace"
            )


async def wait_until_ready(cluster: Cluster, objects: Sequence[Manifest], timeout_s: float, say: Say) -> None:
    """Until CRDs are served and all pods are available. Raises Failure that says what is missing, and why."""
    namespace = next((each["metadata"]["namespace"] for each in objects if each["kind"] == "DaemonSet"), "")

    async def missing() -> str:
        for each in objects:
            found = await cluster.get(each)
            lack = "it is gone" if found is None else lacks(found)
            if lack:
                return "; ".join([f"{name_of(each)}: {lack}", *await _causes(cluster, namespace)])
        return ""

    await wait_until(missing, timeout_s, say)


async def _causes(cluster: Cluster, namespace: str) -> list[str]:
    if not namespace:
        return []
    pods = await cluster.list("v1", "Pod", namespace=namespace, labelled=True)
    events = await cluster.list("v1", "Event", namespace=namespace, fields="reason=FailedCreate")
    return causes(pods, events)[:3]
