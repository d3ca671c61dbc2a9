"""How pods are connected on other networks than the simulated nodes' own, by `ip` as plugins do it.

Nothing here asks for neighbours or reports groups (no ARP, no multicast), as on the nodes' own network: all that
passes an interface is what the test sent.
"""

import json

import pytest

from kube.netns import call_in, set_sysctl
from kube.node import Node, PodNetns

_SILENT = ("arp", "off", "multicast", "off", "up")


def mac(host: Node | PodNetns, interface: str) -> str:
    """The address of an interface."""
    (link,) = json.loads(host.run(["ip", "-j", "link", "show", interface]).stdout)
    return str(link["address"])


def unplug(pod: PodNetns) -> None:
    """Take the pod's veth away; its address stays its own."""
    pod.node.run(["ip", "link", "del", pod.interface])


def add_uplink(node: Node) -> None:
    """A wire that the node's network cards and its gateway would be the ends of: `up0` and `up1`."""
    node.run(["ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1"])
    for end in ("up0", "up1"):
        node.run(["ip", "link", "set", end, *_SILENT])
    accept_any_way(node)


def accept_any_way(node: Node) -> None:
    """Take packets by whichever interface they come (no reverse path filter)."""

    def relax() -> None:
        for scope in ("all", "default"):
            set_sysctl(f"net.ipv4.conf.{scope}.rp_filter", 0)

    call_in(node.pid, relax)


def on_uplink(pod: PodNetns, kind: str, interface: str, address: str) -> None:
    """Give the pod a macvlan or ipvlan interface (`macvlan mode bridge`) on `up0`, that leads to the node by `up1`."""
    node, gateway = pod.node, pod.node.ips[0]
    made = node.run(
        ["ip", "link", "add", "link", "up0", "name", interface, "netns", str(pod.pid), "type", *kind.split()],
        check=False,
    )
    if "Unknown device type" in made.stderr or "not supported" in made.stderr:
        pytest.skip(f"this kernel has no {kind.partition(' ')[0]} devices")
    assert made.returncode == 0, made.stderr
    pod.run(["ip", "link", "set", interface, *_SILENT])
    pod.run(["ip", "addr", "add", f"{address}/32", "dev", interface])
    pod.run(["ip", "neigh", "replace", gateway, "lladdr", mac(node, "up1"), "dev", interface, "nud", "permanent"])
    node.run(["ip", "neigh", "replace", address, "lladdr", mac(pod, interface), "dev", "up1", "nud", "permanent"])
    node.run(["ip", "route", "replace", f"{address}/32", "dev", "up1"])


def default_route(pod: PodNetns, interface: str) -> None:
    """Everything leaves the pod by this interface, through the node."""
    pod.run(["ip", "route", "replace", "default", "via", pod.node.ips[0], "dev", interface, "onlink"])


def plug(pod: PodNetns, interface: str, address: str) -> str:
    """Give the pod another veth; the name of its end on the node."""
    node, gateway, outer = pod.node, pod.node.ips[0], f"v{pod.interface[-6:]}{interface}"
    peer = ["peer", "name", interface, "netns", str(pod.pid)]
    node.run(["ip", "link", "add", outer, "type", "veth", *peer])
    pod.run(["ip", "link", "set", interface, *_SILENT])
    node.run(["ip", "link", "set", outer, *_SILENT])
    pod.run(["ip", "addr", "add", f"{address}/32", "dev", interface])
    pod.run(["ip", "neigh", "replace", gateway, "lladdr", mac(node, outer), "dev", interface, "nud", "permanent"])
    node.run(["ip", "neigh", "replace", address, "lladdr", mac(pod, interface), "dev", outer, "nud", "permanent"])
    node.run(["ip", "route", "replace", f"{address}/32", "dev", outer])
    return outer


def bridge(*pods: PodNetns) -> None:
    """Connect pods of one node by a bridge: they reach each other without the node's routing."""
    node = pods[0].node
    node.run(["ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0"])
    node.run(["ip", "link", "set", "br0", *_SILENT])
    for pod in pods:
        node.run(["ip", "link", "set", pod.interface, "master", "br0"])
        for other in pods:
            for address in other.ips if other is not pod else ():
                pod.run(["ip", "route", "replace", address, "dev", "eth0"])
                pod.run(["ip", "neigh", "replace", address, "lladdr", other.mac, "dev", "eth0", "nud", "permanent"])
