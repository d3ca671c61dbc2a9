"""Finds the interfaces that a pod's packets pass: the host's end of its veths, or else those inside the pod."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from pyroute2 import IPRoute

from weir_probe.capture.model import HOST, CaptureError, Interface, NetNs
from weir_probe.capture.tc import in_netns
from weir_probe.plan import netns
from weir_probe.plan.links import Links, raw_ip
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


class Interfaces:
    """Remembers what it found while the pod lives, so that an unchanged pod costs a stat."""

    def __init__(self, links: Links, adopted: Iterable[Interface] = ()) -> None:
        self._links = links
        self._known: dict[str, _Known] = {}
        # numbers of namespaces that are watched from inside; those of a capture that was taken over stay as they are
        self._numbers = {netns.inode(i.netns.path): i.netns.number for i in adopted if i.netns.number}

    def find(self, pods: Iterable[LocalPod]) -> tuple[dict[str, tuple[Place, ...]], dict[str, str]]:
        """Places by pod uid, and for each pod without any, why not."""
        wanted = {pod.uid: pod for pod in pods}
        self._locate(wanted)
        by_nsid = self._links.by_nsid()
        places: dict[str, tuple[Place, ...]] = {}
        problems: dict[str, str] = {}
        for uid in wanted:
            known = self._known.get(uid)
            if known is None:
                problems[uid] = "no process of it was found, so neither its network namespace"
                continue
            if known.nsid is None:
                known.nsid = self._links.nsid(known.path)
            found = tuple(
                Place(HOST, link.ifindex, link.name, pod_side=False, raw_ip=link.raw_ip)
                for link in (by_nsid.get(known.nsid, []) if known.nsid is not None else [])
            )
            try:
                found = found or self._inside(known)
            except (CaptureError, OSError) as error:
                problems[uid] = f"no host side of its interfaces, and {error}"
                continue
            if found:
                places[uid] = found
            else:
                problems[uid] = "its network namespace has no interface yet"
        return places, problems

    def _locate(self, wanted: dict[str, LocalPod]) -> None:
        """Keep what still holds, look for the rest in one pass."""
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

    def _inside(self, known: _Known) -> tuple[Place, ...]:
        """The interfaces inside a pod that has no host side: ipvlan, macvlan, a device moved into it."""

        def read() -> list[tuple[int, str, bool]]:
            with IPRoute() as netlink:
                return [
                    (message["index"], message.get_attr("IFLA_IFNAME"), raw_ip(message))
                    for message in netlink.get_links()
                    if message.get_attr("IFLA_IFNAME") != "lo"
                ]

        if known.inode not in self._numbers:
            self._numbers[known.inode] = max(self._numbers.values(), default=0) + 1
        space = NetNs(self._numbers[known.inode], known.path)
        return tuple(Place(space, index, name, pod_side=True, raw_ip=raw) for index, name, raw in in_netns(space, read))
