"""`selector.peers` as the capture takes it: prefixes to masks of observations. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Final

from weir_api.feed import PeerSelector, stands_for
from weir_api.nodeprobe import PlannedObservation
from weir_probe.capture.model import MAX_PREFIXES, Prefix
from weir_probe.plan.pods import LocalPod

#: IPv4 in 128 bits (RFC 4291 §2.5.5.2).
_MAPPED: Final = 0xFFFF << 32
_MAPPED_LENGTH: Final = 96


@dataclass(frozen=True, slots=True)
class PeerPlan:
    """Who is at the other end, for the observations that ask for it."""

    #: Each mask has those of all prefixes that cover it, so that the longest match says everything.
    prefixes: Mapping[Prefix, int] = field(default_factory=dict)
    observations: int = 0  # mask of those that have peers
    unknown: frozenset[str] = frozenset()  # uids whose peers on other nodes nobody has told
    cut: frozenset[str] = frozenset()  # uids with peers that found no room


def selectors(observations: Iterable[PlannedObservation]) -> dict[str, PeerSelector]:
    """The peers that are pods, as the feed is asked for them, by the observation's uid."""
    found = {}
    for observation in observations:
        peers = observation.selector.peers
        if peers is not None and peers.names_pods:
            found[observation.uid] = PeerSelector(
                id=observation.uid,
                namespaces=sorted(set(peers.namespaces or [observation.namespace])),
                pod_selector=peers.pod_selector,
                workloads=peers.workloads,
            )
    return found


def peer_plan(
    observations: Sequence[PlannedObservation],
    bits: Mapping[str, int],
    pods: Sequence[LocalPod],
    members: Mapping[str, AbstractSet[bytes]],
) -> PeerPlan:
    """Peers by address: `members` of each observation as the feed has them, by its uid, and this node's own pods, which
    need no feed."""
    ranges: dict[tuple[int, int], int] = {}  # (value, length): mask
    hosts: dict[int, int] = {}
    asking = 0
    unknown, cut = set(), set()
    named = selectors(observations)
    for observation in observations:
        peers = observation.selector.peers
        if peers is None:
            continue
        bit = 1 << bits[observation.uid]
        asking |= bit
        for text in peers.cidrs or ():
            value, length = _mapped(text)
            if length == 128:
                hosts[value] = hosts.get(value, 0) | bit
            else:
                ranges[value, length] = ranges.get((value, length), 0) | bit
        if observation.uid not in named:
            continue
        told = members.get(observation.uid)
        if told is None:
            unknown.add(observation.uid)
        for packed in sorted({*_own(named[observation.uid], pods), *(told or ())}):
            value = int.from_bytes(packed)
            if value not in hosts and len(hosts) + len(ranges) >= MAX_PREFIXES - 1:
                cut.add(observation.uid)
                break
            hosts[value] = hosts.get(value, 0) | bit
    return PeerPlan(_closed(ranges, hosts), asking, frozenset(unknown), frozenset(cut))


def _own(selector: PeerSelector, pods: Iterable[LocalPod]) -> Iterable[bytes]:
    """Addresses of this node's pods that are peers. On the host's network they have none of their own."""
    for pod in pods:
        if not pod.host_network and stands_for(selector, pod.workload):
            for text in pod.addresses:
                yield _mapped(text)[0].to_bytes(16)


def _mapped(text: str) -> tuple[int, int]:
    """Value and length of an address or a range, IPv4 within ::ffff:0:0/96."""
    if "/" not in text:
        address = ip_address(text)
        return int(address) | (_MAPPED if address.version == 4 else 0), 128
    network = ip_network(text)
    if network.version == 4:
        return int(network.network_address) | _MAPPED, network.prefixlen + _MAPPED_LENGTH
    return int(network.network_address), network.prefixlen


def _is_ipv4(value: int, length: int) -> bool:
    return length >= _MAPPED_LENGTH and value >> 32 == _MAPPED >> 32


def _closed(ranges: Mapping[tuple[int, int], int], hosts: Mapping[int, int]) -> dict[Prefix, int]:
    """Every prefix with the masks of all that cover it. IPv6 ranges do not cover IPv4, though some hold its mapping."""
    by_length: dict[bool, list[int]] = {False: [], True: []}
    for value, length in ranges:
        lengths = by_length[_is_ipv4(value, length)]
        if length not in lengths:
            lengths.append(length)

    def mask_of(value: int, length: int, mask: int) -> int:
        for shorter in by_length[_is_ipv4(value, length)]:
            if shorter < length:
                mask |= ranges.get((value >> 128 - shorter << 128 - shorter, shorter), 0)
        return mask

    closed = {(value.to_bytes(16), length): mask_of(value, length, mask) for (value, length), mask in ranges.items()}
    closed |= {(value.to_bytes(16), 128): mask_of(value, 128, mask) for value, mask in hosts.items()}
    if by_length[False]:
        closed.setdefault((_MAPPED.to_bytes(16), _MAPPED_LENGTH), 0)
    return closed
