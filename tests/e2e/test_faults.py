"""The main job when things go wrong: processes killed, the API server away, a table that is full, many pods."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from operator_process import CHECKOUT
from probe_process import Site
from traffic import serve, talk

pytestmark = [pytest.mark.kube, pytest.mark.root]

LOGS = {"flowLogs": {"mode": "All", "interval": "1s"}}


def recorded(file: Path) -> dict[str, int]:
    """What the flow records add up to."""
    records = [json.loads(line) for line in file.read_text().splitlines()]
    return {
        "packets": sum(each["packets_tx"] + each["packets_rx"] for each in records),
        "bytes": sum(each["bytes_tx"] + each["bytes_rx"] for each in records),
    }


def test_an_agent_that_is_killed_is_replaced_without_a_gap(bare_site: Site, tmp_path: Path) -> None:
    site, file = bare_site, tmp_path / "flows.jsonl"
    site.run_probes("--export-file", str(file))
    checkout, db = site.start("checkout-1"), site.start("db-1")
    serve(db, 5432)
    site.observe("checkout", selector=CHECKOUT, signals=LOGS)
    site.wait("Ready", ("True", "Ready"))
    before = checkout.interface_counters()

    def passed() -> dict[str, int]:
        packets, size = (checkout.interface_counters() - before).both_ways
        return {"packets": packets, "bytes": size}

    talk(checkout, db.ips[0], 5432, count=10, size=20_000)
    site.plane.wait(lambda: file.exists() and recorded(file) == passed(), 20, "every flow to be recorded")

    killed = site.probes[0].agent_pid
    os.kill(killed, signal.SIGKILL)
    assert site.programs() == [checkout.interface], "the programs stay while the keeper holds them"
    talk(checkout, db.ips[0], 5432, count=10, size=20_000)  # nobody reads the table meanwhile
    site.plane.wait(lambda: site.probes[0].page("/healthz") == "ok\n", 20, "another agent")
    assert site.probes[0].agent_pid != killed
    talk(checkout, db.ips[0], 5432, count=10, size=20_000)

    site.plane.wait(lambda: recorded(file) == passed(), 20, f"records of {passed()}, each packet once")


def test_a_probe_that_is_killed_leaves_nothing(site: Site) -> None:
    site.start("checkout-1")
    site.observe("checkout", selector=CHECKOUT)
    site.wait("Ready", ("True", "Ready"))
    os.kill(site.probes[0].process.pid, signal.SIGKILL)
    site.plane.wait(lambda: site.programs() == [], 5, "the programs to go with the last who holds them")
    site.wait("Programmed", ("False", "ProbeNotReporting"))
    site.probes[0].start()
    site.wait("Ready", ("True", "Ready"))
    assert site.programs() != []
    reasons = {issue["reason"] for issue in site.wait("Ready", ("True", "Ready"))["status"]["nodeIssues"]}
    assert reasons == {"CaptureGap"}, "for how long nothing was captured"
    assert site.probes[0].metric("weir_probe_capture_gap_seconds") >= 1


def test_capture_goes_on_while_the_api_server_is_away(site: Site) -> None:
    checkout, db = site.start("checkout-1"), site.start("db-1")
    serve(db, 5432)
    site.observe("checkout", selector=CHECKOUT)
    site.wait("Ready", ("True", "Ready"))
    before = checkout.interface_counters()
    with site.plane.api_away():
        for _ in range(6):
            talk(checkout, db.ips[0], 5432, count=5, size=10_000)
            time.sleep(10)
        assert site.probes[0].metric("weir_connections_total", workload="checkout-1") == 30
    moved = checkout.interface_counters() - before
    expected = {"packets": moved.rx_packets + moved.tx_packets, "bytes": moved.rx_bytes + moved.tx_bytes}
    site.plane.wait(lambda: site.probe_report().get("total") == expected, 30, "the report to catch up")
    site.wait("Ready", ("True", "Ready"), timeout_s=40)


def test_a_full_flow_table_is_counted_and_reported(bare_site: Site) -> None:
    site = bare_site
    site.run_probes("--slots", "64")
    checkout, db = site.start("checkout-1"), site.start("db-1")
    serve(db, 5432)
    site.observe("checkout", selector=CHECKOUT)
    site.wait("Ready", ("True", "Ready"))
    before = checkout.interface_counters()
    talk(checkout, db.ips[0], 5432, count=200, size=100)
    moved = checkout.interface_counters() - before

    def accounted() -> dict[str, int]:
        counters = (site.plan() or {})["status"]["counters"]
        lost = {each["reason"]: each["packets"] for each in counters["lost"]}
        seen = counters["seen"]["packets"] == moved.rx_packets + moved.tx_packets
        return (
            lost if seen and counters["stored"]["packets"] + sum(lost.values()) == counters["seen"]["packets"] else {}
        )

    lost = site.plane.wait(accounted, 15, "every packet to be stored or counted as lost")
    assert lost.keys() == {"table_full"}
    site.plane.wait(
        lambda: site.get()["status"].get("quality", {}).get("lossPercent", 0) > 0, 20, "the loss in the status"
    )


@pytest.mark.timeout(900)  # making the pods takes most of it
def test_five_hundred_pods_on_a_node(site: Site) -> None:
    for number in range(500):
        site.start(f"checkout-{number}")
    began = time.monotonic()
    site.observe("checkout", selector=CHECKOUT)
    site.plane.wait(lambda: site.probe_report().get("attachedPods") == 500, 60, "500 pods to be attached")
    print(f"500 pods attached and reported {time.monotonic() - began:.1f} s after apply")
    assert len(site.programs()) == 500
    agent = site.probes[0].agent_pid
    resident_kib = next(
        int(line.split()[1]) for line in Path(f"/proc/{agent}/status").read_text().splitlines() if "VmRSS" in line
    )
    print(f"the agent's memory: {resident_kib / 1024:.0f} MiB")
    site.plane.kubectl("delete", "flowobservation", "checkout", "-n", site.namespace)
    site.plane.wait(lambda: not site.programs(), 30, "the hooks to leave, about 10 ms each")
