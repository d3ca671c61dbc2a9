"""A FlowObservation's status, from its verdict, its plans and the probes' reports."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from weir_api.conditions import Condition, ConditionStatus
from weir_api.flowobservation import FlowObservationStatus
from weir_operator.reconcile.plan import Placement, place
from weir_operator.reconcile.resources import Observation, Probe
from weir_operator.reconcile.status import Outcome, Surroundings, observe
from weir_operator.reconcile.verdict import judge

from .objects import ALL, NOW, measured, observation, pod, probe

OF = observation()


def outcome(
    of: Observation,
    probes: Sequence[Probe],
    *,
    pods: Sequence[str] = ("n1",),
    refused: Sequence[str] = (),
    silent_s: Mapping[str, float] | None = None,
    behind_s: float | None = None,
) -> Outcome:
    """The outcome with one pod on each of `pods`' nodes, whose plans all have the hash `h`."""
    verdict = judge(of, "weir-system", NOW)
    placement = Placement({})
    if verdict.active and of.spec is not None:
        running = [pod(f"p{number}", node) for number, node in enumerate(pods)]
        placement = place(of.spec.selector, {of.namespace: {}}, running, set(pods))
    return observe(
        of,
        Surroundings(
            verdict=verdict,
            placement=placement,
            plan_hashes=dict.fromkeys(pods, "h"),
            refused=refused,
            probes={each.node: each for each in probes},
            silence={node: timedelta(seconds=s) for node, s in (silent_s or {}).items()},
            behind_since=None if behind_s is None else NOW - timedelta(seconds=behind_s),
            silent_after=timedelta(seconds=60),
            now=NOW,
        ),
    )


def conditions(of: Observation, probes: Sequence[Probe], **fields: Any) -> dict[str, tuple[str, str]]:
    status = outcome(of, probes, **fields).status
    assert all(c.observed_generation == of.generation for c in status.conditions)
    return {c.type: (c.status.value, c.reason) for c in status.conditions}


def standing(type_: str, status: str, reason: str, generation: int = 1) -> dict[str, Any]:
    earlier = NOW - timedelta(minutes=9)
    return Condition(
        type=type_,
        status=ConditionStatus(status),
        reason=reason,
        message="before",
        observed_generation=generation,
        last_transition_time=earlier,
    ).wire()


def test_more_series_than_allowed_is_told_with_the_field_and_the_worst_nodes() -> None:
    reports = [
        probe(node, "h", measured(OF, packetsPerSecond=5.0, overflowedFlows=flows, calls={"overflowed": calls}))
        for node, flows, calls in (("n1", 3, 0), ("n2", 0, 0), ("n3", 30, 10))
    ]
    status = outcome(OF, reports, pods=["n1", "n2", "n3"]).status
    (budget,) = (c for c in status.conditions if c.type == "WithinBudget")
    assert (budget.status, budget.reason) == (ConditionStatus.FALSE, "SeriesLimit")
    assert budget.message.startswith("spec.signals.metrics.maxSeries: 43 flows and calls on 2 nodes (n3, n1) ")


def test_all_nodes_programmed() -> None:
    reports = [probe(n, "h", measured(OF, packetsPerSecond=5.0)) for n in ("n1", "n2")]
    assert conditions(OF, reports, pods=["n1", "n2"]) == {
        "Accepted": ("True", "Accepted"),
        "Programmed": ("True", "AllNodes"),
        "DataFlowing": ("True", "Flowing"),
        "WithinBudget": ("True", "NoBudget"),
        "ThresholdsOK": ("True", "NoThresholds"),
        "Ready": ("True", "Ready"),
    }


def test_unknown_on_the_first_visit() -> None:
    said = conditions(OF, [])
    assert said["Programmed"] == said["Ready"] == ("Unknown", "NodesPending")
    assert said["DataFlowing"] == ("Unknown", "NoReport")


@pytest.mark.parametrize(
    ("extra", "reason"),
    [({"paused": True}, "Paused"), ({"duration": "1m"}, "Expired"), ({"tls": {"plaintext": True}}, "NotAccepted")],
)
def test_an_observation_that_rests_or_is_refused(extra: dict[str, Any], reason: str) -> None:
    of = observation(spec=ALL | extra)
    said = conditions(of, [probe("n1", "h", measured(of))])
    assert said["Programmed"] == ("False", reason)
    assert said["DataFlowing"] == ("False", reason)
    assert said["Ready"] == ("False", "NotSupportedYet" if reason == "NotAccepted" else reason)
    assert said["WithinBudget"][0] == ("Unknown" if reason == "NotAccepted" else "True")


def test_no_pods_matched() -> None:
    assert conditions(OF, [], pods=[])["Programmed"] == ("False", "NoPodsMatched")


def test_nodes_pending_says_how_many_and_names_some() -> None:
    nodes = [f"n{number}" for number in range(6)]
    found = outcome(OF, [probe("n0", "h", measured(OF))], pods=nodes)
    programmed = next(c for c in found.status.conditions if c.type == "Programmed")
    assert (programmed.status.value, programmed.reason) == ("False", "NodesPending")
    assert programmed.message.startswith("1 of 6 nodes have the plan in use; waiting for n1 (")
    assert programmed.message.endswith(" and 2 more")
    assert found.behind


