"""The interfaces of the probe's own network namespace, followed by netlink events, and which pod each veth leads to.

A veth tells its peer's namespace as a number (IFLA_LINK_NETNSID); the kernel tells the same number for an open
namespace file (RTM_GETNSID). So a pod's host side is found without entering the pod, which would need CAP_SYS_ADMIN.
"""

import errno
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pyroute2 import IPRoute
from pyroute2.netlink import rtnl
from pyroute2.netlink.exceptions import NetlinkError

log = logging.getLogger(__name__)

_NOT_ASSIGNED: Final = 0xFFFFFFFF  # NETNSA_NSID_NOT_ASSIGNED, as unsigned
_ARPHRD_NONE: Final = (0xFFFE, 519)  # ARPHRD_NONE, ARPHRD_RAWIP: frames start at the IP header


@dataclass(frozen=True, slots=True)
class Link:
    """One interface of the host. `peer_nsid` is the namespace that a veth leads to; None: to none, or not a veth."""

    ifindex: int
    name: str
    peer_nsid: int | None
    raw_ip: bool = False


def raw_ip(message: Any) -> bool:
    """Whether the interface of a link message has no link-layer header."""
    return message["ifi_type"] in _ARPHRD_NONE


def _link(message: Any) -> Link:
    return Link(
        ifindex=message["index"],
        name=message.get_attr("IFLA_IFNAME") or "",
        peer_nsid=message.get_attr("IFLA_LINK_NETNSID"),
        raw_ip=raw_ip(message),
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
                event = message.get("event")
                if event == "RTM_DELLINK":
                    changed |= self._links.pop(message["index"], None) is not None
                elif event == "RTM_NEWLINK":
                    link = _link(message)
                    changed |= self._links.get(link.ifindex) != link
                    self._links[link.ifindex] = link
        if changed:
            self._changed()
