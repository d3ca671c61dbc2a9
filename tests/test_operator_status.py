"""Status, Events and metrics against a real API server; the probes' part is played by writing their reports."""

from datetime import datetime
from typing import Any

import pytest

from operator_process import CHECKOUT, OperatorProcess, Shop, conditions

pytestmark = pytest.mark.kube


def test_reports_become_status_columns_and_metrics(shop: Shop) -> None:
    shop.pod("checkout-1")
    shop.pod("checkout-2", node=1)
    shop.observe("checkout", selector=CHECKOUT)
    shop.wait_plans(["checkout"], ["checkout"])
    shop.wait("Ready", ("Unknown", "NodesPending"))
    shop.report(0, flowsPerSecond=1.5, packetsPerSecond=20, bytesPerSecond=3000)
    shop.wait("Programmed", ("False", "NodesPending"))
    counters = {"seen": {"packets": 1000}, "lost": [{"reason": "table_full", "packets": 5, "bytes": 500}]}
    shop.report(1, {"counters": counters, "overhead": {"cpuMillis": 7}}, flowsPerSecond=2, bytesPerSecond=1000)
    status = shop.wait("Ready", ("True", "Ready"))["status"]
    assert conditions({"status": status}) == {
        "Accepted": ("True", "Accepted"),
        "Programmed": ("True", "AllNodes"),
        "DataFlowing": ("True", "Flowing"),
        "WithinBudget": ("True", "NoBudget"),
        "ThresholdsOK": ("True", "NoThresholds"),
        "Ready": ("True", "Ready"),
    }
    assert status["matched"] == {"pods": 2, "nodes": 2, "programmedNodes": 2}

    def shown() -> bool:
        columns = shop.plane.kubectl("get", "fo", "checkout", "-n", shop.namespace, "--no-headers").split()
        return columns[:5] == ["checkout", "True", "2", "3.5", "0.5"]

    shop.plane.wait(
        shown, 10, "the columns Ready, Pods, Flows/s and Loss% to have the numbers (RPS and others are blank)"
    )
    labels = f'{{namespace="{shop.namespace}",observation="checkout"}}'
    metric = shop.operator.metric
    assert metric(f"weir_observation_ready{labels}") == 1
    assert metric(f"weir_observation_matched_pods{labels}") == 2
    assert metric(f"weir_observation_flows_per_second{labels}") == 3.5
    assert metric(f"weir_observation_bytes_per_second{labels}") == 4000
    assert metric(f"weir_observation_loss_ratio{labels}") == 0.005
    assert metric(f"weir_observation_requests_per_second{labels}") is None
    shop.plane.kubectl("delete", "fo", "checkout", "-n", shop.namespace)
    shop.wait_plans([], [])
    shop.plane.wait(lambda: metric(f"weir_observation_ready{labels}") is None, 10, "the series to be gone")


def test_numbers_stay_when_they_hardly_move(shop: Shop) -> None:
    shop.pod("checkout-1")
    shop.observe("checkout", selector=CHECKOUT)
    shop.wait_plans(["checkout"])
    shop.report(bytesPerSecond=1000, packetsPerSecond=1)
    shop.wait("Ready", ("True", "Ready"))
    shop.plane.wait(lambda: shop.get()["status"].get("summary", {}).get("bytesPerSecond") == 1000, 10, "the summary")
    shop.report(bytesPerSecond=1010, packetsPerSecond=1)
    shop.report(bytesPerSecond=1020, packetsPerSecond=1)
    version = shop.get()["metadata"]["resourceVersion"]
    shop.report(bytesPerSecond=1030, packetsPerSecond=1)
    labels = f'{{namespace="{shop.namespace}",observation="checkout"}}'
    seen = lambda: shop.operator.metric(f"weir_observation_bytes_per_second{labels}") == 1030  # noqa: E731
    shop.plane.wait(seen, 10, "the operator to have seen the last report")
    assert shop.get()["metadata"]["resourceVersion"] == version
    shop.report(bytesPerSecond=2000, packetsPerSecond=1)
    shop.plane.wait(lambda: shop.get()["status"]["summary"]["bytesPerSecond"] == 2000, 10, "the new number")


