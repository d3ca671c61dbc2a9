"""From `kubectl apply` to packets counted by eBPF on selected pods only, and back: status, metrics, Events, columns."""

import pytest

from operator_process import CHECKOUT
from probe_process import Site
from traffic import serve, talk

pytestmark = [pytest.mark.kube, pytest.mark.root]


def test_apply_observe_read(site: Site) -> None:
    checkout, db = site.start("checkout-1"), site.start("db-1")
    serve(db, 5432)
    assert site.programs() == [], "nothing is attached before anyone asks"

    site.observe("checkout", selector=CHECKOUT)
    site.wait("Ready", ("True", "Ready"))
    assert site.programs() == [checkout.interface], "only the selected pod's interface"

    before = checkout.interface_counters()
    talk(checkout, db.ips[0], 5432, count=20, size=200_000)
    moved = checkout.interface_counters() - before

    def settled() -> dict[str, object]:
        report = site.probe_report()
        return report if report.get("total", {}).get("packets") == moved.rx_packets + moved.tx_packets else {}

    report = site.plane.wait(settled, 15, "the probe to report every packet of the interface")
    assert report["total"] == {
        "packets": moved.rx_packets + moved.tx_packets,
        "bytes": moved.rx_bytes + moved.tx_bytes,
    }
    assert site.probes[0].metric("weir_connections_total", workload="checkout-1", peer_workload="db-1") == 20
    sent = {"direction": "transmit", "workload": "checkout-1"}
    assert site.probes[0].metric("weir_flow_bytes_total", **sent) == moved.rx_bytes

    site.wait("DataFlowing", ("True", "Flowing"))
    status = site.get()["status"]
    assert status["matched"] == {"pods": 1, "nodes": 1, "programmedNodes": 1}
    assert status["quality"]["lossPercent"] == 0
    assert [peer["name"] for peer in status["topPeers"]] == [f"{site.namespace}/db-1"]
    site.wait_events("Ready")

    header, row = site.plane.kubectl("get", "flowobservations", "-n", site.namespace).splitlines()
    assert header.split() == ["NAME", "READY", "PODS", "FLOWS/S", "RPS", "ERR%", "P99", "LOSS%", "AGE"]
    assert row.split()[:3] == ["checkout", "True", "1"]
    at = header.index("RPS")
    assert row[at : header.index("LOSS%")].strip() == "", "blank until calls exist"


def test_hooks_leave_when_paused_and_when_deleted(site: Site) -> None:
    site.start("checkout-1")
    site.observe("checkout", selector=CHECKOUT)
    site.wait("Ready", ("True", "Ready"))
    site.observe("checkout", selector=CHECKOUT, paused=True)
    site.plane.wait(lambda: not site.programs(), 5, "the hooks to leave after a pause")
    site.observe("checkout", selector=CHECKOUT, paused=False)
    site.plane.wait(lambda: bool(site.programs()), 5, "the hooks to come back")
    site.plane.kubectl("delete", "flowobservation", "checkout", "-n", site.namespace)
    site.plane.wait(lambda: not site.programs(), 5, "the hooks to leave after a deletion")


def test_pods_come_and_go_and_move(site: Site) -> None:
    site.observe("checkout", selector=CHECKOUT)
    first = site.start("checkout-1")
    site.plane.wait(lambda: site.programs() == [first.interface], 5, "a new pod to be watched")
    second = site.start("checkout-2", node=1)
    site.plane.wait(lambda: site.programs(1) == [second.interface], 5, "a pod of the other node to be watched")
    site.plane.delete_pod(site.namespace, "checkout-1")
    first.remove()
    site.plane.wait(lambda: site.programs() == [], 5, "nothing to be left of a pod that went")
    moved = site.start("checkout-1", node=1)
    both = sorted([second.interface, moved.interface])
    site.plane.wait(lambda: site.programs(1) == both, 5, "the pod to be watched where it went")
    site.plane.wait(
        lambda: site.get()["status"]["matched"] == {"pods": 2, "nodes": 1, "programmedNodes": 1},
        15,
        "the status to follow",
    )
    site.wait("Ready", ("True", "Ready"))


def test_series_of_gone_pods_are_removed(site: Site) -> None:
    checkout, db = site.start("checkout-1"), site.start("db-1")
    serve(db, 5432, "udp")
    site.observe("checkout", selector=CHECKOUT)
    site.wait("Ready", ("True", "Ready"))
    talk(checkout, db.ips[0], 5432, kind="udp", count=5)
    probe = site.probes[0]
    site.plane.wait(lambda: probe.metric("weir_flow_packets_total", workload="checkout-1") == 10, 10, "the series")
    site.plane.delete_pod(site.namespace, "checkout-1")
    checkout.remove()
    site.plane.wait(lambda: 'workload="checkout-1"' not in probe.page("/metrics"), 10, "the series to be removed")


def test_one_flow_between_two_observed_pods_counts_once(site: Site) -> None:
    checkout, db = site.start("checkout-1"), site.start("db-1")
    serve(db, 5432)
    site.observe("checkout", selector={"all": True})
    site.wait("Ready", ("True", "Ready"))
    before = checkout.interface_counters()
    talk(checkout, db.ips[0], 5432, count=5, size=50_000)
    moved = checkout.interface_counters() - before
    site.plane.wait(
        lambda: site.probe_report().get("total", {}).get("bytes") == moved.rx_bytes + moved.tx_bytes,
        10,
        "each packet to be counted once",
    )
    probe = site.probes[0]
    assert probe.metric("weir_connections_total", workload="checkout-1", role="client") == 5
    assert probe.metric("weir_connections_total", workload="db-1", role="server") == 5


@pytest.mark.parametrize("rung", ["core", "bcc", "afpacket"])
def test_totals_equal_the_interface_on_every_rung(bare_site: Site, rung: str) -> None:
    site = bare_site
    site.run_probes("--capture", rung)
    checkout, db = site.start("checkout-1"), site.start("db-1")
    for address in db.ips:
        serve(db, 5432, "tcp", address)
        serve(db, 5353, "udp", address)
    site.observe("checkout", selector=CHECKOUT)
    site.wait("Ready", ("True", "Ready"), timeout_s=40)  # BCC compiles first
    before = checkout.interface_counters()
    for address in db.ips:
        talk(checkout, address, 5432, count=3, size=3_000_000)  # segmentation offload: packets of up to 64 KiB
        talk(checkout, address, 5353, kind="udp", count=50, size=1200)
    checkout.run(["ping", "-c", "2", "-i", "0.2", db.ips[0]])
    moved = checkout.interface_counters() - before
    expected = {"packets": moved.rx_packets + moved.tx_packets, "bytes": moved.rx_bytes + moved.tx_bytes}
    site.plane.wait(lambda: site.probe_report().get("total") == expected, 10, f"totals of {expected}")
    plan = site.plan()
    assert plan is not None
    assert plan["status"]["capture"]["rung"] == rung
    counters = plan["status"]["counters"]
    lost = sum(each["packets"] for each in counters["lost"])
    aside = sum(each["packets"] for each in counters["setAside"])
    assert counters["seen"]["packets"] == counters["stored"]["packets"] + aside + lost
    assert lost == 0
