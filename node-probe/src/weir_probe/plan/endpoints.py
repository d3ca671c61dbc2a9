"""From the plan and this node's pods to what the capture is told: pure, the same in the same order every time."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from types import MappingProxyType

from weir_api.nodeprobe import PlannedObservation
from weir_api.selector import Direction, Transport, selects
from weir_probe.plan.peers import PeerPlan, peer_plan
from weir_probe.plan.pods import LocalPod

_PROTOCOL = {Transport.TCP: 6, Transport.UDP: 17, Transport.SCTP: 132}


@dataclass(frozen=True, slots=True)
class Masks:
    """What is selected on every interface of one pod: observation bits, as the kernel takes them."""

    opened_in: int = 0
    opened_out: int = 0
    by_port: int = 0
    by_peer: int = 0


@dataclass(frozen=True, slots=True)
class Resolution:
    """The plan, resolved: masks by pod uid (only pods that something selects), the server ports
    and peers that observations are limited to, and which pods each observation matches."""

    masks: Mapping[str, Masks] = field(default_factory=dict)
    ports: Mapping[tuple[int, int], int] = field(default_factory=dict)
    matched: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    peers: PeerPlan = field(default_factory=PeerPlan)


def assign_bits(observations: Iterable[PlannedObservation], held: Mapping[str, int], limit: int = 64) -> dict[str, int]:
    """A bit for each observation's uid; whoever holds one keeps it, the others get the lowest that are free."""
    uids = [o.uid for o in observations]
    bits = {uid: held[uid] for uid in uids if uid in held}
    free = (bit for bit in range(limit) if bit not in set(bits.values()))
    for uid in uids:
        if uid not in bits:
            bits[uid] = next(free)
    return bits


def resolve(
    observations: Sequence[PlannedObservation],
    bits: Mapping[str, int],
    pods: Iterable[LocalPod],
    members: Mapping[str, AbstractSet[bytes]] = MappingProxyType({}),
) -> Resolution:
    """Which pods each observation selects, and how. `members`: see peer_plan. Pods on the host's network share its
    interfaces with everything else on the node and are not watched; the caller reports them."""
    local = list(pods)
    masks: dict[str, Masks] = {}
    ports: dict[tuple[int, int], int] = {}
    matched: dict[str, tuple[str, ...]] = {}
    for observation in observations:
        bit = 1 << bits[observation.uid]
        selector = observation.selector
        namespaces = frozenset(observation.namespaces)
        uids = tuple(pod.uid for pod in local if selects(selector, namespaces, pod.workload))
        matched[observation.uid] = uids
        for uid in uids:
            before = masks.get(uid, Masks())
            masks[uid] = Masks(
                opened_in=before.opened_in | (bit if selector.direction is not Direction.EGRESS else 0),
                opened_out=before.opened_out | (bit if selector.direction is not Direction.INGRESS else 0),
                by_port=before.by_port | (bit if selector.ports else 0),
                by_peer=before.by_peer | (bit if selector.peers else 0),
            )
        for port in selector.ports or ():
            key = (_PROTOCOL[port.protocol], port.port)
            ports[key] = ports.get(key, 0) | bit
    return Resolution(masks, ports, matched, peer_plan(observations, bits, local, members))