def test_paused_resumed_and_deleted(shop: Shop) -> None:
    shop.pod("checkout-1")
    shop.observe("checkout", selector=CHECKOUT)
    shop.wait_plans(["checkout"])
    shop.report()
    shop.wait("Ready", ("True", "Ready"))
    shop.observe("checkout", selector=CHECKOUT, paused=True)
    shop.wait_plans([])
    held = shop.wait("Ready", ("False", "Paused"))
    assert held["status"]["observedGeneration"] == 2
    assert "finalizers" not in held["metadata"]
    assert list(held["metadata"].get("annotations", {})) == ["kubectl.kubernetes.io/last-applied-configuration"]
    shop.observe("checkout", selector=CHECKOUT)
    shop.wait_plans(["checkout"])
    shop.wait_events("Accepted", "Programmed", "Ready", "Paused", "Resumed")
    shop.plane.kubectl("delete", "fo", "checkout", "-n", shop.namespace, "--timeout=5s")
    shop.wait_plans([])


def test_an_observation_expires(shop: Shop) -> None:
    shop.pod("checkout-1")
    shop.observe("checkout", selector=CHECKOUT, duration="3s")
    shop.wait_plans(["checkout"])
    held = shop.wait("Ready", ("False", "Expired"), timeout_s=10)
    created, expires = (
        datetime.fromisoformat(t) for t in (held["metadata"]["creationTimestamp"], held["status"]["expiresAt"])
    )
    assert (expires - created).total_seconds() == 3
    shop.wait_plans([])
    assert {each["type"] for each in shop.wait_events("Accepted", "Expired")} == {"Normal"}


def test_reports_of_another_object_or_generation_are_not_counted(shop: Shop) -> None:
    shop.pod("checkout-1")
    shop.observe("checkout", selector=CHECKOUT)
    shop.wait_plans(["checkout"])
    shop.report(bytesPerSecond=1000, uid="of-another")
    shop.report(bytesPerSecond=1000, generation=77)
    shop.wait("Programmed", ("Unknown", "NodesPending"))
    assert "summary" not in shop.get()["status"]


def test_a_silent_probe_and_its_return(shop: Shop) -> None:
    shop.pod("checkout-1")
    shop.observe("checkout", selector=CHECKOUT)
    shop.wait_plans(["checkout"])
    shop.report()
    shop.wait("Ready", ("True", "Ready"))
    held = shop.wait("Ready", ("False", "ProbeNotReporting"))
    issues = held["status"]["nodeIssues"]
    assert [(each["node"], each["reason"]) for each in issues] == [(shop.nodes[0], "ProbeNotReporting")]
    shop.report()
    shop.wait("Ready", ("True", "Ready"))


def test_events_are_counted_not_repeated(shop: Shop) -> None:
    shop.pod("checkout-1")
    shop.observe("checkout", selector=CHECKOUT)
    shop.wait("Accepted", ("True", "Accepted"))
    for _ in range(3):
        shop.observe("checkout", selector=CHECKOUT, tls={"plaintext": True})
        shop.wait("Accepted", ("False", "NotSupportedYet"))
        shop.observe("checkout", selector=CHECKOUT)
        shop.wait("Accepted", ("True", "Accepted"))

    def counted() -> list[dict[str, Any]]:
        refused = [each for each in shop.events() if each["reason"] == "NotSupportedYet"]
        return refused if refused and refused[0].get("series", {}).get("count") == 3 else []

    (event,) = shop.plane.wait(counted, 10, "a series of three")
    assert event["type"] == "Warning"
    assert event["reportingController"] == "weir.dev/operator"
    assert event["regarding"]["uid"] == shop.get()["metadata"]["uid"]
    assert "spec.tls" in event["note"]
    assert len(shop.events()) <= 3  # Accepted, NotSupportedYet, and never one per turn


def test_pages(operator: OperatorProcess) -> None:
    assert operator.page("/healthz") == "ok\n"
    text = operator.page("/metrics")
    for name in ("ready", "matched_pods", "requests_per_second", "flows_per_second", "bytes_per_second", "loss_ratio"):
        assert f"# HELP weir_observation_{name} " in text
    assert operator.metric("weir_operator_leader") == 1
    assert 'weir_operator_api_requests_total{code="200",verb="watch"}' in text
    assert "# HELP weir_operator_reconcile_duration_seconds " in text
    assert "# HELP weir_operator_reconcile_errors_total " in text
    assert operator.metric("weir_operator_node_probes") is not None
