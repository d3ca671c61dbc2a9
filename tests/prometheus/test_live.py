"""A real Prometheus scrapes a real operator and a real probe: labels, recorded rates, alerts with their words."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from operator_process import CHECKOUT
from probe_process import Site
from prometheus_process import PrometheusProcess, target
from prometheus_rules import OWN, alerts
from traffic import serve, talk

pytestmark = [pytest.mark.kube, pytest.mark.root]


def test_prometheus_scrapes_and_alerts(site: Site, tmp_path: Path) -> None:
    if shutil.which("prometheus") is None:
        pytest.skip("no prometheus on PATH: apt-get install prometheus")
    host, node = site.hosts[0], site.nodes[0]
    host.reach(site.operator.port)
    targets = [
        target("127.0.0.1:9790", "weir-probe", "metrics", node),
        target(f"127.0.0.1:{site.operator.port}", "weir-operator", "http", "elsewhere"),
        target("127.0.0.1:1", "another", "http", node),
    ]
    folder = tmp_path / "prometheus"
    folder.mkdir()
    prometheus = PrometheusProcess(host, folder, targets)
    checkout, db = site.start("checkout-1"), site.start("db-1")
    serve(db, 5432)
    site.observe("checkout", selector=CHECKOUT)
    site.observe("nobody", selector={"podSelector": {"matchLabels": {"app": "nobody"}}})
    site.wait("Ready", ("True", "Ready"))
    talk(checkout, db.ips[0], 5432, count=5, size=1000)

    def labels_of(expression: str) -> list[dict[str, str]]:
        return [labels for labels, _ in prometheus.query(expression)]

    def value(expression: str) -> float:
        return sum(found for _, found in prometheus.query(expression))

    wait = site.plane.wait
    wait(lambda: value("sum(up)") == 2, 60, f"both targets to be scraped, and no third: {prometheus.log()[-2000:]}")
    assert {each["job"] for each in labels_of("up")} == {"weir-probe", "weir-operator"}

    mine = f'namespace="{site.namespace}",workload="checkout-1",peer_workload="db-1"'
    wait(lambda: value(f"sum(weir_connections_total{{{mine}}})") == 5, 30, "the five connections")
    (series,) = labels_of(f"weir_connections_total{{{mine}}}")
    expected = {"job": "weir-probe", "node": node, "pod": "weir-probe-x", "observation": "checkout", "role": "client"}
    assert expected.items() <= series.items(), "the workload's namespace, and the probe's node and pod"
    ready = f'weir_observation_ready{{namespace="{site.namespace}",observation="checkout"}}'
    wait(lambda: value(ready) == 1, 30, "the observation to be ready")

    talk(checkout, db.ips[0], 5432, count=5, size=1000)
    recorded = f'workload:weir_flow_bytes:rate5m{{namespace="{site.namespace}",direction="transmit"}}'
    wait(lambda: value(recorded) > 0, 60, "a recorded rate")

    def firing(name: str, **labels: str) -> dict[str, Any]:
        return wait(lambda: prometheus.alert(name, **labels), 60, f"{name} to fire")

    alert = firing("WeirObservationWithoutPods", observation="nobody")
    assert alert["annotations"]["summary"] == f"Observation {site.namespace}/nobody selects no pod"
    assert f"kubectl -n {site.namespace} get pods" in alert["annotations"]["description"]
    quiet = ("WeirOperatorDown", "WeirOperatorWithoutLeader", "WeirProbeDown", "WeirProbesMissing", "WeirPacketsLost")
    assert set(quiet) <= alerts(OWN).keys()
    assert [name for name in quiet if prometheus.alert(name)] == []

    site.probes[0].terminate()
    assert node in firing("WeirProbeDown", node=node)["annotations"]["summary"]
    firing("WeirProbesMissing")
