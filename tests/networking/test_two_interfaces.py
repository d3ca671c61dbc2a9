"""A pod with two interfaces: both are watched, and a flow that uses both is one flow."""

import pytest

from kube.node import PodNetns
from networking.wiring import accept_any_way, add_uplink, on_uplink, plug
from operator_process import CHECKOUT
from probe_process import Site
from traffic import serve, talk

pytestmark = [pytest.mark.kube, pytest.mark.root]


def moved(pod: PodNetns) -> tuple[int, int]:
    """Packets and bytes of both interfaces."""
    first, second = (pod.inner_counters(name).both_ways for name in ("eth0", "net1"))
    return first[0] + second[0], first[1] + second[1]


@pytest.mark.parametrize("rung", ["core", "afpacket"])
def test_a_second_veth_that_comes_later_and_goes(bare_site: Site, rung: str) -> None:
    site = bare_site
    site.run_probes("--capture", rung)
    pod, node = site.start("checkout-1"), site.hosts[0]
    accept_any_way(node)
    serve(node, 5432)
    site.observe("checkout", selector=CHECKOUT)
    site.wait("Ready", ("True", "Ready"))
    outer = plug(pod, "net1", "10.99.0.2")
    serve(pod, 8080, address="10.99.0.2")

    def watched() -> bool:
        plan = site.plan()
        assert plan is not None
        return sorted(plan["status"]["capture"]["interfaces"]) == sorted([pod.interface, outer])

    site.plane.wait(watched, 10, "the new interface to be watched")
    assert site.probe_report()["attachedPods"] == 1
    # in by net1 and, by the default route, out by eth0; then by eth0 alone
    talk(node, "10.99.0.2", 8080, count=7, size=100_000)
    talk(pod, node.ips[0], 5432, count=3, size=100_000)
    packets, octets = moved(pod)
    assert min(pod.inner_counters("net1").rx_bytes, pod.inner_counters("eth0").tx_bytes) > 300_000
    site.wait_total(packets, octets)
    probe = site.probes[0]
    assert probe.metric("weir_connections_total", workload="checkout-1", role="server") == 7
    assert probe.metric("weir_connections_total", workload="checkout-1", role="client") == 3
    assert probe.metric("weir_probe_packets_total", outcome="duplicate") == 0

    node.run(["ip", "link", "del", outer])
    site.plane.wait(lambda: site.probe_report().get("attachedPods") == 1 and not watched(), 10, "net1 to be gone")
    talk(pod, node.ips[0], 5432, count=1, size=100_000)
    before = octets
    site.plane.wait(lambda: site.probe_report()["total"]["bytes"] > before + 100_000, 10, "eth0 still to be counted")


def test_a_second_interface_without_an_end_on_the_node(site: Site) -> None:
    pod, node = site.start("checkout-1"), site.hosts[0]
    add_uplink(node)
    serve(node, 5432)
    site.observe("checkout", selector=CHECKOUT)
    site.wait("Ready", ("True", "Ready"))
    on_uplink(pod, "macvlan mode bridge", "net1", "10.99.0.2")
    serve(pod, 8080, address="10.99.0.2")

    def watched() -> bool:
        plan = site.plan()
        assert plan is not None
        return sorted(plan["status"]["capture"]["interfaces"]) == sorted(["net1", pod.interface])

    site.plane.wait(watched, 20, "the new interface to be found")  # no event tells: looked for every few ticks
    talk(node, "10.99.0.2", 8080, count=7, size=100_000)
    talk(pod, node.ips[0], 5432, count=3, size=100_000)
    site.wait_total(*moved(pod))
    assert site.probes[0].metric("weir_connections_total", workload="checkout-1") == 10
    assert site.probe_report()["attachedPods"] == 1


def test_an_agent_that_takes_over_knows_both_as_one_pod(site: Site) -> None:
    pod, node = site.start("checkout-1"), site.hosts[0]
    accept_any_way(node)
    plug(pod, "net1", "10.99.0.2")
    serve(pod, 8080, address="10.99.0.2")
    site.observe("checkout", selector=CHECKOUT)
    site.wait("Ready", ("True", "Ready"))
    talk(node, "10.99.0.2", 8080, count=2, size=50_000)
    site.wait_total(*moved(pod))
    dead = site.probes[0].agent_pid
    pod.run(["kill", "-KILL", str(dead)])
    site.plane.wait(lambda: site.probes[0].page("/healthz") == "ok\n", 20, "another agent")
    before = moved(pod)
    talk(node, "10.99.0.2", 8080, count=5, size=50_000)
    after = moved(pod)
    expected = after[1] - before[1]
    metric = site.probes[0].metric
    site.plane.wait(
        lambda: metric("weir_flow_bytes_total", workload="checkout-1") >= expected, 20, "both halves to be counted"
    )
    assert metric("weir_probe_packets_total", outcome="duplicate") == 0
