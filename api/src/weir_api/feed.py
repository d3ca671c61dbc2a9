"""The interest feed: a client tells which addresses and peers it cares about, the operator tells who is behind them.

One WebSocket per client, JSON text messages: `Interest` to the operator, `News` to the client. Every address that a
client adds is answered once, and again whenever the answer changes, until the client removes it.

After a break, a client adds the addresses that it has an answer for by messages with `resume`, so that only what has
changed since is answered, and addresses that it has none for by messages without it. Peers are always told in full.
"""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from weir_api.base import DnsName, Model
from weir_api.selector import LabelSelector, Workload, WorkloadReference, selects_labels

#: Path of the feed on the operator's HTTPS port; also the non-resource URL that RBAC grants (verb `get`).
PATH: Final = "/identity/v1"
#: Audience of the service account token that a client presents.
AUDIENCE: Final = "weir.dev/identity"
#: Bounds on one connection and on one message.
MAX_ADDRESSES: Final = 65_536
MAX_SELECTORS: Final = 64
MAX_BATCH: Final = 4096

AddressText = Annotated[str, Field(max_length=45)]
SelectorId = Annotated[str, Field(min_length=1, max_length=64)]
Version = Annotated[str, Field(max_length=128)]


class IdentityKind(StrEnum):
    POD = "Pod"
    SERVICE = "Service"
    NODE = "Node"


class Identity(Model):
    """Who has some addresses."""

    kind: IdentityKind = Field(description="Pod, Service (its virtual addresses) or Node (also of host-network pods).")
    namespace: str = Field("", max_length=63, description="Namespace; empty for a Node.")
    name: str = Field(max_length=253, description="Name of the Pod, Service or Node.")
    owner_kind: str = Field("", max_length=63, description="Kind of a Pod's top owner: Deployment, CronJob, Pod...")
    owner_name: str = Field("", max_length=253, description="Its name.")
    node: str = Field("", max_length=253, description="Node that a Pod runs on.")
    addresses: list[AddressText] = Field(max_length=64, description="Its addresses, IPv4 and IPv6.")


class PeerSelector(Model):
    """Peers by name, as `spec.selector.peers` has them, resolved to the namespaces that they are looked for in.

    A pod belongs to it that podSelector selects or `workloads` names; with neither, every pod.
    """

    id: SelectorId = Field(description="The client's name for it: the UID of the observation.")
    namespaces: list[DnsName] = Field(min_length=1, max_length=64, description="Where peers are looked for.")
    pod_selector: LabelSelector | None = Field(None, description="Pods by label.")
    workloads: list[WorkloadReference] | None = Field(None, max_length=64, description="Workloads by name.")


class Interest(Model):
    """What a client adds to and removes from what it wants to know."""

    resume: Version | None = Field(
        None,
        description="Version of the last News that was read: of the addresses that this message adds, "
        "those whose answer is older are not answered again. Absent or empty: all are answered.",
    )
    add: list[AddressText] = Field(default_factory=list, max_length=MAX_BATCH, description="Addresses.")
    remove: list[AddressText] = Field(default_factory=list, max_length=MAX_BATCH, description="Addresses.")
    add_peers: list[PeerSelector] = Field(
        default_factory=list, max_length=MAX_SELECTORS, description="Selectors, in place of those with the same id."
    )
    remove_peers: list[SelectorId] = Field(default_factory=list, max_length=MAX_SELECTORS, description="Ids.")


class PeerChange(Model):
    """The addresses that a selector stands for: of its pods, and of the Services in front of any of them."""

    id: SelectorId = Field(description="Which selector.")
    replace: bool = Field(False, description="`add` is all of them; else a change.")
    add: list[AddressText] = Field(default_factory=list, description="Addresses that belong to it now.")
    remove: list[AddressText] = Field(default_factory=list, description="Addresses that no longer do.")


class News(Model):
    """What a client did not know yet."""

    version: Version = Field(
        description="To resume after this; the same for every replica of the operator, "
        "and empty until the first answers are complete."
    )
    identities: list[Identity] = Field(
        default_factory=list, description="Who has addresses that were asked for; takes them from whoever had them."
    )
    nobody: list[AddressText] = Field(
        default_factory=list, description="Addresses that no pod, Service or node of the cluster has."
    )
    peers: list[PeerChange] = Field(default_factory=list, description="Of the selectors that were asked for.")


def stands_for(selector: PeerSelector, workload: Workload) -> bool:
    """Whether a pod is among the peers that a selector names."""
    if workload.namespace not in selector.namespaces:
        return False
    if selector.pod_selector is None and selector.workloads is None:
        return True
    if selector.pod_selector is not None and selects_labels(selector.pod_selector, workload.labels):
        return True
    return any((each.kind.value, each.name) in workload.owners for each in selector.workloads or ())
