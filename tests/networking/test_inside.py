"""Pods without an end on the node's side (macvlan, ipvlan, a tunnel device) are watched from inside, or reported."""

import platform
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from kube.node import PodNetns
from networking.wiring import add_uplink, default_route, on_uplink, unplug
from operator_process import CHECKOUT
from probe_process import Site, granted
from traffic import serve, talk

pytestmark = [pytest.mark.kube, pytest.mark.root]

#: Sends every packet back to where it came from: addresses and ports exchanged, which leaves checksums as they are.
_REFLECTOR = textwrap.dedent(
    """
    import fcntl, os, struct
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, 0x400454CA, struct.pack("16sH22x", b"tun0", 0x1001))  # TUNSETIFF: IFF_TUN | IFF_NO_PI
    print("ready", flush=True)
    while True:
        p = os.read(device, 65536)
        at, size, header = (12, 4, 20) if p[0] >> 4 == 4 else (8, 16, 40)
        addresses = p[at + size : at + 2 * size] + p[at : at + size]
        ports = p[header + 2 : header + 4] + p[header : header + 2]
        os.write(device, p[:at] + addresses + p[at + 2 * size : header] + ports + p[header + 4 :])
    """
)


def reflect(pod: PodNetns) -> None:
    """Give the pod `tun0`, whose other end is a program that answers every datagram with itself."""
    process = pod.popen([sys.executable, "-c", _REFLECTOR], stdout=subprocess.PIPE)
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        pytest.skip("this machine has no tun devices")
    pod.run(["ip", "link", "set", "tun0", "multicast", "off", "up"])


@pytest.mark.parametrize("kind", ["macvlan mode bridge", "ipvlan mode l2", "ipvlan mode l3"])
def test_a_pod_on_the_nodes_network_card(site: Site, kind: str) -> None:
    pod, node = site.start("checkout-1"), site.hosts[0]
    unplug(pod)
    add_uplink(node)
    on_uplink(pod, kind, "eth0", pod.ips[0])
    default_route(pod, "eth0")
    serve(node, 5432)
    site.observe("checkout", selector=CHECKOUT)
    site.wait("Ready", ("True", "Ready"))
    assert site.programs() == [], "nothing on the node's own interfaces, which carry others' packets"
    before = pod.inner_counters("eth0")
    talk(pod, node.ips[0], 5432, count=10, size=200_000)
    site.wait_total(*(pod.inner_counters("eth0") - before).both_ways)
    sent = {"workload": "checkout-1", "role": "client", "peer_class": "node"}
    assert site.probes[0].metric("weir_connections_total", **sent) == 10


@pytest.mark.parametrize("rung", ["core", "afpacket"])
def test_a_pod_whose_only_way_out_is_a_tunnel_device(bare_site: Site, rung: str) -> None:
    """Frames start at the IP header there, as with WireGuard and IPIP."""
    site = bare_site
    site.run_probes("--capture", rung)
    pod = site.start("checkout-1")
    unplug(pod)
    reflect(pod)
    for family, address in (("-4", "198.51.100.1"), ("-6", "2001:db8::1")):
        pod.run(["ip", "addr", "add", pod.ips[family == "-6"], "dev", "tun0"])
        pod.run(["ip", family, "route", "add", address, "dev", "tun0"])
    site.observe("checkout", selector=CHECKOUT)
    site.wait("Ready", ("True", "Ready"))
    before = pod.inner_counters("tun0")
    for address in ("198.51.100.1", "2001:db8::1"):
        talk(pod, address, 53, kind="udp", count=20, size=700)
    packets, octets = (pod.inner_counters("tun0") - before).both_ways
    assert (packets, octets) == (80, 40 * (20 + 8 + 700) + 40 * (40 + 8 + 700))
    site.wait_total(packets, octets)
    assert site.probes[0].metric("weir_connections_total", workload="checkout-1", peer_class="external") == 2