@pytest.mark.parametrize(
    ("node", "detail"),
    [
        (probe("n1", "older", measured(OF)), "newest plan"),
        (probe("n1", "h"), "has not taken this version"),
        (probe("n1", "h", measured(observation(generation=7))), "has not taken this version"),
        (probe("n1", "h", measured(OF, attachedPods=0)), "0 of 1 pods are attached"),
        (probe("n1", "h", measured(OF, pods=0)), "0 of 1 pods are attached"),
        (
            probe("n1", "h", measured(OF), counters={"seen": {"packets": -1}}),
            "cannot be read: status.counters.seen.packets",
        ),
    ],
)
def test_what_a_node_is_waited_for(node: Probe, detail: str) -> None:
    programmed = next(c for c in outcome(OF, [node]).status.conditions if c.type == "Programmed")
    assert programmed.reason == "NodesPending"
    assert detail in programmed.message


def test_pods_on_the_nodes_network_are_not_waited_for() -> None:
    both = measured(OF, pods=2, attachedPods=1, hostNetworkPods=1)
    assert conditions(OF, [probe("n1", "h", both)], pods=["n1", "n1"])["Ready"] == ("True", "Ready")
    missing = measured(OF, pods=3, attachedPods=1, hostNetworkPods=1)
    assert conditions(OF, [probe("n1", "h", missing)], pods=["n1"] * 3)["Programmed"] == ("False", "NodesPending")


def test_an_observation_of_nothing_else_is_not_ready() -> None:
    only = measured(OF, attachedPods=0, hostNetworkPods=1)
    assert conditions(OF, [probe("n1", "h", only)])["Ready"] == ("False", "HostNetwork")
    other = probe("n2", "h", measured(OF))
    assert conditions(OF, [probe("n1", "h", only), other], pods=["n1", "n2"])["Ready"] == ("True", "Ready")


def test_a_report_that_cannot_be_read_is_an_issue_of_its_node() -> None:
    issues = outcome(OF, [probe("n1", "h", measured(OF), heartbeatTime="never")]).status.node_issues
    assert issues is not None
    assert (issues[0].node, issues[0].reason) == ("n1", "ReportUnreadable")


def test_silent_probes() -> None:
    heard, silent = probe("n1", "h", measured(OF)), probe("n2", "h", measured(OF, bytesPerSecond=9.0))
    assert conditions(OF, [heard, silent], pods=["n1", "n2"], silent_s={"n2": 60})["Programmed"] == ("True", "AllNodes")
    found = outcome(OF, [heard, silent], pods=["n1", "n2"], silent_s={"n2": 61})
    programmed = next(c for c in found.status.conditions if c.type == "Programmed")
    assert (programmed.status.value, programmed.reason) == ("False", "ProbeNotReporting")
    assert "n2" in programmed.message
    assert found.status.summary is not None
    assert found.status.summary.bytes_per_second == 0  # what a silent probe said last is not counted on
    assert found.status.node_issues is not None
    assert [(i.node, i.reason) for i in found.status.node_issues] == [("n2", "ProbeNotReporting")]


@pytest.mark.parametrize(("age_s", "reason"), [(15, "NodesPending"), (16, "ProbeNotReporting")])
def test_a_probe_has_fifteen_seconds_for_its_first_report(age_s: float, reason: str) -> None:
    new = probe("n1")
    never = type(new)(**{f: getattr(new, f) for f in new.__slots__} | {"report": None, "measured": {}})
    assert conditions(OF, [never], silent_s={"n1": age_s})["Programmed"][1] == reason


def test_a_node_without_a_place() -> None:
    said = conditions(OF, [probe("n1", "h", measured(OF))], pods=["n1", "n2"], refused=["n2"])
    assert said["Programmed"] == said["Ready"] == ("False", "NodeObservationLimit")


@pytest.mark.parametrize(("behind_s", "status"), [(None, "True"), (5, "True"), (6, "False")])
def test_a_programmed_observation_has_time_to_catch_up(behind_s: float | None, status: str) -> None:
    of = observation(status={"conditions": [standing("Programmed", "True", "AllNodes")]})
    lagging = [probe("n1", "older", measured(of))]
    assert conditions(of, lagging, behind_s=behind_s)["Programmed"][0] == status


def test_a_changed_spec_is_not_called_programmed_before_it_is() -> None:
    of = observation(generation=2, status={"conditions": [standing("Programmed", "True", "AllNodes", generation=1)]})
    assert conditions(of, [probe("n1", "older", measured(observation()))])["Programmed"] == ("Unknown", "NodesPending")


def test_transition_times_move_with_the_status_alone() -> None:
    before = [standing("Accepted", "True", "Accepted"), standing("Programmed", "False", "NodesPending")]
    found = outcome(observation(status={"conditions": before}), [probe("n1", "h", measured(OF))]).status
    times = {c.type: c.last_transition_time for c in found.conditions}
    assert times["Accepted"] == NOW - timedelta(minutes=9)
    assert times["Programmed"] == times["Ready"] == NOW


