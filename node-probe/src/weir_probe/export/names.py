"""Names for what compiled tables hold as numbers: interfaces to pods, identities to workloads, addresses to both."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

import numpy as np
import numpy.typing as npt

from weir_api import feed
from weir_probe.export.peers import CLASSES, INDEX, KEPT, UNKNOWN, VACANT, Address, Identity, Peers, Range, pack
from weir_probe.export.records import End, end_of
from weir_probe.export.series import OVERFLOW
from weir_probe.plan.pods import LocalPod

_OVERFLOW = Identity("overflow")
#: Indices of identities that nothing refers to any more are given to others once there are this many.
_TIDY_FROM: Final = 4096
_CLASS_ENDS: Final = [End(workload=str(identity)) for identity in CLASSES]
_CLASS: Final = {
    feed.IdentityKind.POD: "workload",
    feed.IdentityKind.SERVICE: "service",
    feed.IdentityKind.NODE: "node",
}


def identity_of(pod: LocalPod) -> Identity:
    """A pod counts as its workload: the owner at the top."""
    kind, name = pod.owner
    return Identity("workload", pod.workload.namespace, kind, name)


def to_address(packed: bytes) -> Address:
    """The address in 16 bytes as a slot holds them: IPv4 is v4-mapped."""
    address = IPv6Address(packed)
    return address.ipv4_mapped or address


def _words(packed: bytes) -> tuple[int, int]:
    return int.from_bytes(packed[:8], "little"), int.from_bytes(packed[8:], "little")


def _answered(who: feed.Identity) -> tuple[Identity, End]:
    """What the feed says of an owner, as metrics and as records have it."""
    if who.kind is feed.IdentityKind.POD:
        kind, name = who.owner_kind or "Pod", who.owner_name or who.name
        return Identity("workload", who.namespace, kind, name), End(who.namespace, f"{kind}/{name}", who.name)
    identity = Identity(_CLASS[who.kind], who.namespace, who.kind.value, who.name)
    return identity, End(who.namespace, f"{who.kind.value}/{who.name}")


@dataclass(frozen=True, slots=True)
class Moment:
    """Who was who at one moment, for sinks that ask later (records.Names)."""

    interfaces: Mapping[int, LocalPod]
    interface_names: Mapping[int, str]
    ends: Mapping[bytes, End]

    def of_interface(self, iface_id: int) -> LocalPod | None:
        """The pod behind an interface of this node."""
        return self.interfaces.get(iface_id)

    def name_of_interface(self, iface_id: int) -> str:
        """What the kernel called an interface."""
        return self.interface_names.get(iface_id, "")

    def of_address(self, packed: bytes) -> End:
        """Whoever had this address, of those that the moment was made for."""
        return self.ends[packed]


class Names:
    """Who is who on this node and, as far as somebody was asked and has told, elsewhere.

    An address that flows have is asked for: `met` says which, `learn` takes the answers. Until there is one, or for
    `wait_s`, its flows are not counted (aggregate.Aggregator); then they count for its class. When its owner goes, its
    flows go on counting for the owner for as long, and new ones wait for the next owner.
    """

    def __init__(self, ranges: Iterable[Range], *, asks: bool = False, wait_s: float = 3.0) -> None:
        """`asks`: there is somebody to ask about addresses."""
        self.table = Peers(ranges, feed.MAX_ADDRESSES, asks=asks)
        self.interfaces: dict[int, LocalPod] = {}
        self.interface_names: dict[int, str] = {}
        self.wait_s = wait_s
        self._identities: list[Identity] = list(CLASSES)
        self._index: dict[Identity, int] = {identity: i for i, identity in enumerate(CLASSES)}
        self._free: list[int] = []
        self._unused: set[int] = set()
        self._local: dict[bytes, LocalPod] = {}
        self._ends: dict[bytes, End] = {}  # of owners elsewhere
        self._waiting: dict[bytes, float] = {}  # since when, in that order
        self._entered = 0
        #: Flows that counted for one identity are to count for another; whoever heeds it clears it.
        self.reassigned = False
        self.met: list[bytes] = []  # to be asked for; whoever does clears it
        self.dropped: list[bytes] = []  # not to be asked for any longer

    # ---- identities

    def number(self, identity: Identity) -> int:
        """The index of an identity, which compiled tables hold."""
        known = self._index.get(identity)
        if known is None:
            if self._free:
                known = self._free.pop()
                self._identities[known] = identity
            else:
                known = len(self._identities)
                self._identities.append(identity)
            self._index[identity] = known
        return known

    def of(self, pod: LocalPod) -> int:
        """The identity index of a pod's workload."""
        return self.number(identity_of(pod))

    def identity(self, number: int) -> Identity:
        """The identity behind an index."""
        return _OVERFLOW if number == OVERFLOW else self._identities[number]

    def tidy(self, held: Iterable[int]) -> None:
        """Free the indices that neither the table, nor interfaces, nor whoever says `held` hold, now and the last time:
        a scrape may still be naming what it read before."""
        if len(self._index) < _TIDY_FROM:
            return
        used = {*range(len(CLASSES)), *held, *(self.of(pod) for pod in self.interfaces.values())}
        used.update((self.table.entries["value"][: self.table.used] & INDEX).tolist())
        unused = set(self._index.values()) - used
        for number in unused & self._unused:
            del self._index[self._identities[number]]
            self._free.append(number)
        self._unused = unused - self._unused

    # ---- addresses

    def set_pods(self, pods: Iterable[LocalPod]) -> None:
        """The pods of this node; their addresses need no asking."""
        local = {pack(ip_address(text)): pod for pod in pods if not pod.host_network for text in pod.addresses}
        for packed, pod in self._local.items():
            if packed not in local:
                self._leave(packed, pod)
        for packed, pod in local.items():
            if packed not in self._local:
                self.dropped.append(packed)
                self._ends.pop(packed, None)
                self._waiting.pop(packed, None)
            self.table.enter(*_words(packed), self.of(pod), KEPT)
        if local.keys() != self._local.keys():
            self.table.version += 1
        self._local = local

    def _leave(self, packed: bytes, pod: LocalPod) -> None:
        first, second = _words(packed)
        if self.table.asks:
            self.table.enter(first, second, VACANT | self.of(pod), 0)
            self._ends[packed] = end_of(pod)
            self._waiting[packed] = time.monotonic()
            self.met.append(packed)
        else:
            self.table.enter(first, second, self.table.class_of(first, second), 0)

    def need(self, first: int, second: int, tick: int) -> None:
        """An address that is to be known, though no flow has it, as of this tick."""
        at = self.table.place(first, second)
        if at < 0 and self.table.asks:
            self.table.enter(first, second, UNKNOWN | self.table.class_of(first, second), tick)
        elif at >= 0 and self.table.entries["used"][at] != KEPT:
            self.table.entries["used"][at] = tick

    def after_tick(self) -> None:
        """Note which addresses flows have that nobody knew, and let those that wait too long count for their class."""
        now = time.monotonic()
        for entry in self.table.entries[self._entered : self.table.used]:
            if entry["value"] & UNKNOWN:
                packed = entry.tobytes()[:16]
                self.met.append(packed)
                self._waiting[packed] = now
        self._entered = self.table.used
        for packed, since in list(self._waiting.items()):
            if now - since < self.wait_s:
                break
            self._give_up(packed)

    def forget(self, before: int) -> None:
        """Forget addresses that no flow has had since tick `before`."""
        for entry in self.table.forget(before):
            packed = entry.tobytes()[:16]
            self.dropped.append(packed)
            self._ends.pop(packed, None)
            self._waiting.pop(packed, None)
        self._entered = self.table.used

    def counted(self, packed: bytes) -> bool:
        """Whether flows may have been counted for the owner of this address, or its class."""
        at = self.table.place(*_words(packed))
        return at >= 0 and not self.table.entries["value"][at] & UNKNOWN

    def learn(self, packed: bytes, who: feed.Identity | None) -> None:
        """What is answered for an address that was met; None: nobody has it."""
        at = self.table.place(*_words(packed))
        if at < 0 or packed in self._local:
            return  # nobody asks any more
        entry = self.table.entries[at]
        if who is not None:
            identity, self._ends[packed] = _answered(who)
            self._assign(at, self.number(identity))
            self._waiting.pop(packed, None)
        elif entry["value"] & UNKNOWN:
            self._give_up(packed)
        elif packed in self._ends and packed not in self._waiting:
            entry["value"] |= VACANT
            self._waiting[packed] = time.monotonic()

    def _give_up(self, packed: bytes) -> None:
        first, second = _words(packed)
        self._waiting.pop(packed, None)
        self._ends.pop(packed, None)
        at = self.table.place(first, second)
        if at >= 0:
            self._assign(at, self.table.class_of(first, second))

    def _assign(self, at: int, identity: int) -> None:
        """Flows of an entry count for this identity; those that waited for it rouse themselves."""
        was = int(self.table.entries["value"][at])
        self.reassigned |= was & UNKNOWN == 0 and was & INDEX != identity
        self.table.entries["value"][at] = identity

    def moment(self, addresses: npt.NDArray[np.uint64]) -> Moment:
        """Who has these addresses now, rows of two words. Shares what never changes of interfaces: an interface's id is
        another's only 65,535 interfaces later."""
        text = addresses.tobytes()
        packed = {text[at : at + 16] for at in range(0, len(text), 16)}
        return Moment(self.interfaces, self.interface_names, {one: self.end(one) for one in packed})

    def end(self, packed: bytes) -> End:
        """Who has this address now, as records have it."""
        pod = self._local.get(packed)
        if pod is not None:
            return end_of(pod)
        known = self._ends.get(packed)
        return known or _CLASS_ENDS[self.table.class_of(*_words(packed))]

    def of_words(self, first: int, second: int) -> Identity:
        """The identity behind an address, given as a slot holds it."""
        return self._identities[self.table.find(first, second)]
