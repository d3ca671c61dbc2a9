"""A simulated node: a network namespace, and pods that are network namespaces behind a veth each.

Nothing here has a name in the file system: a namespace lives as long as the process that was started in it, and that
dies with the tests, so nothing stays behind and runs side by side cannot meet.
"""

import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pyroute2 import IPRoute
from pyroute2.netlink.rtnl.ifinfmsg import IFF_MULTICAST, IFF_NOARP

from kube import cgroup, relay
from kube.control_plane import ControlPlane
from kube.netns import call_in, set_sysctl, wait_for_own_namespace
from kube.objects import Manifest
from kube.patience import patience
from kube.process import kill, spawn

# A node sees its own network's /sys and has its own BPF file system, so that probes of two nodes do not share pins.
_NODE_MOUNTS = """
set -e
mount --rbind /sys/fs/cgroup /mnt
mount -t sysfs sysfs /sys
mount --rbind /mnt /sys/fs/cgroup
umount -l /mnt
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs tracefs /sys/kernel/tracing
exec sleep infinity
"""


@dataclass(frozen=True)
class InterfaceCounters:
    """The kernel's totals of an interface, with its link-layer headers; rx is what it received."""

    rx_packets: int
    rx_bytes: int
    tx_packets: int
    tx_bytes: int

    @property
    def both_ways(self) -> tuple[int, int]:
        """Packets and bytes, sent and received."""
        return self.rx_packets + self.tx_packets, self.rx_bytes + self.tx_bytes

    def __sub__(self, before: "InterfaceCounters") -> "InterfaceCounters":
        return InterfaceCounters(
            self.rx_packets - before.rx_packets,
            self.rx_bytes - before.rx_bytes,
            self.tx_packets - before.tx_packets,
            self.tx_bytes - before.tx_bytes,
        )