def test_numbers_are_summed_over_the_nodes() -> None:
    one = measured(
        OF,
        flowsPerSecond=1.26,
        packetsPerSecond=10.0,
        bytesPerSecond=1000.04,
        segmentsPerSecond=90.0,
        retransmitsPerSecond=1.5,
        drops=4,
        series=7,
        topPeers=[
            {"name": "shop/api", "bytesPerSecond": 5.0, "flows": 2},
            {"name": "external", "bytesPerSecond": 6.0, "flows": 1},
        ],
        effective=[{"field": "spec.x", "effective": "y", "reason": "z", "nodes": 1}],
    )
    two = measured(
        OF,
        flowsPerSecond=2.0,
        bytesPerSecond=1.0,
        segmentsPerSecond=10.0,
        series=5,
        windowS=12.0,
        topPeers=[{"name": "shop/api", "bytesPerSecond": 4.0, "flows": 1}],
        effective=[{"field": "spec.x", "effective": "y", "reason": "z", "nodes": 1}],
    )
    lost = [{"reason": "table_full", "packets": 3, "bytes": 300}, {"reason": "ring_full", "packets": 1, "bytes": 1}]
    probes = [
        probe(
            "n1",
            "h",
            one,
            counters={"seen": {"packets": 900}, "lost": lost},
            overhead={"cpuMillis": 12.34, "nsPerPacket": 80},
        ),
        probe("n2", "h", two, counters={"seen": {"packets": 100}}, overhead={"cpuMillis": 3}),
    ]
    found = outcome(OF, probes, pods=["n1", "n2"])
    wire = found.status.wire()
    assert wire["summary"] == {
        "window": "12s",
        "flowsPerSecond": 3.3,
        "packetsPerSecond": 10.0,
        "bytesPerSecond": 1001.0,
        "retransmitPercent": 1.5,
        "drops": 4,
    }
    assert wire["quality"] == {"lossPercent": 0.4, "series": 12}
    assert wire["overhead"] == {"cpuMillis": 12.3, "nsPerPacket": 80.0}
    assert wire["topPeers"] == [
        {"name": "shop/api", "bytesPerSecond": 9.0, "flows": 3},
        {"name": "external", "bytesPerSecond": 6.0, "flows": 1},
    ]
    assert wire["effective"] == [{"field": "spec.x", "effective": "y", "reason": "z", "nodes": 2}]
    assert wire["matched"] == {"pods": 2, "nodes": 2, "programmedNodes": 2}
    assert found.loss_ratio == 0.004


def calls(requests: float, errors: float, first: int, *counts: int) -> dict[str, Any]:
    latency = {"first": first, "counts": list(counts)}
    return {"calls": {"requestsPerSecond": requests, "errorsPerSecond": errors, "latency": latency}}


def test_calls_are_folded_over_the_nodes() -> None:
    # bucket 39 ends at 2^-10 s, bucket 47 at 2^-8 s
    here = probe("n1", "h", measured(OF, **calls(90.0, 0.5, 39, 900)))
    there = probe("n2", "h", measured(OF, **calls(10.0, 1.0, 39, 80, 0, 0, 0, 0, 0, 0, 0, 20)))
    summary = outcome(OF, [here, there], pods=["n1", "n2"]).status.summary
    assert summary is not None
    assert (summary.requests_per_second, summary.error_percent) == (100.0, 1.5)
    assert (summary.p50, summary.p99) == ("0.897ms", "3.58ms")


def test_without_calls_nothing_is_said_of_them() -> None:
    summary = outcome(OF, [probe("n1", "h", measured(OF))]).status.summary
    assert summary is not None
    assert (summary.requests_per_second, summary.error_percent, summary.p50, summary.p99) == (None, None, None, None)
    none = probe("n1", "h", measured(OF, calls={"requestsPerSecond": 0, "errorsPerSecond": 0}))
    summary = outcome(OF, [none]).status.summary
    assert summary is not None
    assert (summary.requests_per_second, summary.error_percent, summary.p99) == (0.0, None, None)


def test_lists_are_bounded_and_have_the_worst_first() -> None:
    nodes = [f"n{number:02}" for number in range(30)]
    peers = [{"name": f"peer{number}", "bytesPerSecond": 1.0, "flows": 1} for number in range(10)]
    issues = [{"reason": "InterfaceGone", "message": str(number)} for number in range(3)]
    probes = [probe(n, "h", measured(OF, topPeers=peers, issues=issues)) for n in nodes[:-1]]
    status = outcome(OF, [*probes, probe(nodes[-1])], pods=nodes, silent_s={nodes[-1]: 99}).status
    assert status.node_issues is not None
    assert status.top_peers is not None
    assert [len(status.node_issues), len(status.top_peers)] == [10, 10]
    assert status.node_issues[0].reason == "ProbeNotReporting"
    assert FlowObservationStatus.model_validate(status.wire()) == status
