"""Faults: a killed operator, two at once, an API server that goes away, changes that nobody told of."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from kube.control_plane import ControlPlane
from operator_process import CHECKOUT, NAMESPACE, SHORT, OperatorProcess, Shop, conditions, install, leading_operator

pytestmark = pytest.mark.kube


def lease_holder(plane: ControlPlane) -> str:
    return str(plane.get("lease", "weir-operator", NAMESPACE)["spec"].get("holderIdentity", ""))


def leads(operator: OperatorProcess) -> bool:
    return operator.metric("weir_operator_leader") == 1


def programmed(shop: Shop) -> dict[str, Any]:
    """An observation of one pod that is Ready; the plan of its node."""
    shop.pod("checkout-1")
    shop.observe("checkout", selector=CHECKOUT)
    shop.wait_plans(["checkout"])
    shop.report()
    shop.wait("Ready", ("True", "Ready"))
    plan = shop.plan()
    assert plan is not None
    return plan


def test_no_plan_is_written_or_deleted_before_everything_is_known(control_plane: ControlPlane, tmp_path: Path) -> None:
    """Without the right to list pods, an operator must not take the plans of others for plans of no pods."""
    with leading_operator(control_plane, tmp_path) as operator, Shop(control_plane, operator) as shop:
        plan = programmed(shop)
        operator.terminate()
        control_plane.kubectl("delete", "clusterrole", "weir-operator")
        rules = [{"apiGroups": ["weir.dev"], "resources": ["*"], "verbs": ["*"]}]
        role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "rules": rules}
        control_plane.apply(json.dumps(role | {"metadata": {"name": "weir-operator"}}))
        try:
            operator.restart()
            control_plane.wait(lambda: "pods is forbidden" in operator.log(), 20, "the operator to be refused")
            control_plane.wait(lambda: leads(operator), 10, "the operator to lead")
            time.sleep(3)
            assert operator.page("/readyz") == ""
            held = shop.plan()
            assert held is not None
            assert held["metadata"]["resourceVersion"] == plan["metadata"]["resourceVersion"]
            assert conditions(shop.get())["Ready"] == ("True", "Ready")
        finally:
            install(control_plane)
        control_plane.wait(lambda: operator.page("/readyz") == "ok\n", 20, "the operator to be ready")


def test_of_two_operators_one_writes_and_the_other_takes_over(control_plane: ControlPlane, tmp_path: Path) -> None:
    # probes are silent here for as long as it takes another to lead: that is not what this test is about
    patient = ("--status-interval=1s", "--probe-timeout=10m")
    install(control_plane)
    with (
        OperatorProcess(control_plane, tmp_path, *patient) as first,
        OperatorProcess(control_plane, tmp_path, *patient) as second,
        Shop(control_plane, first) as shop,
    ):
        both = (first, second)
        control_plane.wait(lambda: [leads(each) for each in both].count(True) == 1, 30, "one operator to lead")
        leader, standby = both if leads(first) else (second, first)
        control_plane.wait(lambda: standby.page("/readyz") == "ok\n", 20, "the other to be ready to take over")
        plan = programmed(shop)
        assert not leads(standby)
        assert "weir_observation_ready{" not in standby.page("/metrics")

        leader.process.kill()
        leader.process.wait()
        control_plane.wait(lambda: leads(standby), 30, "the other to take over from one that was killed")
        shop.pod("checkout-2", node=1)
        shop.wait_plans(["checkout"], ["checkout"])
        after = shop.plan()
        assert after is not None
        assert after["metadata"]["resourceVersion"] == plan["metadata"]["resourceVersion"], "rewritten for nothing"

        leader.restart()
        control_plane.wait(lambda: leader.page("/readyz") == "ok\n", 20, "the killed one to be back")
        assert not leads(leader)
        assert standby.terminate() < 5
        assert standby.process.returncode == 0
        control_plane.wait(lambda: leads(leader), 5, "the first to lead as soon as the other gave the Lease back")
        shop.plane.kubectl("delete", "fo", "checkout", "-n", shop.namespace)
        shop.wait_plans([], [])
        assert leader.terminate() < 5
        assert lease_holder(control_plane) == ""


def test_the_api_server_goes_away_and_comes_back(control_plane: ControlPlane, tmp_path: Path) -> None:
    with leading_operator(control_plane, tmp_path) as operator, Shop(control_plane, operator) as shop:
        plan = programmed(shop)
        since = {c["type"]: c["lastTransitionTime"] for c in shop.get()["status"]["conditions"]}
        with control_plane.api_away():
            time.sleep(11)  # longer than a probe may be silent, and than a leader leads without renewing
            assert operator.process.poll() is None
            assert operator.page("/healthz") == "ok\n"
            assert operator.page("/readyz") == ""
            assert not leads(operator)
        control_plane.wait(lambda: operator.page("/readyz") == "ok\n", 20, "the operator to see again")
        shop.report(bytesPerSecond=5)
        control_plane.wait(lambda: leads(operator), 30, "the operator to lead again")
        shop.pod("checkout-2", node=1)
        shop.wait_plans(["checkout"], ["checkout"])
        after = shop.plan()
        assert after is not None
        assert after["metadata"]["resourceVersion"] >= plan["metadata"]["resourceVersion"]
        assert (after["metadata"]["uid"], after["metadata"]["generation"]) == (plan["metadata"]["uid"], 1)
        shop.report(0)
        shop.report(1)
        status = shop.wait("Ready", ("True", "Ready"))["status"]
        assert {c["type"]: c["lastTransitionTime"] for c in status["conditions"]}["Accepted"] == since["Accepted"]
        assert "ProbeNotReporting" not in {event["reason"] for event in shop.events()}


def test_what_was_deleted_while_it_could_not_see(control_plane: ControlPlane, tmp_path: Path) -> None:
    """An API server that was started anew has no changes from before: watches from there are answered 410 Gone."""
    with leading_operator(control_plane, tmp_path) as operator, Shop(control_plane, operator) as shop:
        programmed(shop)
        shop.pod("other-1", node=1)
        shop.observe("other", selector={"podSelector": {"matchLabels": {"app": "other"}}})
        shop.wait_plans(["checkout"], ["other"])
        os.kill(operator.process.pid, signal.SIGSTOP)
        try:
            shop.plane.kubectl("delete", "fo", "other", "-n", shop.namespace)
            shop.plane.delete_pod(shop.namespace, "checkout-1")
            shop.pod("checkout-2", node=1)
            with control_plane.api_away():
                pass
        finally:
            os.kill(operator.process.pid, signal.SIGCONT)
        control_plane.wait(lambda: shop.planned(0) == [] and shop.planned(1) == ["checkout"], 40, "plans to be right")


def test_an_operator_without_crds_waits_for_them(tmp_path: Path) -> None:
    """And ends within 5 s of SIGTERM, also where it never saw anything."""
    with ControlPlane() as bare:
        bare.make_namespace(NAMESPACE)
        bare.kubectl("apply", "-f", str(Path(__file__).parents[1] / "config" / "operator" / "rbac.yaml"))
        with OperatorProcess(bare, tmp_path, *SHORT) as operator, Shop(bare, operator) as shop:
            bare.wait(lambda: "404" in operator.log(), 20, "the operator to miss the CRDs")
            assert operator.page("/healthz") == "ok\n"
            assert operator.page("/readyz") == ""
            install(bare)
            bare.wait(lambda: operator.page("/readyz") == "ok\n", 20, "the operator to be ready")
            bare.wait(lambda: leads(operator), 10, "the operator to lead")
            programmed(shop)
            with bare.api_away():
                assert operator.terminate() < 5
