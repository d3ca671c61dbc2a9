"""Finds the interfaces that a pod's packets pass: the host's end of its veths, and inside the pod those without one."""

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from weir_probe.capture.model import HOST, CaptureError, Interface, NetNs
from weir_probe.capture.tc import in_netns
from weir_probe.plan import netns
from weir_probe.plan.links import FALLBACK_TUNNELS, Inner, Links, inner_links, ways_out
from weir_probe.plan.pods import LocalPod

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """An interface to watch for a pod."""

    netns: NetNs
    ifindex: int
    name: str
    pod_side: bool
    raw_ip: bool = False

    @property
    def key(self) -> tuple[int, int]:
        """As `Interface.key`: (network namespace, ifindex)."""
        return self.netns.number, self.ifindex


@dataclass(slots=True)
class _Known:
    """What was found of a pod: the path of its namespace, which namespace that was, and the host's number for it."""

    path: str
    inode: int
    nsid: int | None = None
    names: frozenset[str] = frozenset()  # its interfaces when they were looked for


@dataclass(frozen=True, slots=True)
class Found:
    """Where pods, by uid, are to be watched; of those that cannot be, why not; of those that are watched, what of them
    is not."""

    places: dict[str, tuple[Place, ...]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    unwatched: dict[str, str] = field(default_factory=dict)


class Interfaces:
    """Remembers what it found while the pod lives, so that an unchanged pod costs a stat."""

    def __init__(self, links: Links, adopted: Iterable[Interface] = ()) -> None:
        self._links = links
        self._known: dict[str, _Known] = {}
        # numbers of namespaces that are watched from inside; those of a capture that was taken over stay as they are
        self._numbers = {netns.inode(i.netns.path): i.netns.number for i in adopted if i.netns.number}

    def find(self, pods: Iterable[LocalPod]) -> Found:
        """The places of these pods."""
        wanted = {pod.uid: pod for pod in pods}
        hidden = self._locate(wanted)
        by_nsid = self._links.by_nsid()
        result = Found()
        for uid in wanted:
            known = self._known.get(uid)
            if known is None:
                unreadable = (
                    "a process of it was found, but its network namespace is not shown (CAP_SYS_PTRACE, AppArmor)"
                )
                nowhere = "no process of it was found, so neither its network namespace"
                result.problems[uid] = unreadable if uid in hidden else nowhere
                continue
            if known.nsid is None:
                known.nsid = self._links.nsid(known.path)
            outside = by_nsid.get(known.nsid, []) if known.nsid is not None else []
            places = [Place(HOST, link.ifindex, link.name, pod_side=False, raw_ip=link.raw_ip) for link in outside]
            refused = ""
            try:
                known.names = netns.interfaces(known.path)
                if len(known.names - FALLBACK_TUNNELS) > len(outside):
                    places += self._inside(known, {link.peer_ifindex for link in outside if link.peer_ifindex})
            except (CaptureError, OSError) as error:
                refused = str(error)
            if places:
                result.places[uid] = tuple(places)
            if refused and places:
                result.unwatched[uid] = (
                    f"{len(places)} of its {len(known.names - FALLBACK_TUNNELS)} interfaces have an end on the node; "
                    f"what passes the others alone is not counted: {refused}"
                )
            elif refused:
                result.problems[uid] = f"no host side of its interfaces, and {refused}"
            elif not places:
                result.problems[uid] = "its network namespace has no interface yet"
        return result

    def outdated(self) -> bool:
        """Whether a pod has other interfaces than when it was looked at: inside it, no event tells."""
        return any(known.names != _names(known.path) for known in self._known.values())

    def _locate(self, wanted: dict[str, LocalPod]) -> set[str]:
        """Keep what still holds, look for the rest in one pass. Returns the pods whose namespace we may not see."""
        hidden: set[str] = set()
        for uid in list(self._known):
            known = self._known[uid]
            if uid not in wanted:
                self._numbers.pop(known.inode, None)
            if uid not in wanted or netns.inode(known.path) != known.inode:
                del self._known[uid]
        missing = {uid for uid in wanted if uid not in self._known}
        paths = {uid: wanted[uid].netns for uid in missing if wanted[uid].netns}
        paths |= netns.find(missing - paths.keys())
        for uid, path in paths.items():
            number = netns.inode(path)
            if number:
                self._known[uid] = _Known(path, number)
            elif netns.is_hidden(path):
                hidden.add(uid)
        return hidden

    def _inside(self, known: _Known, watched_outside: Collection[int]) -> list[Place]:
        """The interfaces inside a pod that have no host side: ipvlan, macvlan, a device moved into it."""
        found: list[Inner] = ways_out(in_netns(NetNs(path=known.path), inner_links), watched_outside)
        if found and known.inode not in self._numbers:
            self._numbers[known.inode] = max(self._numbers.values(), default=0) + 1
        return [
            Place(NetNs(self._numbers[known.inode], known.path), link.ifindex, link.name, True, link.raw_ip)
            for link in found
        ]


def _names(path: str) -> frozenset[str]:
    try:
        return netns.interfaces(path)
    except CaptureError:
        return frozenset()
