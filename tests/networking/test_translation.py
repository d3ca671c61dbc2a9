"""Addresses that are translated on the node (hostPort, NodePort, Services): a pod's flows have its own address."""

import json
from pathlib import Path
from typing import Any

import pytest

from kube.node import PodNetns
from operator_process import CHECKOUT
from probe_process import Site
from traffic import serve, talk

pytestmark = [pytest.mark.kube, pytest.mark.root]

#: What the portmap plugin and kube-proxy's nftables mode write, in short. 30080 keeps the client's address
#: (externalTrafficPolicy: Local, hostPort), 30081 takes the node's (Cluster), 10.96.0.10:80 is a Service.
_RULES = """
table ip test {{
  chain prerouting {{
    type nat hook prerouting priority dstnat
    ip daddr {node} tcp dport {{ 30080, 30081 }} dnat to {pod}:8080
    ip daddr 10.96.0.10 tcp dport 80 dnat to {pod}:8080
    ip daddr 10.96.0.10 udp dport 53 dnat to {pod}:5353
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat
    meta l4proto tcp ct original proto-dst 30081 snat to {node}
  }}
}}
"""


def translate(site: Site, pod: PodNetns) -> None:
    """To this pod, on its node."""
    node = site.hosts[0]
    made = node.run(["nft", _RULES.format(node=node.ips[0], pod=pod.ips[0])], check=False)
    if "No such file or directory" in made.stderr or "not supported" in made.stderr:
        pytest.skip(f"this kernel has no nftables NAT: {made.stderr}")
    assert made.returncode == 0, made.stderr


def test_each_is_named_by_who_the_pod_talks_to(site: Site) -> None:
    node = site.hosts[0]
    checkout, web, outside = site.start("checkout-1"), site.start("web-1"), node.add_external("client", "203.0.113.9")
    translate(site, checkout)
    serve(checkout, 8080)
    site.observe("checkout", selector=CHECKOUT)
    site.observe("web", selector={"podSelector": {"matchLabels": {"app": "web"}}})
    site.wait("Ready", ("True", "Ready"))
    site.wait("Ready", ("True", "Ready"), name="web")
    before, web_before = checkout.interface_counters(), web.interface_counters()
    talk(outside, node.ips[0], 30080, count=3, size=100_000)
    talk(outside, node.ips[0], 30081, count=4, size=100_000)
    talk(web, "10.96.0.10", 80, count=5, size=100_000)
    site.wait_total(*(checkout.interface_counters() - before).both_ways)
    site.wait_total(*(web.interface_counters() - web_before).both_ways, name="web")

    def connections(**labels: str) -> float:
        return site.probes[0].metric("weir_connections_total", **labels)

    served = {"observation": "checkout", "workload": "checkout-1", "role": "server"}
    assert connections(**served, peer_class="external") == 3, "hostPort, NodePort with Local: the client itself"
    assert connections(**served, peer_class="node") == 4, "masqueraded: the node"
    assert connections(**served, peer_workload="web-1") == 5, "through the Service: the pod"
    # the client's end sees the Service's address, which is no pod's
    assert connections(observation="web", workload="web-1", role="client", peer_class="cluster") == 5
    assert site.probes[0].metric("weir_probe_packets_total", outcome="duplicate") == 0


def test_a_connection_through_a_service_is_one_connection_whose_both_addresses_are_told(bare_site: Site) -> None:
    site, file = bare_site, bare_site.folder / "flows.jsonl"
    site.run_probes("--export-file", str(file))
    checkout, web = site.start("checkout-1"), site.start("web-1")
    translate(site, checkout)
    serve(checkout, 8080)
    serve(checkout, 5353, "udp")
    site.observe("both", selector={"all": True}, signals={"flowLogs": {"mode": "All", "interval": "1s"}})
    site.wait("Ready", ("True", "Ready"), name="both")
    before, served = web.interface_counters(), checkout.interface_counters()
    talk(web, "10.96.0.10", 80, count=5, size=100_000)
    talk(web, "10.96.0.10", 53, kind="udp", count=3, size=100)
    moved = web.interface_counters() - before
    assert (checkout.interface_counters() - served).both_ways == moved.both_ways
    site.wait_total(*moved.both_ways, name="both")  # once, though two interfaces saw it under two addresses

    records = ended(site, file, 5)
    client = [record for record in records if record["dst"] == "10.96.0.10"]
    server = [record for record in records if record["dst"] == checkout.ips[0]]
    by_connection = {record["connection"] for record in client if record["protocol"] == "TCP"}
    assert len(by_connection) == 5
    assert by_connection == {record["connection"] for record in server if record["protocol"] == "TCP"}
    for record in client:
        assert record["dst_nat"] == checkout.ips[0]
        assert record["dst_nat_port"] == {80: 8080, 53: 5353}[record["dst_port"]]
        assert (record["dst_nat_namespace"], record["dst_nat_pod"]) == (site.namespace, "checkout-1")
        assert record["interfaces"] == [web.interface]
    assert all("dst_nat" not in record for record in server)


def ended(site: Site, file: Path, connections: int) -> list[dict[str, Any]]:
    """The records, once so many TCP connections have ended at both ends."""

    def read() -> list[dict[str, Any]]:
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    site.plane.wait(
        lambda: sum(r["reason"] == "end" and r["protocol"] == "TCP" for r in read()) == 2 * connections, 30, "all ends"
    )
    return read()