def test_without_the_right_to_enter_such_a_pod_is_reported(bare_site: Site) -> None:
    site = bare_site
    site.run_probes(capabilities=granted())
    pod = site.start("checkout-1")
    unplug(pod)
    add_uplink(site.hosts[0])
    on_uplink(pod, "macvlan mode bridge", "eth0", pod.ips[0])
    site.observe("checkout", selector=CHECKOUT)
    found = site.wait("Programmed", ("False", "NodesPending"))
    assert found["status"]["matched"] == {"pods": 1, "nodes": 1, "programmedNodes": 0}
    (issue,) = found["status"]["nodeIssues"]
    assert (issue["node"], issue["reason"]) == (site.nodes[0], "NotAttached")
    assert f"{site.namespace}/checkout-1: no host side of its interfaces" in issue["message"]
    assert "not permitted" in issue["message"]


def test_the_rest_of_a_pod_that_is_watched_in_part_is_reported(bare_site: Site) -> None:
    """The DaemonSet's privileges, and a pod with a second interface that has no end on the node (Multus, macvlan)."""
    site = bare_site
    site.run_probes(capabilities=granted())
    pod = site.start("checkout-1")
    add_uplink(site.hosts[0])
    site.observe("checkout", selector=CHECKOUT)
    assert "nodeIssues" not in site.wait("Ready", ("True", "Ready"))["status"]
    on_uplink(pod, "macvlan mode bridge", "net1", "10.99.0.2")

    def reported() -> list[str]:
        issues = site.get()["status"].get("nodeIssues", [])
        return [each["message"] for each in issues if each["reason"] == "PartlyAttached"]

    (message,) = site.plane.wait(reported, 20, "the second interface to be reported")
    assert "1 of its 2 interfaces have an end on the node" in message
    site.wait("Ready", ("True", "Ready"))


#: Takes what comes from one pod straight into another, past that one's end on the node, as Cilium's eBPF routing does.
_PAST = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
SEC("tc") int past(struct __sk_buff *skb) { return bpf_redirect_peer(TO, 0); }
"""


def redirect(source: PodNetns, target: PodNetns, folder: Path) -> None:
    """All that `source` sends goes into `target`, by bpf_redirect_peer."""
    program, node = folder / "past.o", source.node
    (folder / "past.c").write_text(_PAST)
    include = f"-I/usr/include/{platform.machine()}-linux-gnu"
    compiler = ["clang", "-O2", "-target", "bpf", include, f"-DTO={target.ifindex}"]
    subprocess.run([*compiler, "-c", folder / "past.c", "-o", program], check=True)
    node.run(["tc", "qdisc", "add", "dev", source.interface, "clsact"])
    node.run(["tc", "filter", "add", "dev", source.interface, "ingress", "bpf", "da", "obj", str(program), "sec", "tc"])


def watched(site: Site) -> list[str]:
    plan = site.plan()
    assert plan is not None
    names: list[str] = plan["status"]["capture"]["interfaces"]
    return names


def test_a_pod_that_packets_reach_past_its_end_on_the_node(site: Site, tmp_path: Path) -> None:
    checkout, web = site.start("checkout-1"), site.start("web-1")
    serve(checkout, 8080)
    site.observe("first", selector=CHECKOUT)
    site.wait("Ready", ("True", "Ready"), name="first")
    assert watched(site) == [checkout.interface]
    redirect(web, checkout, tmp_path)
    talk(web, checkout.ips[0], 8080, size=10_000)
    site.plane.wait(lambda: watched(site) == ["eth0"], 20, "the probe to look inside")
    site.observe("checkout", selector=CHECKOUT)
    site.wait("Ready", ("True", "Ready"))
    before = checkout.inner_counters("eth0")
    talk(web, checkout.ips[0], 8080, count=5, size=200_000)
    moved = checkout.inner_counters("eth0") - before
    assert moved.rx_bytes > 1_000_000
    site.wait_total(*moved.both_ways)
    assert site.probes[0].metric("weir_connections_total", observation="checkout", peer_workload="web-1") == 5


def test_without_the_right_to_enter_it_is_reported_too(bare_site: Site, tmp_path: Path) -> None:
    site = bare_site
    site.run_probes(capabilities=granted())
    checkout, web = site.start("checkout-1"), site.start("web-1")
    serve(checkout, 8080)
    site.observe("checkout", selector=CHECKOUT)
    site.wait("Ready", ("True", "Ready"))
    redirect(web, checkout, tmp_path)
    talk(web, checkout.ips[0], 8080, size=10_000)
    site.plane.wait(
        lambda: "packets pass by its end on the node" in str(site.get()["status"].get("nodeIssues")), 20, "the report"
    )
    assert watched(site) == [checkout.interface]
