"""Finds the interfaces that a pod's packets pass: the host's end of its veths, and inside the pod those without one."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from weir_probe.capture.model import HOST, CaptureError, Interface, NetNs
from weir_probe.capture.tc import in_netns
from weir_probe.plan import netns
from weir_probe.plan.links import FALLBACK_TUNNELS, Inner, Link, Links, inner_links, ways_out
from weir_probe.plan.pods import LocalPod

_OWN: Final = "/proc/self/ns/net"
_NOWHERE: Final = "no process of it was found, so neither its network namespace"
_HIDDEN: Final = "a process of it was found, but its network namespace is not shown (CAP_SYS_PTRACE, AppArmor)"


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


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look from outside tells of a pod's interfaces: their names, and whether packets reach or leave the pod
    past the ends that it has on the node, as bpf_redirect_peer lets them (Linux 5.10): it counted more than those."""

    names: frozenset[str] = frozenset()
    passed_by: bool = False


@dataclass(slots=True)
class _Known:
    """What was found of a pod: the path of its namespace, which namespace that was, the host's number for it, and what
    was seen when it was looked at."""

    path: str
    inode: int
    nsid: int | None = None
    seen: Seen = Seen()


@dataclass(frozen=True, slots=True)
class Found:
    """Where pods, by uid, are to be watched; of those that cannot be, why not; of those that are watched, what of them
    is not."""

    places: dict[str, tuple[Place, ...]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    unwatched: dict[str, str] = field(default_factory=dict)

    def add(self, uid: str, places: Sequence[Place], problem: str, unwatched: str) -> None:
        """What was found of one pod; empty texts say nothing."""
        if places:
            self.places[uid] = tuple(places)
        if problem:
            self.problems[uid] = problem
        if unwatched:
            self.unwatched[uid] = unwatched


class Interfaces:
    """Remembers what it found while the pod lives, so that an unchanged pod costs a stat and a few lines of /proc."""

    def __init__(self, links: Links, adopted: Iterable[Interface] = ()) -> None:
        self._links = links
        self._known: dict[str, _Known] = {}
        # numbers of namespaces that are watched from inside; those of a capture that was taken over stay as they are
        self._numbers = {netns.inode(i.netns.path): i.netns.number for i in adopted if i.netns.number}

    def find(self, pods: Iterable[LocalPod]) -> Found:
        """The places of these pods."""
        wanted = {pod.uid: pod for pod in pods}
        hidden = self._locate(wanted)
        result = Found()
        for uid in wanted.keys() - self._known.keys():
            result.problems[uid] = _HIDDEN if uid in hidden else _NOWHERE
        for known in self._known.values():
            if known.nsid is None:
                known.nsid = self._links.nsid(known.path)
        for uid, (seen, outside) in self._look().items():
            self._known[uid].seen = seen
            result.add(uid, *self._watch(self._known[uid], outside))
        return result

    def inodes(self) -> dict[str, int]:
        """The network namespaces that were found, by pod uid."""
        return {uid: known.inode for uid, known in self._known.items()}

    def outdated(self) -> bool:
        """Whether a pod's interfaces are not as they were when it was looked at: inside it, no event tells."""
        return any(self._known[uid].seen != seen for uid, (seen, _) in self._look().items())

    def _look(self) -> dict[str, tuple[Seen, list[Link]]]:
        """What is seen of every pod now, and its ends on the node."""
        by_nsid = self._links.by_nsid()
        # inside first: what is read later has counted all that the other end had
        inside = {uid: netns.interfaces(known.path) for uid, known in self._known.items()}
        own = netns.interfaces(_OWN) if inside else {}
        looks: dict[str, tuple[Seen, list[Link]]] = {}
        for uid, counters in inside.items():
            nsid = self._known[uid].nsid
            outside = by_nsid.get(nsid, []) if nsid is not None else []
            looks[uid] = compare(counters, [own[link.name] for link in outside if link.name in own]), outside
        return looks

    def _watch(self, known: _Known, outside: Collection[Link]) -> tuple[list[Place], str, str]:
        """Where to watch a pod; why nowhere; and what of it is not watched."""
        on_node = [Place(HOST, link.ifindex, link.name, pod_side=False, raw_ip=link.raw_ip) for link in outside]
        passed_by = known.seen.passed_by
        if outside and not passed_by and len(known.seen.names) <= len(outside):
            return on_node, "", ""
        others = set() if passed_by else {link.peer_ifindex for link in outside if link.peer_ifindex}
        try:
            inside = self._inside(known, others)
        except (CaptureError, OSError) as error:
            if not outside:
                return [], f"no host side of its interfaces, and {error}", ""
            if passed_by:
                return on_node, "", f"packets pass by its end on the node and are not counted: {error}"
            ends = f"{len(outside)} of its {len(known.seen.names)} interfaces have an end on the node"
            return on_node, "", f"{ends}; what passes the others alone is not counted: {error}"
        places = inside if passed_by else on_node + inside
        return places, "" if places else "its network namespace has no interface yet", ""

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


def compare(inside: Mapping[str, tuple[int, int]], ends: Sequence[tuple[int, int]]) -> Seen:
    """A pod's interfaces beside their ends on the node: packets received and sent, of each."""
    own = {name: counted for name, counted in inside.items() if name not in FALLBACK_TUNNELS}
    received, sent = (sum(counted[way] for counted in own.values()) for way in (0, 1))
    taken, given = (sum(end[way] for end in ends) for way in (0, 1))
    return Seen(frozenset(own), len(ends) == len(own) > 0 and (received > given or sent > taken))
