"""Peers on other nodes: named in metrics, records and status, and selected by, through a real operator's feed."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fed_site import FedSite
from identity_client import mint, service
from kube.control_plane import ControlPlane
from operator_process import CHECKOUT, SHORT, OperatorProcess
from probe_process import Site
from traffic import serve, talk

pytestmark = [pytest.mark.kube, pytest.mark.root]


@pytest.fixture
def fed(bare_site: Site, operator: OperatorProcess, tmp_path: Path) -> FedSite:
    return FedSite(bare_site, tmp_path, operator)


@pytest.fixture
def second(control_plane: ControlPlane, operator: OperatorProcess, tmp_path: Path) -> Iterator[OperatorProcess]:
    """Another replica, which does not lead while the first lives; the first lives again at the end."""
    with OperatorProcess(control_plane, tmp_path, *SHORT) as running:
        yield running
    if operator.process.poll() is not None:
        operator.restart()


def test_peers_elsewhere_have_names(fed: FedSite) -> None:
    site = fed.site
    checkout, db = site.start("checkout-1"), fed.elsewhere("db-1", "10.21.77.1")
    virtual = service(site.plane, site.namespace, "db", {"app": "db"})
    front = site.hosts[0].add_external("virtual", virtual)
    serve(db, 5432)
    serve(front, 5432)
    site.observe("checkout", selector=CHECKOUT, signals={"flowLogs": {"mode": "All", "interval": "1s"}})
    site.wait("Ready", ("True", "Ready"))
    fed.wait_connected()
    before = checkout.interface_counters()
    talk(checkout, db.ips[0], 5432, count=5)
    to_db = (checkout.interface_counters() - before).rx_packets
    talk(checkout, virtual, 5432, count=5)
    site.plane.wait(lambda: fed.packets("db-1", peer_class="workload") == to_db, 15, "the pod's name")
    site.plane.wait(lambda: fed.packets("db", peer_class="service", peer_kind="Service") > 0, 15, "the Service's name")
    assert site.probes[0].metric("weir_flow_packets_total", workload="checkout-1", peer_class="cluster") == 0
    names = {f"{site.namespace}/db-1", f"{site.namespace}/service/db"}
    site.plane.wait(lambda: {p["name"] for p in site.get()["status"].get("topPeers") or ()} == names, 15, "topPeers")

    def pods() -> set[tuple[str, str]]:
        lines = fed.records.read_text().splitlines() if fed.records.exists() else []
        return {(r["dst_workload"], r["dst_pod"]) for r in map(json.loads, lines)}

    site.plane.wait(lambda: pods() == {("Pod/db-1", "db-1"), ("Service/db", "")}, 15, "records with names")


def test_an_address_goes_to_another_pod(fed: FedSite) -> None:
    site = fed.site
    checkout, db = site.start("checkout-1"), fed.elsewhere("db-1", "10.21.77.2")
    serve(db, 5353, "udp")
    site.observe("checkout", selector=CHECKOUT)
    site.wait("Ready", ("True", "Ready"))
    fed.wait_connected()
    talk(checkout, db.ips[0], 5353, kind="udp", count=20)
    site.plane.wait(lambda: fed.packets("db-1") == 20, 15, "the first pod's name")
    site.plane.delete_pod(site.namespace, "db-1")
    site.plane.make_pod(site.namespace, "api-1", site.nodes[1], {"app": "api"}, ip=db.ips[0])
    sent = 20

    def taken() -> bool:
        nonlocal sent
        talk(checkout, db.ips[0], 5353, kind="udp")
        sent += 1
        return fed.packets("api-1") > 0

    site.plane.wait(taken, 15, "the second pod's name")
    talk(checkout, db.ips[0], 5353, kind="udp", count=30)
    site.plane.wait(lambda: fed.packets("api-1") + fed.packets("db-1") == sent + 30, 15, "all packets to be somebody's")
    assert fed.packets("api-1") > 30
    assert site.probes[0].metric("weir_flow_packets_total", workload="checkout-1", peer_class="cluster") == 0


def test_only_the_peers_flows(fed: FedSite) -> None:
    site = fed.site
    checkout, db, other = (
        site.start("checkout-1"),
        fed.elsewhere("db-1", "10.21.77.3"),
        fed.elsewhere("x-1", "10.21.77.4"),
    )
    for far in (db, other):
        serve(far, 5353, "udp")
    peers = {"podSelector": {"matchLabels": {"app": "db"}}}
    site.observe("checkout", selector={**CHECKOUT, "peers": peers})
    site.wait("Ready", ("True", "Ready"))
    fed.wait_connected()
    site.plane.wait(lambda: fed.identity().get("selectors") == 1, 15, "the question for peers")
    site.plane.wait(lambda: not site.probe_report().get("issues"), 15, "its answer")

    def counted() -> int:
        talk(checkout, db.ips[0], 5353, kind="udp")
        talk(checkout, other.ips[0], 5353, kind="udp")
        return int(fed.packets("db-1"))

    site.plane.wait(counted, 15, "flows with the peer")
    late = fed.elsewhere("db-2", "10.21.77.5")
    serve(late, 5353, "udp")

    def counted_late() -> int:
        talk(checkout, late.ips[0], 5353, kind="udp")
        return int(fed.packets("db-2"))

    site.plane.wait(counted_late, 15, "flows with a peer that came later")
    assert fed.packets("x-1") == 0


def test_without_a_feed_peers_elsewhere_are_unknown_and_the_status_says_so(site: Site) -> None:
    site.start("checkout-1")
    site.observe("checkout", selector={**CHECKOUT, "peers": {"namespaces": [site.namespace]}})
    site.plane.wait(
        lambda: "PeersUnknown" in {i["reason"] for i in (site.get().get("status") or {}).get("nodeIssues") or ()},
        30,
        "the issue in the observation's status",
    )


def test_another_replica_answers_when_one_goes(
    bare_site: Site, operator: OperatorProcess, second: OperatorProcess, tmp_path: Path
) -> None:
    fed = FedSite(bare_site, tmp_path, operator, second)
    site = fed.site
    checkout, db = site.start("checkout-1"), fed.elsewhere("db-1", "10.21.77.6")
    serve(db, 5353, "udp")
    site.observe("checkout", selector=CHECKOUT)
    site.wait("Ready", ("True", "Ready"))
    fed.wait_connected()
    talk(checkout, db.ips[0], 5353, kind="udp", count=10)
    site.plane.wait(lambda: fed.packets("db-1") == 10, 15, "a name by the first replica")
    operator.terminate(30)
    talk(checkout, db.ips[0], 5353, kind="udp", count=10)
    site.plane.wait(lambda: fed.packets("db-1") == 20, 15, "the name to stay")
    probe = site.probes[0]
    site.plane.wait(lambda: probe.metric("weir_probe_identity_connections_total") == 2, 40, "the other replica")
    late = fed.elsewhere("api-1", "10.21.77.7")
    serve(late, 5353, "udp")
    talk(checkout, late.ips[0], 5353, kind="udp", count=10)
    site.plane.wait(lambda: fed.packets("api-1") == 10, 15, "a name by the second replica")
    operator.restart()
    site.plane.wait(lambda: operator.page("/healthz"), 30, "the first replica again")


def test_a_token_for_another_audience(fed: FedSite) -> None:
    site = fed.site
    site.start("checkout-1")
    site.observe("checkout", selector=CHECKOUT)
    site.wait("Ready", ("True", "Ready"))
    fed.wait_connected()
    good = fed.token.read_text()
    fed.token.write_text(mint(site.plane, audience="someone-else"))
    for probe in site.probes:
        os.kill(probe.agent_pid, 9)  # its successor connects anew
    site.plane.wait(lambda: "IdentityFeedRefused" in fed.issues(), 40, "the refusal")
    assert "audience weir.dev/identity" in fed.issues()["IdentityFeedRefused"]
    fed.token.write_text(good)
    site.plane.wait(lambda: fed.identity().get("connected") and not fed.issues(), 60, "the right token to be read")
