"""Who is behind an address: workloads of this node by address, everyone else by class (node, cluster, external)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final

import numpy as np

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Identity:
    """What a metric says of one end of a flow. `kind` and `name` are empty for all but workloads."""

    class_: str
    namespace: str = ""
    kind: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.name else self.class_


#: The identities that are always there; a workload's index follows them.
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


def words(address: Address) -> tuple[int, int]:
    """An address as a slot holds it: 16 bytes in network order, IPv4 v4-mapped, as two little-endian numbers."""
    packed = address.packed if address.version == 6 else b"\0" * 10 + b"\xff\xff" + address.packed
    return int.from_bytes(packed[:8], "little"), int.from_bytes(packed[8:], "little")


def _prefix_words(network: Network) -> tuple[int, int, int, int]:
    """(mask, prefix) of a network as words."""
    length = network.prefixlen + (96 if network.version == 4 else 0)
    mask = (((1 << length) - 1) << (128 - length)).to_bytes(16, "big")
    low, high = words(network.network_address)
    return int.from_bytes(mask[:8], "little"), int.from_bytes(mask[8:], "little"), low, high


class Peers:
    """An immutable table from address to identity index; made anew when a pod of this node comes or goes."""

    def __init__(self, version: int, known: Mapping[Address, int], classes: Iterable[tuple[Network, int]]) -> None:
        """`version` (> 0) differs from that of every earlier table. The first matching network of `classes` decides
        where no address does (an IPv6 network that holds ::ffff:0:0/96 holds IPv4); none matching is EXTERNAL."""
        self.version = version
        ordered = sorted((*words(address), identity) for address, identity in known.items())
        self.keys = np.array([o[:2] for o in ordered], np.uint64).reshape(len(ordered), 2).data
        self.values = np.array([o[2] for o in ordered], np.uint32).data
        prefixes = [(_prefix_words(network), class_) for network, class_ in classes]
        self.prefixes = np.array([p for p, _ in prefixes], np.uint64).reshape(len(prefixes), 4).data
        self.classes = np.array([c for _, c in prefixes], np.uint32).data

    def find(self, first: int, second: int) -> int:
        """The identity index of the address with these words."""
        low = 0
        high = len(self.values)
        while low < high:
            middle = (low + high) >> 1
            if self.keys[middle, 0] < first or (self.keys[middle, 0] == first and self.keys[middle, 1] < second):
                low = middle + 1
            else:
                high = middle
        if low < len(self.values) and self.keys[low, 0] == first and self.keys[low, 1] == second:
            return self.values[low]
        for i in range(len(self.classes)):
            if (
                first & self.prefixes[i, 0] == self.prefixes[i, 2]
                and second & self.prefixes[i, 1] == self.prefixes[i, 3]
            ):
                return self.classes[i]
        return 0


def default_classes(node_addresses: Iterable[Address], cluster: Iterable[str] = PRIVATE) -> list[tuple[Network, int]]:
    """Networks to classes: the node's own addresses and its links, then the cluster's ranges."""
    own = [(ip_network(address), NODE) for address in node_addresses]
    links = [(ip_network(network), NODE) for network in LINK_LOCAL]
    return [*own, *links, *((ip_network(network), CLUSTER) for network in cluster)]
