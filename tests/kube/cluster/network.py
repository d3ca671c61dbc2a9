"""The network between the machines of a cluster: a bridge in a namespace of its own, a cable to each."""

import socket
import subprocess
from dataclasses import dataclass
from functools import partial

from pyroute2 import IPRoute

from kube.netns import call_in, set_sysctl, wait_for_own_namespace
from kube.process import kill, spawn

SERVICES = ("10.96.0.0/16", "fd00:96::/112")
PODS = ("10.244.0.0/16", "fd00:10:244::/48")
DNS_SERVICE = "10.96.0.10"
CONTROL_PLANE = ("10.99.0.1", "fd00:99::1")  # the bridge's own addresses, and every machine's gateway
_LINK_LENGTHS = (24, 64)


@dataclass(frozen=True)
class Addresses:
    """What machine `number` (1–200) has: its own addresses and its pods' ranges, IPv4 and IPv6."""

    number: int

    @property
    def own(self) -> tuple[str, str]:
        return f"10.99.0.{10 + self.number}", f"fd00:99::{10 + self.number:x}"

    @property
    def pods(self) -> tuple[str, str]:
        return f"10.244.{self.number}.0/24", f"fd00:10:244:{self.number:x}::/64"


class Switch:
    """The namespace of the control plane, which is the bridge that the machines are plugged into. Needs root."""

    def __init__(self) -> None:
        self._holder = spawn(["unshare", "--net", "sleep", "infinity"], stdin=subprocess.DEVNULL)
        self.pid = self._holder.pid
        wait_for_own_namespace(self.pid)
        call_in(self.pid, self._make)

    @property
    def enter(self) -> list[str]:
        """The command that runs another one here."""
        return ["nsenter", "-t", str(self.pid), "--net", "--"]

    def _make(self) -> None:
        _prepare()
        with IPRoute() as ip:
            ip.link("set", ifname="lo", state="up")
            ip.link("add", ifname="br0", kind="bridge")
            _configure(ip, "br0", CONTROL_PLANE)

    def plug(self, pid: int, addresses: Addresses) -> None:
        """Give the namespace of process `pid` its eth0, cabled to the bridge, and routes to all machines' pods."""
        port = _port(addresses)

        def outside() -> None:
            with IPRoute() as ip:
                for left in ip.link_lookup(ifname=port):  # a crashed machine's, which the kernel has not removed yet
                    ip.link("del", index=left)
                ip.link("add", ifname=port, kind="veth", peer={"ifname": "eth0", "net_ns_pid": pid})
                ip.link("set", ifname=port, master=ip.link_lookup(ifname="br0")[0], state="up")
                _route_pods(ip, addresses)

        call_in(self.pid, outside)
        call_in(pid, partial(_inside, addresses))

    def teach(self, pid: int, neighbour: Addresses) -> None:
        """Tell the machine of process `pid` where the pods of another machine are."""

        def routes() -> None:
            with IPRoute() as ip:
                _route_pods(ip, neighbour)

        call_in(pid, routes)

    def set_link(self, addresses: Addresses, up: bool) -> None:
        """Pull a machine's cable out, or put it back."""

        def switch() -> None:
            with IPRoute() as ip:
                ip.link("set", ifname=_port(addresses), state="up" if up else "down")

        call_in(self.pid, switch)

    def remove(self) -> None:
        """End it; a second call does nothing."""
        kill(self._holder)


def _port(addresses: Addresses) -> str:
    return f"node{addresses.number}"


def _prepare() -> None:
    """Addresses are ours alone: no detection of duplicates, which takes seconds; and packets are forwarded."""
    for scope in ("all", "default"):
        set_sysctl(f"net.ipv6.conf.{scope}.accept_dad", 0)
        set_sysctl(f"net.ipv6.conf.{scope}.accept_ra", 0)
        set_sysctl(f"net.ipv6.conf.{scope}.forwarding", 1)
    set_sysctl("net.ipv4.ip_forward", 1)


def _inside(addresses: Addresses) -> None:
    _prepare()
    with IPRoute() as ip:
        ip.link("set", ifname="lo", state="up")
        _configure(ip, "eth0", addresses.own)
        for gateway in CONTROL_PLANE:
            ip.route("add", dst="default", gateway=gateway, family=_family(gateway))
        # kubelet asks a cloud's metadata service here, and would wait 10 s for an answer
        ip.route("add", dst="169.254.0.0/16", type="unreachable")


def _configure(ip: IPRoute, interface: str, addresses: tuple[str, str]) -> None:
    index = ip.link_lookup(ifname=interface)[0]
    for address, length in zip(addresses, _LINK_LENGTHS, strict=True):
        ip.addr("add", index=index, address=address, prefixlen=length, family=_family(address))
    ip.link("set", index=index, state="up")


def _route_pods(ip: IPRoute, addresses: Addresses) -> None:
    for gateway, pods in zip(addresses.own, addresses.pods, strict=True):
        ip.route("replace", dst=pods, gateway=gateway, family=_family(gateway))


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def host_listener(port: int) -> socket.socket:
    """A socket on this namespace's loopback, to be handed to a relay in another."""
    return socket.create_server(("127.0.0.1", port), backlog=128)
