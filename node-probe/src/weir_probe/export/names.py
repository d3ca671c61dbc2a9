"""Names for what compiled tables hold as numbers: interfaces to pods, identities to workloads, addresses to both."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address

from weir_probe.export.peers import CLASSES, Address, Identity, Network, Peers, words
from weir_probe.export.records import End, end_of
from weir_probe.export.series import OVERFLOW
from weir_probe.plan.pods import LocalPod

_OVERFLOW = Identity("overflow")


def identity_of(pod: LocalPod) -> Identity:
    """A pod counts as its workload: the owner at the top."""
    kind, name = pod.owner
    return Identity("workload", pod.workload.namespace, kind, name)


def to_address(packed: bytes) -> Address:
    """The address in 16 bytes as a slot holds them: IPv4 is v4-mapped."""
    address = IPv6Address(packed)
    return address.ipv4_mapped or address


@dataclass(frozen=True, slots=True)
class Moment:
    """Who was who at one moment, for sinks that ask later (records.Names)."""

    interfaces: Mapping[int, LocalPod]
    pods: Mapping[Address, LocalPod]
    table: Peers

    def of_interface(self, iface_id: int) -> LocalPod | None:
        """The pod behind an interface of this node."""
        return self.interfaces.get(iface_id)

    def of_address(self, packed: bytes) -> End:
        """Whoever has this address: a pod of this node, or a class."""
        address = to_address(packed)
        pod = self.pods.get(address)
        return end_of(pod) if pod else End(workload=str(CLASSES[self.table.find(*words(address))]))


@dataclass
class Names:
    """Grows with the workloads that this node has ever run; indices are never reused while the process lives."""

    classes: list[tuple[Network, int]]
    identities: list[Identity] = field(default_factory=lambda: list(CLASSES))
    index: dict[Identity, int] = field(default_factory=lambda: {identity: i for i, identity in enumerate(CLASSES)})
    interfaces: dict[int, LocalPod] = field(default_factory=dict)
    pods: Mapping[Address, LocalPod] = field(default_factory=dict)
    table: Peers = field(init=False)
    version: int = 0

    def __post_init__(self) -> None:
        self.table = self.peers(())

    def of(self, pod: LocalPod) -> int:
        """The identity index of a pod's workload."""
        identity = identity_of(pod)
        if identity not in self.index:
            self.index[identity] = len(self.identities)
            self.identities.append(identity)
        return self.index[identity]

    def identity(self, number: int) -> Identity:
        """The identity behind an index."""
        return _OVERFLOW if number == OVERFLOW else self.identities[number]

    def peers(self, pods: Iterable[LocalPod]) -> Peers:
        """The table that compiled code asks, for these pods."""
        self.version += 1
        by_address: dict[Address, LocalPod] = {}
        for pod in pods:
            if not pod.host_network:
                for text in pod.addresses:
                    by_address[ip_address(text)] = pod
        self.pods = by_address
        self.table = Peers(self.version, {address: self.of(pod) for address, pod in by_address.items()}, self.classes)
        return self.table

    def moment(self) -> Moment:
        """Who is who now. Shares what never changes: an interface's id is another's only 65,535 interfaces later."""
        return Moment(self.interfaces, self.pods, self.table)

    def of_words(self, first: int, second: int) -> Identity:
        """The identity behind an address, given as a slot holds it."""
        return self.identities[self.table.find(first, second)]