class _Sandbox:
    """A process that holds a network namespace, and the processes that were started in it."""

    def __init__(self, what: str, command: Sequence[str], enter: Sequence[str]) -> None:
        self._what = what
        self._enter = enter
        self._holder = spawn(command, stdin=subprocess.DEVNULL)
        self._started: list[subprocess.Popen[str]] = []
        self.pid = self._holder.pid

    def run(self, argv: Sequence[str], timeout_s: float = 30.0, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program inside until it ends; both outputs are text. Raises AssertionError with them when it fails."""
        process = self.popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            stdout, stderr = process.communicate(timeout=patience(timeout_s))
        finally:
            kill(process)
            self._started.remove(process)
        if check and process.returncode != 0:
            raise AssertionError(f"{argv} in {self._what} ended with {process.returncode}:\n{stdout}{stderr}")
        return subprocess.CompletedProcess(argv, process.returncode, stdout, stderr)

    def popen(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        """Start a program inside; it is killed when the namespace is removed, if it still runs then."""
        # entering a mount namespace would change the working directory to /
        folder = f"--wdns={Path(options.pop('cwd', '.')).absolute()}"
        process = spawn(["nsenter", "-t", str(self.pid), *self._enter, folder, "--", *argv], **options)
        self._started.append(process)
        return process

    def _end(self) -> None:
        for process in [*self._started, self._holder]:
            kill(process)
        self._started.clear()


class PodNetns(_Sandbox):
    """A pod: a network namespace with `eth0`, and one process in the pod's cgroup (a host outside has none)."""

    def __init__(self, node: "Node", name: str, ips: Sequence[str], container_folder: Path | None) -> None:
        super().__init__(name, ["unshare", "--net", "sleep", "infinity"], ["--net"])
        self.node = node
        self.name = name
        self.ips = tuple(ips)
        self.interface = f"veth{secrets.token_hex(4)}"  # at the node's side
        self.mac, self._host_mac = _new_mac(), _new_mac()
        self._container_folder = container_folder
        try:
            wait_for_own_namespace(self.pid)
            if container_folder is not None:
                cgroup.enter(container_folder, self.pid)
            call_in(self.pid, self._make_inner_side)
            self.ifindex: int = call_in(node.pid, self._make_outer_side)
        except BaseException:
            self.end()
            raise

    @property
    def container_id(self) -> str:
        """The 64 hexadecimal digits that the pod's cgroup is named by, whichever driver; empty for a host outside."""
        return self._container_folder.name.removeprefix("cri-containerd-")[:64] if self._container_folder else ""

    def exec(
        self, argv: Sequence[str], timeout_s: float = 30.0, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the pod's network namespace, as `run` does."""
        return self.run(argv, timeout_s, check)

    def interface_counters(self) -> InterfaceCounters:
        """The totals of the veth at the node's side: rx is what the pod sent, tx what it was sent."""
        return call_in(self.node.pid, partial(_counters, self.ifindex))

    def inner_counters(self, interface: str) -> InterfaceCounters:
        """The totals of an interface inside the pod: tx is what the pod sent. Raises KeyError when it is not there."""
        return call_in(self.pid, partial(_counters_by_name, interface))

    def remove(self) -> None:
        """End the pod: its processes, its interfaces, its cgroup. A second call does nothing."""
        # a namespace is taken apart some time after its last process: the interface shall be gone on return
        if self.node.pods.get(self.name) is self:
            call_in(self.node.pid, partial(_delete_interface, self.interface))
            self.end()

    def end(self) -> None:
        """End the pod's processes and cgroup; its interfaces go with the namespace, in the kernel's own time."""
        self._end()
        if self._container_folder is not None:
            cgroup.remove(self._container_folder)
        self.node.pods.pop(self.name, None)

    # Addresses are /32 and /128 with routes and permanent neighbours at both ends (some CNIs do so): no ARP, neighbour
    # discovery, multicast report or router solicitation disturbs a test that compares totals.

    def _make_inner_side(self) -> None:
        _quiet_ipv6()
        with Path(f"/proc/{self.node.pid}/ns/net").open() as node_namespace, IPRoute() as ip:
            ip.link("set", index=1, state="up")
            peer = {"ifname": self.interface, "address": self._host_mac, "net_ns_fd": node_namespace.fileno()}
            ip.link("add", ifname="eth0", kind="veth", address=self.mac, peer=peer)
            eth0 = ip.link_lookup(ifname="eth0")[0]
            _set_up(ip, eth0)
            for address, gateway in _pairs(self.ips, self.node.ips):
                family = _family(address)
                ip.addr("add", index=eth0, address=address, prefixlen=_length(family), family=family)
                ip.neigh("replace", ifindex=eth0, dst=gateway, lladdr=self._host_mac, family=family, state="permanent")
                ip.route("add", dst="default", gateway=gateway, oif=eth0, family=family, flags=["onlink"])

    def _make_outer_side(self) -> int:
        with IPRoute() as ip:
            index: int = ip.link_lookup(ifname=self.interface)[0]
            _set_up(ip, index)
            for address in self.ips:
                family = _family(address)
                ip.neigh("replace", ifindex=index, dst=address, lladdr=self.mac, family=family, state="permanent")
                ip.route("add", dst=f"{address}/{_length(family)}", oif=index, family=family)
        return index


class Node(_Sandbox):
    """A node with its own network, /sys and BPF file system; programs inside see the machine's processes and files.

    It has its addresses on `lo`, as nodes whose routes are announced have, and routes between its pods, IPv4 and IPv6.
    `cgroup_driver` is the kubelet's, `cgroupfs` or `systemd`. Needs root.
    """

    def __init__(
        self, name: str, ip4: str = "172.31.0.1", ip6: str = "fd00:31::1", cgroup_driver: str = "cgroupfs"
    ) -> None:
        command = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", _NODE_MOUNTS]
        super().__init__(name, command, ["--net", "--mount"])
        self.name = name
        self.ips = (ip4, ip6)
        self.pods: dict[str, PodNetns] = {}
        self._cgroup_driver = cgroup_driver
        self._relays: dict[int, subprocess.Popen[str]] = {}
        try:
            cgroup.remove_leftovers()
            wait_for_own_namespace(self.pid)
            call_in(self.pid, self._make_network)
            self._wait_for_mounts()
        except BaseException:
            self.remove()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def add_pod(
        self, uid: str, name: str, ip4: str | None, ip6: str | None = None, container_id: str | None = None
    ) -> PodNetns:
        """Start a pod: any addresses, the node routes them. Its process is in the cgroup a kubelet makes for `uid`."""
        folder = cgroup.container_folder(uid, container_id or cgroup.new_container_id(), self._cgroup_driver)
        return self._add(name, [ip for ip in (ip4, ip6) if ip], folder)

    def add(self, pod: Manifest) -> PodNetns:
        """Start the pod of a Pod object (of `ControlPlane.make_pod`): uid, name, addresses, container id."""
        ips = [entry["ip"] for entry in pod["status"]["podIPs"]]
        container = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
        folder = cgroup.container_folder(pod["metadata"]["uid"], container, self._cgroup_driver)
        return self._add(pod["metadata"]["name"], ips, folder)

    def add_external(self, name: str, ip4: str | None, ip6: str | None = None) -> PodNetns:
        """Start a host outside the cluster: reached by its own interface like a pod, but without a pod's cgroup."""
        return self._add(name, [ip for ip in (ip4, ip6) if ip], None)

    def _add(self, name: str, ips: Sequence[str], folder: Path | None) -> PodNetns:
        if name in self.pods:
            raise ValueError(f"node {self.name} has a pod {name} already")
        self.pods[name] = PodNetns(self, name, ips, folder)
        return self.pods[name]

    def kubeconfig(
        self, control_plane: ControlPlane, service_account: str | None = None, namespace: str = "default"
    ) -> Path:
        """A kubeconfig by which programs inside the node reach the API server, also after it was stopped and started.

        As administrator, or as a service account (made if need be). The same file works outside the node too: the
        port of the same number on loopback leads to the API server.
        """
        self.reach(control_plane.port)
        if service_account is None:
            return control_plane.kubeconfig
        return control_plane.service_account_kubeconfig(namespace, service_account)

    def reach(self, port: int, *targets: int) -> None:
        """Let programs inside reach a port of this machine's loopback by the same number on theirs, or the first of
        `targets` that answers."""
        if port in self._relays:
            return
        listener = call_in(self.pid, partial(socket.create_server, ("127.0.0.1", port), backlog=128))
        with listener:
            fd = listener.fileno()
            program = [sys.executable, str(Path(relay.__file__)), str(fd), *map(str, targets or (port,))]
            self._relays[port] = spawn(program, pass_fds=[fd], stdin=subprocess.DEVNULL)

    def interface_counters(self, interface: str) -> InterfaceCounters:
        """The totals of one of the node's interfaces by its name. Raises KeyError when it is not there."""
        return call_in(self.pid, partial(_counters_by_name, interface))

    def remove(self) -> None:
        """End the node with its pods and all that runs in it. A second call does nothing."""
        for pod in list(self.pods.values()):
            pod.end()
        for port in list(self._relays):
            kill(self._relays.pop(port))
        self._end()

    def _make_network(self) -> None:
        _quiet_ipv6()
        set_sysctl("net.ipv4.ip_forward", 1)
        set_sysctl("net.ipv6.conf.all.forwarding", 1)
        set_sysctl("net.ipv6.conf.default.forwarding", 0)  # a veth would join, and report, the all-routers group
        with IPRoute() as ip:
            ip.link("set", index=1, state="up")
            for address in self.ips:
                family = _family(address)
                ip.addr("add", index=1, address=address, prefixlen=_length(family), family=family)

    def _wait_for_mounts(self) -> None:
        """The holder becomes `sleep` once its mounts are made; it ends where they cannot be."""
        while "sleep" not in Path(f"/proc/{self.pid}/comm").read_text():
            if self._holder.poll() is not None:
                raise PermissionError(f"node {self.name}: cannot mount sysfs and bpf in a mount namespace; needs root")
            time.sleep(0.001)


def _quiet_ipv6() -> None:
    """Interfaces made from now on send nothing by themselves: no link-local address, no duplicate address detection."""
    for scope in ("all", "default"):
        set_sysctl(f"net.ipv6.conf.{scope}.disable_ipv6", 0)
        set_sysctl(f"net.ipv6.conf.{scope}.accept_dad", 0)
        set_sysctl(f"net.ipv6.conf.{scope}.router_solicitations", 0)
    set_sysctl("net.ipv6.conf.default.addr_gen_mode", 1)  # IN6_ADDR_GEN_MODE_NONE


def _set_up(ip: IPRoute, index: int) -> None:
    """Set an interface up that asks for no neighbours and reports no groups (IFF_NOARP, not IFF_MULTICAST)."""
    ip.link("set", index=index, flags=IFF_NOARP, mask=IFF_NOARP | IFF_MULTICAST)
    ip.link("set", index=index, state="up")


def _pairs(addresses: Sequence[str], gateways: Sequence[str]) -> list[tuple[str, str]]:
    """Each address with the gateway of its family."""
    return [(ip, gateway) for ip in addresses for gateway in gateways if _family(ip) == _family(gateway)]


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _length(family: int) -> int:
    return 128 if family == socket.AF_INET6 else 32


def _new_mac() -> str:
    return "02:" + secrets.token_bytes(5).hex(":")  # locally administered, unicast


def _counters(index: int) -> InterfaceCounters:
    with IPRoute() as ip:
        stats = ip.get_links(index)[0].get("stats64")
    return InterfaceCounters(stats["rx_packets"], stats["rx_bytes"], stats["tx_packets"], stats["tx_bytes"])


def _counters_by_name(interface: str) -> InterfaceCounters:
    with IPRoute() as ip:
        found = ip.link_lookup(ifname=interface)
    if not found:
        raise KeyError(interface)
    return _counters(found[0])


def _delete_interface(interface: str) -> None:
    with IPRoute() as ip:
        for index in ip.link_lookup(ifname=interface):
            ip.link("del", index=index)
