"""Who is behind an address: owners that are known by address, everyone else by class (node, cluster, external).

Filled from two sides. Compiled code enters an address that a flow of the tick has and nobody knew; Python says whose
it is. What no flow has had for a while goes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from weir_probe.streams.hashing import KeyHash

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Identity:
    """What a metric says of one end of a flow. `kind` and `name` are empty for a class of addresses.

    `labels` are Prometheus labels and their values, of a workload that is observed by a policy that asks for some.
    """

    class_: str
    namespace: str = ""
    kind: str = ""
    name: str = ""
    labels: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        if self.class_ == "workload":
            return f"{self.namespace}/{self.name}"
        return "/".join(part for part in (self.namespace, self.class_, self.name) if part)


#: The identities that are always there; the others' indices follow them.
EXTERNAL, CLUSTER, NODE = range(3)
CLASSES: Final = (Identity("external"), Identity("cluster"), Identity("node"))

#: What a cluster's own addresses usually are; --cluster-cidr replaces it (RFC 1918, RFC 6598, RFC 4193).
PRIVATE: Final = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
#: One link only, so the node or its neighbours (RFC 3927, RFC 4291 §2.5.6 and §2.7, RFC 5771 §4, RFC 919).
LINK_LOCAL: Final = (
    "127.0.0.0/8",
    "::1/128",
    "169.254.0.0/16",
    "fe80::/10",
    "ff02::/16",
    "224.0.0.0/24",
    "255.255.255.255/32",
    "0.0.0.0/32",
    "::/128",
)


class Range(NamedTuple):
    """Addresses of one class. `asked`: somebody else may know more of them."""

    network: Network
    class_: int
    asked: bool = True


#: An address in the table. `value` is an identity's index, and why flows wait for a better one; `used` is the last
#: tick in which a flow had it.
ENTRY: Final = np.dtype([("first", "<u8"), ("second", "<u8"), ("value", "<u4"), ("used", "<u4")])
#: In `value`: it was asked for and not answered, so all flows wait, and the index is its class.
UNKNOWN: Final = 1 << 31
#: In `value`: its owner is gone, which the index still names for the flows that were there; new ones wait for the next.
VACANT: Final = 1 << 30
INDEX: Final = VACANT - 1  # the identity's index in `value`
#: In `used`: never forgotten.
KEPT: Final = 0xFFFFFFFF

_UNKNOWN, _INDEX, _KEPT = UNKNOWN, INDEX, KEPT
# in a flow's memory: no entry, only a class
_BY_CLASS = 1 << 30


def words(address: Address) -> tuple[int, int]:
    """An address as a slot holds it: 16 bytes in network order, IPv4 v4-mapped, as two little-endian numbers."""
    packed = pack(address)
    return int.from_bytes(packed[:8], "little"), int.from_bytes(packed[8:], "little")


def pack(address: Address) -> bytes:
    """16 bytes in network order, IPv4 v4-mapped (RFC 4291 §2.5.5.2)."""
    return address.packed if address.version == 6 else b"\0" * 10 + b"\xff\xff" + address.packed


def _prefix_words(network: Network) -> tuple[int, int, int, int]:
    """(mask, prefix) of a network as words."""
    length = network.prefixlen + (96 if network.version == 4 else 0)
    mask = (((1 << length) - 1) << (128 - length)).to_bytes(16, "big")
    low, high = words(network.network_address)
    return int.from_bytes(mask[:8], "little"), int.from_bytes(mask[8:], "little"), low, high


class Peers:
    """From addresses to identities. `entries[:used]` are in use; `version` grows whenever what a flow remembers of it
    (`of_flow`) no longer holds."""

    def __init__(self, ranges: Iterable[Range], most: int, *, asks: bool = False) -> None:
        """The first matching range decides where no entry does (an IPv6 network that holds ::ffff:0:0/96 holds IPv4);
        none matching is EXTERNAL. `asks`: enter addresses that flows have, up to `most` in all."""
        self.version = 1
        self.used = 0
        self.most = most
        self.asks = asks
        self.refused = 0  # flows whose address found no room
        self.hash = KeyHash()
        ordered = list(ranges)
        self.prefixes = np.array([_prefix_words(r.network) for r in ordered], np.uint64).reshape(len(ordered), 4).data
        self.classes = np.array([r.class_ for r in ordered], np.uint32).data
        self.asked = np.array([r.asked for r in ordered], np.uint8).data
        self._hold(np.zeros(256, ENTRY), 0)

    def _hold(self, entries: np.ndarray, used: int) -> None:
        """Take these entries as the table, with an index of twice their number."""
        self.entries = entries
        self.used = used
        self.capacity = len(entries)
        self.first = entries["first"].data
        self.second = entries["second"].data
        self.value = entries["value"].data
        self.stamp = entries["used"].data
        self.index = np.full(2 * len(entries), -1, np.int32).data
        for at in range(used):
            self._index(at)

    def _index(self, at: int) -> None:
        mask = 2 * self.capacity - 1
        place = self.hash.of(self.first[at], self.second[at], 0, 0, 0) & mask
        while self.index[place] >= 0:
            place = (place + 1) & mask
        self.index[place] = at

    def place(self, first: int, second: int) -> int:
        """The entry of an address; -1: it has none."""
        mask = 2 * self.capacity - 1
        place = self.hash.of(first, second, 0, 0, 0) & mask
        while self.index[place] >= 0:
            at = self.index[place]
            if self.first[at] == first and self.second[at] == second:
                return at
            place = (place + 1) & mask
        return -1

    def enter(self, first: int, second: int, value: int, used: int) -> int:
        """Give an address an entry, or its entry this value; -1: there are `most`, and this one may be left out."""
        at = self.place(first, second)
        if at < 0:
            if self.used >= self.most and used != _KEPT:
                return -1
            if self.used == self.capacity:
                grown = np.zeros(2 * self.capacity, ENTRY)
                grown[: self.used] = self.entries
                self._hold(grown, self.used)
            at = self.used
            self.used += 1
            self.first[at] = first
            self.second[at] = second
            self._index(at)
        self.value[at] = value
        self.stamp[at] = used
        return at

    def forget(self, before: int) -> "npt.NDArray[Any]":
        """Let go of what no flow has had since tick `before`; returns those entries."""
        stamps = self.entries["used"][: self.used]
        old = (stamps < before) & (stamps != KEPT)
        gone: npt.NDArray[Any] = self.entries[: self.used][old]
        if len(gone):
            kept = self.entries[: self.used][~old]
            entries = np.zeros(max(256, 1 << (len(kept) - 1).bit_length()), ENTRY)
            entries[: len(kept)] = kept
            self._hold(entries, len(kept))
            self.version += 1
        return gone

    def find(self, first: int, second: int) -> int:
        """The identity index of the address with these words."""
        return self.value_of(first, second) & _INDEX

    def value_of(self, first: int, second: int) -> int:
        """The `value` of the address with these words."""
        at = self.place(first, second)
        return self.value[at] if at >= 0 else self.class_of(first, second)

    def class_of(self, first: int, second: int) -> int:
        """The class of an address, whoever has it."""
        at = self._range(first, second)
        return self.classes[at] if at >= 0 else 0

    def _range(self, first: int, second: int) -> int:
        for i in range(len(self.classes)):
            if (
                first & self.prefixes[i, 0] == self.prefixes[i, 2]
                and second & self.prefixes[i, 1] == self.prefixes[i, 3]
            ):
                return i
        return -1

    def of_flow(self, first: int, second: int, memory: int, side: int, tick: int) -> int:
        """What a flow is to remember, which is `memory` if it still holds: version << 32 | side << 31, and the entry of
        its address or its class. An address without an entry is given one, to be asked for."""
        key = self.version << 1 | side  # sides change when another interface takes the flow over
        if memory >> 31 != key:
            at = self.place(first, second)
            if at < 0:
                in_range = self._range(first, second)
                class_ = self.classes[in_range] if in_range >= 0 else 0
                if self.asks and (in_range < 0 or self.asked[in_range]):
                    at = self.enter(first, second, _UNKNOWN | class_, tick)
                    self.refused += at < 0
                if at < 0:
                    return key << 31 | _BY_CLASS | class_
            memory = key << 31 | at
        if not memory & _BY_CLASS and self.stamp[memory & _INDEX] != _KEPT:
            self.stamp[memory & _INDEX] = tick
        return memory

    def remembered(self, memory: int) -> int:
        """The `value` that a flow's memory leads to."""
        return self.value[memory & _INDEX] if not memory & _BY_CLASS else memory & _INDEX


def default_classes(node_addresses: Iterable[Address], cluster: Iterable[str] = PRIVATE) -> list[Range]:
    """The node's own addresses and its links, then the cluster's ranges."""
    own = [Range(ip_network(address), NODE) for address in node_addresses]
    links = [Range(ip_network(network), NODE, asked=False) for network in LINK_LOCAL]
    return [*own, *links, *(Range(ip_network(network), CLUSTER) for network in cluster)]
