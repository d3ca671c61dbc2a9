"""The interfaces of the probe's own network namespace, followed by netlink events, and which pod each veth leads to.

A veth tells its peer's namespace as a number (IFLA_LINK_NETNSID); the kernel tells the same number for an open
namespace file (RTM_GETNSID). So a pod's host side is found without entering the pod, which would need CAP_SYS_ADMIN.
"""

import errno
import logging
import os
import socket
import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from pyroute2 import IPRoute
from pyroute2.netlink import rtnl
from pyroute2.netlink.exceptions import NetlinkError

log = logging.getLogger(__name__)

_NOT_ASSIGNED: Final = 0xFFFFFFFF  # NETNSA_NSID_NOT_ASSIGNED, as unsigned
#: Devices whose frames start at the IP header (linux/if_arp.h): PPP, RAWIP, TUNNEL, TUNNEL6, SIT, IPGRE, IP6GRE, NONE
_NO_LINK_LAYER: Final = frozenset({512, 519, 768, 769, 776, 778, 823, 0xFFFE})
_LOOPBACK: Final = 772
#: What the kernel makes in every network namespace once the module of a tunnel is loaded (ip-sysctl,
#: fb_tunnels_only_for_init_net): nobody's, and down.
FALLBACK_TUNNELS: Final = frozenset(
    {"tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0"}
)


@dataclass(frozen=True, slots=True)
class Link:
    """One interface of the host. `peer_nsid` is the namespace that a veth leads to; None: to none, or not a veth.
    `peer_ifindex` is what its other end is numbered there."""

    ifindex: int
    name: str
    peer_nsid: int | None
    peer_ifindex: int | None = None
    raw_ip: bool = False


@dataclass(frozen=True, slots=True)
class Inner:
    """One interface inside a pod. `kind` is rtnetlink's (veth, macvlan, wireguard); "": a device of its own, such as a
    virtual function of a network card. `elsewhere`: what it stands on is in another network namespace."""

    ifindex: int
    name: str
    kind: str
    elsewhere: bool
    raw_ip: bool = False


def ways_out(inside: Iterable[Inner], watched_outside: Collection[int]) -> list[Inner]:
    """Of the interfaces inside a pod, those by which packets leave it, but for the ones whose other end is watched.

    What a pod stacks on them (VLANs, bonds, tunnels) carries the same packets once more: it is taken only where there
    is nothing else, as with a pod whose one interface is a tun or WireGuard device.
    """
    every = list(inside)
    leading = [link for link in every if link.elsewhere or not link.kind]
    return [link for link in leading or every if link.ifindex not in watched_outside]


def inner_links() -> list[Inner]:
    """The interfaces of the calling thread's network namespace that may lead out of it."""
    with IPRoute() as netlink:
        messages = [message for message in netlink.get_links() if message["ifi_type"] != _LOOPBACK]
    return [
        Inner(message["index"], name, _kind(message), message.get_attr("IFLA_LINK_NETNSID") is not None, _raw(message))
        for message in messages
        if (name := message.get_attr("IFLA_IFNAME") or "") not in FALLBACK_TUNNELS
    ]


def _kind(message: Any) -> str:
    info = message.get_attr("IFLA_LINKINFO")
    return (info.get_attr("IFLA_INFO_KIND") or "") if info is not None else ""


def _raw(message: Any) -> bool:
    return message["ifi_type"] in _NO_LINK_LAYER


def _link(message: Any) -> Link:
    return Link(
        ifindex=message["index"],
        name=message.get_attr("IFLA_IFNAME") or "",
        peer_nsid=message.get_attr("IFLA_LINK_NETNSID"),
        peer_ifindex=message.get_attr("IFLA_LINK"),
        raw_ip=_raw(message),
    )


class Links:
    """Follows the interfaces from `start` on; `changed` is called, from another thread, after every change."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._links: dict[int, Link] = {}
        self._lock = threading.Lock()
        self._asking = IPRoute()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="links", daemon=True)

    def start(self) -> None:
        """Read all interfaces, then follow. Returns when they are known."""
        self._read_all()
        self._thread.start()

    def close(self) -> None:
        """Stop following."""
        self._stop.set()
        self._asking.close()

    def by_nsid(self) -> dict[int, list[Link]]:
        """The host sides of veths, by the namespace that they lead to."""
        with self._lock:
            found: dict[int, list[Link]] = {}
            for link in self._links.values():
                if link.peer_nsid is not None:
                    found.setdefault(link.peer_nsid, []).append(link)
            return found

    def nsid(self, path: str) -> int | None:
        """The host's number for the network namespace at `path`; None where it has none, or is gone."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            number = self._asking.get_netnsid(fd=fd)["nsid"]
        except NetlinkError as error:
            if error.code in {errno.EINVAL, errno.ENOENT}:
                return None
            raise
        finally:
            os.close(fd)
        return None if number == _NOT_ASSIGNED else int(number)

    def addresses(self) -> list[str]:
        """The addresses of the node itself."""
        return [str(message.get_attr("IFA_ADDRESS")) for message in self._asking.get_addr()]

    def _read_all(self) -> None:
        links = {link.ifindex: link for link in map(_link, self._asking.get_links())}
        with self._lock:
            self._links = links

    def _follow(self) -> None:
        """Apply events; whatever goes wrong with the socket (an overflow: ENOBUFS) is mended by reading all again."""
        while not self._stop.is_set():
            try:
                with IPRoute(groups=rtnl.RTMGRP_LINK) as events:
                    events.bind()
                    self._read_all()
                    self._changed()
                    while not self._stop.is_set():
                        self._apply(events.get())
            except (OSError, NetlinkError) as error:
                if not self._stop.is_set():
                    log.warning("interface events: %s; reading all interfaces again", error)
                    self._stop.wait(0.2)

    def _apply(self, messages: Any) -> None:
        changed = False
        with self._lock:
            for message in messages:
                # a bridge tells of its ports in messages of the same types, which lack most (rtnetlink(7), AF_BRIDGE)
                event = message.get("event") if message.get("family") == socket.AF_UNSPEC else None
                if event == "RTM_DELLINK":
                    changed |= self._links.pop(message["index"], None) is not None
                elif event == "RTM_NEWLINK":
                    link = _link(message)
                    changed |= self._links.get(link.ifindex) != link
                    self._links[link.ifindex] = link
        if changed:
            self._changed()
