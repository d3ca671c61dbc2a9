"""A FlowObservation's status, from the verdict, its plans and the probes' reports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final

from weir_api.conditions import Condition, ConditionStatus, condition, transition
from weir_api.flowobservation import FlowObservationStatus, Matched, NodeIssue
from weir_operator.reconcile import fold
from weir_operator.reconcile.fold import NodeReport
from weir_operator.reconcile.plan import Placement, Share
from weir_operator.reconcile.resources import Observation, Probe
from weir_operator.reconcile.verdict import Verdict

#: How long a probe may take for its first report on a new NodeProbe.
FIRST_REPORT: Final = timedelta(seconds=15)
#: How long a programmed observation may lag behind its plan or its pods before it counts as not programmed: rollouts
#: and other users' observations change plans all the time, and probes follow within about two seconds.
CATCH_UP: Final = timedelta(seconds=5)
_NAMED_NODES: Final = 3


class NodeState(IntEnum):
    """How far a node is with an observation; what is worse has the higher number."""

    PROGRAMMED = 0
    WAITING = 1
    SILENT = 2
    NO_PLACE = 3


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node that has pods of the observation."""

    node: str
    state: NodeState
    detail: str
    #: Its report of this very generation, if it can be relied on.
    report: NodeReport | None
    probe: Probe | None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the status of one observation is made from, beside the observation itself."""

    verdict: Verdict
    placement: Placement
    #: Hash of the plan that each node is to have, for all nodes.
    plan_hashes: Mapping[str, str]
    #: Nodes that have no place left for this observation.
    refused: Sequence[str]
    probes: Mapping[str, Probe]
    #: For how long each probe has not been heard.
    silence: Mapping[str, timedelta]
    #: Since when the observation lags behind on some node; None while it does not.
    behind_since: datetime | None
    silent_after: timedelta
    now: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """The status, and what the next computation and the metrics need."""

    status: FlowObservationStatus
    behind: bool
    loss_ratio: float | None


def _view(observation: Observation, node: str, share: Share, around: Surroundings) -> NodeView:
    probe = around.probes.get(node)
    if node in around.refused:
        return NodeView(node, NodeState.NO_PLACE, "the node has as many observations as it can take", None, probe)
    if probe is None:
        return NodeView(node, NodeState.WAITING, "its plan is being written", None, None)
    if probe.unreadable:
        return NodeView(node, NodeState.WAITING, f"its report cannot be read: {probe.unreadable}", None, probe)
    silence = around.silence.get(node, timedelta(0))
    if probe.report is None:
        if silence > FIRST_REPORT:
            return NodeView(node, NodeState.SILENT, "no probe has reported since the plan was written", None, probe)
        return NodeView(node, NodeState.WAITING, "its probe has not reported yet", None, probe)
    if silence > around.silent_after:
        limit = around.silent_after.total_seconds()
        return NodeView(node, NodeState.SILENT, f"its probe has not been heard for over {limit:g} s", None, probe)
    measured = probe.measured.get(observation.uid)
    if measured is None or measured.generation != observation.generation:
        return NodeView(node, NodeState.WAITING, "its probe has not taken this version yet", None, probe)
    report = NodeReport(node, probe.report, measured)
    wanted = max(share.running, measured.matched_pods)
    if probe.report.plan_hash != around.plan_hashes.get(node):
        return NodeView(node, NodeState.WAITING, "its probe has not taken the newest plan yet", report, probe)
    attachable = wanted - measured.host_network_pods
    if measured.attached_pods < attachable:
        return NodeView(
            node, NodeState.WAITING, f"{measured.attached_pods} of {attachable} pods are attached", report, probe
        )
    return NodeView(node, NodeState.PROGRAMMED, "", report, probe)


def _named(views: Sequence[NodeView]) -> str:
    names = ", ".join(f"{view.node} ({view.detail})" for view in views[:_NAMED_NODES])
    more = len(views) - _NAMED_NODES
    return names + (f" and {more} more" if more > 0 else "")


#: A condition before it is given its generation and time: does it hold (None: unknown), reason, message.
Claim = tuple[bool | None, str, str]


def _accepted(verdict: Verdict) -> Claim:
    if verdict.refusal is not None:
        return False, verdict.refusal.reason, verdict.refusal.message
    return True, "Accepted", "the spec is valid and every field in it is honoured"


def _programmed(observation: Observation, views: Sequence[NodeView], around: Surroundings) -> Claim:
    verdict = around.verdict
    if verdict.refusal is not None:
        return False, "NotAccepted", "the spec is not accepted: see condition Accepted"
    if verdict.rest is not None:
        return False, verdict.rest.reason, verdict.rest.message
    if not views:
        return False, "NoPodsMatched", "no pod that is bound to a node matches spec.selector"
    by_state = {state: [view for view in views if view.state is state] for state in NodeState}
    total = len(views)
    if without := by_state[NodeState.NO_PLACE]:
        return False, "NodeObservationLimit", f"{len(without)} of {total} nodes have no place: {_named(without)}"
    if silent := by_state[NodeState.SILENT]:
        return False, "ProbeNotReporting", f"{len(silent)} of {total} nodes are silent: {_named(silent)}"
    waiting = by_state[NodeState.WAITING]
    if not waiting:
        counts = [view.report.measured for view in views if view.report is not None]
        if any(each.host_network_pods for each in counts) and not any(each.attached_pods for each in counts):
            text = (
                "every matched pod shares its node's network (hostNetwork): their flows cannot be told from the node's"
            )
            return False, "HostNetwork", text
        return True, "AllNodes", f"all {total} nodes have the plan in use"
    behind = around.now - around.behind_since if around.behind_since is not None else timedelta(0)
    before = _previous(observation, "Programmed")
    if before is not None and before.observed_generation == observation.generation:
        if before.status is ConditionStatus.TRUE and behind <= CATCH_UP:
            return True, before.reason, before.message
        known = before.status is ConditionStatus.FALSE
    else:
        known = False
    answered = known or any(view.report is not None for view in views) or behind > FIRST_REPORT
    text = f"{total - len(waiting)} of {total} nodes have the plan in use; waiting for {_named(waiting)}"
    return False if answered else None, "NodesPending", text


def _data_flowing(views: Sequence[NodeView], around: Surroundings) -> Claim:
    idle = around.verdict.refusal or around.verdict.rest
    if idle is not None:
        reason = "NotAccepted" if around.verdict.refusal is not None else idle.reason
        return False, reason, "nothing is observed"
    if not views:
        return False, "NoPodsMatched", "no pod is observed"
    reports = [view.report.measured for view in views if view.report is not None and view.report.measured.window_s > 0]
    if not reports:
        return None, "NoReport", "no probe has reported on this version yet"
    flowing = sum(report.packets_per_second > 0 for report in reports)
    if flowing:
        return True, "Flowing", f"{flowing} of {len(views)} nodes counted packets in the last window"
    return False, "NoTraffic", "no packet of the selected pods was seen in the last window"


def _within_budget(verdict: Verdict, reports: Sequence[NodeReport]) -> Claim:
    """The bound on series is always there; `not_supported_yet` refuses specs with a budget."""
    beyond = {report.node: report.measured.overflowed for report in reports if report.measured.overflowed}
    if verdict.refusal is not None or not beyond:
        return _bounded(verdict, "NoBudget", "spec.budget is not given")
    named = ", ".join(sorted(beyond, key=lambda node: (-beyond[node], node))[:_NAMED_NODES])
    return (
        False,
        "SeriesLimit",
        f"spec.signals.metrics.maxSeries: {sum(beyond.values())} flows and calls on {len(beyond)} nodes ({named}) are "
        'counted in the series workload="overflow"; raise it, ask for fewer labels, or select less',
    )


def _bounded(verdict: Verdict, reason: str, text: str) -> Claim:
    """Budget and thresholds: `not_supported_yet` refuses specs that give any."""
    if verdict.refusal is not None:
        return None, "NotAccepted", "the spec is not accepted: see condition Accepted"
    return True, reason, text


def _ready(parts: Sequence[tuple[str, Claim]]) -> Claim:
    """Whether it works as asked: the first of its parts that does not hold says why not."""
    for name, (holds, reason, text) in parts:
        if holds is not True:
            return holds, reason, f"{name}: {text}"
    return True, "Ready", parts[-1][1][2]


def _previous(observation: Observation, type_: str) -> Condition | None:
    return next((c for c in observation.conditions if c.type == type_), None)


def _issues(views: Sequence[NodeView]) -> list[NodeIssue] | None:
    found: list[tuple[int, NodeIssue]] = []
    for view in views:
        if view.state is NodeState.SILENT:
            found.append((0, NodeIssue(node=view.node, reason="ProbeNotReporting", message=view.detail)))
        elif view.state is NodeState.NO_PLACE:
            found.append((1, NodeIssue(node=view.node, reason="NodeObservationLimit", message=view.detail)))
        if view.probe is not None and view.probe.unreadable:
            text = view.probe.unreadable[:512]
            found.append((2, NodeIssue(node=view.node, reason="ReportUnreadable", message=text)))
        if view.report is not None:
            found += [
                (3, NodeIssue(node=view.node, reason=issue.reason, message=issue.message))
                for issue in view.report.measured.issues
            ]
            found += [
                (4, NodeIssue(node=view.node, reason=issue.reason, message=issue.message))
                for issue in view.report.probe.issues
            ]
    return fold.worst_issues(found)


def observe(observation: Observation, around: Surroundings) -> Outcome:
    """The status of one FlowObservation. Reports of another object or generation are left out."""
    views = [_view(observation, node, share, around) for node, share in sorted(around.placement.shares.items())]
    reports = [view.report for view in views if view.report is not None]
    verdict = around.verdict
    accepted, programmed = _accepted(verdict), _programmed(observation, views, around)
    claims: dict[str, Claim] = {
        "Accepted": accepted,
        "Programmed": programmed,
        "DataFlowing": _data_flowing(views, around),
        "WithinBudget": _within_budget(verdict, reports),
        "ThresholdsOK": _bounded(verdict, "NoThresholds", "spec.thresholds is not given"),
        "Ready": _ready([("Accepted", accepted), ("Programmed", programmed)]),
    }
    conditions = [
        condition(type_, holds, reason, text, generation=observation.generation, now=around.now)
        for type_, (holds, reason, text) in claims.items()
    ]
    status = FlowObservationStatus(
        observed_generation=observation.generation,
        conditions=transition(observation.conditions, conditions),
        matched=Matched(
            pods=around.placement.pods,
            nodes=len(views),
            programmed_nodes=sum(view.state is NodeState.PROGRAMMED for view in views),
        ),
        effective=fold.effective(reports),
        summary=fold.summary(reports),
        quality=fold.quality(reports),
        overhead=fold.overhead(reports),
        top_peers=fold.top_peers(reports),
        node_issues=_issues(views),
        expires_at=verdict.expires_at,
    )
    return Outcome(
        status=status,
        behind=any(view.state is NodeState.WAITING for view in views),
        loss_ratio=fold.loss_ratio(reports),
    )
