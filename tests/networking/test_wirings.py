"""Pods behind a veth each, whatever is behind the veths: the same counts, each flow once, both addresses named."""

import pytest

from networking.wiring import bridge
from probe_process import Site
from traffic import serve, talk

pytestmark = [pytest.mark.kube, pytest.mark.root]


@pytest.mark.parametrize("wiring", ["routed", "bridge"])
def test_two_pods_of_one_node_dual_stack(site: Site, wiring: str) -> None:
    """Routed: an address of /32 and /128 on a point-to-point veth, as Calico's; bridge: as the bridge plugin's."""
    checkout, db = site.start("checkout-1"), site.start("db-1")
    if wiring == "bridge":
        bridge(checkout, db)
    for address in db.ips:
        serve(db, 5432, address=address)
    site.observe("checkout", selector={"all": True})
    site.wait("Ready", ("True", "Ready"))
    before = checkout.interface_counters()
    for address, count in zip(db.ips, (3, 4), strict=True):
        talk(checkout, address, 5432, count=count, size=100_000)
    moved = checkout.interface_counters() - before
    assert moved.rx_bytes > 700_000
    site.wait_total(*moved.both_ways)
    probe = site.probes[0]
    assert probe.metric("weir_connections_total", workload="checkout-1", peer_workload="db-1", role="client") == 7
    assert probe.metric("weir_connections_total", workload="db-1", peer_workload="checkout-1", role="server") == 7
