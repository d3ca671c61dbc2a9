"""Many nodes' reports of one observation, folded into one answer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from weir_api.flowobservation import Downgrade, NodeIssue, ObservationOverhead, Peer, Quality, Summary
from weir_operator.reconcile.latency import merged, quantile
from weir_operator.reconcile.report import Measured, Report

_TOP_PEERS: Final = 10
_EFFECTIVE: Final = 16
_ISSUES: Final = 10


@dataclass(frozen=True, slots=True)
class NodeReport:
    """What one node's probe reported of itself and of the observation."""

    node: str
    probe: Report
    measured: Measured


def summary(reports: Sequence[NodeReport]) -> Summary | None:
    """Rates, summed over the nodes; None where no node has measured a window yet."""
    measured = [report.measured for report in reports if report.measured.window_s > 0]
    if not measured:
        return None
    segments = sum(m.segments_per_second for m in measured)
    drops = [m.drops for m in measured if m.drops is not None]
    calls = [m.calls for m in measured if m.calls is not None]
    requests = sum(c.requests_per_second for c in calls)
    latencies = merged([c.latency for c in calls if c.latency is not None])
    return Summary(
        window=f"{max(m.window_s for m in measured):.0f}s",
        flows_per_second=round(sum(m.flows_per_second for m in measured), 1),
        packets_per_second=round(sum(m.packets_per_second for m in measured), 1),
        bytes_per_second=round(sum(m.bytes_per_second for m in measured), 1),
        requests_per_second=round(requests, 1) if calls else None,
        error_percent=round(100 * sum(c.errors_per_second for c in calls) / requests, 2) if requests else None,
        p50=_duration(quantile(latencies, 0.5)),
        p99=_duration(quantile(latencies, 0.99)),
        retransmit_percent=_percent(sum(m.retransmits_per_second for m in measured), segments),
        drops=sum(drops) if drops else None,
    )


def _percent(part: float, whole: float) -> float | None:
    return round(100 * min(part / whole, 1.0), 3) if whole else None


def _duration(seconds: float | None) -> str | None:
    """Three digits are more than the buckets tell."""
    if seconds is None:
        return None
    return f"{seconds:.3g}s" if seconds >= 1 else f"{seconds * 1000:.3g}ms"


def loss_ratio(reports: Sequence[NodeReport]) -> float | None:
    """Packets lost of packets seen, over the nodes' probes since they started; None where nothing was seen.

    A probe counts losses for all that it captures, so observations that share nodes share the ratio.
    """
    counters = [report.probe.counters for report in reports if report.probe.counters is not None]
    seen = sum(c.seen.packets for c in counters)
    lost = sum(reason.packets for c in counters for reason in c.lost)
    return lost / seen if seen else None


def quality(reports: Sequence[NodeReport]) -> Quality | None:
    """How far the numbers can be trusted."""
    if not reports:
        return None
    ratio = loss_ratio(reports)
    return Quality(
        loss_percent=None if ratio is None else round(100 * ratio, 3),
        series=sum(report.measured.series for report in reports),
    )


def overhead(reports: Sequence[NodeReport]) -> ObservationOverhead | None:
    """What the probes cost, each figure on its worst node."""
    costs = [report.probe.overhead for report in reports if report.probe.overhead is not None]
    if not costs:
        return None
    per_packet = [cost.ns_per_packet for cost in costs if cost.ns_per_packet is not None]
    return ObservationOverhead(
        cpu_millis=round(max(cost.cpu_millis for cost in costs), 1),
        ns_per_packet=round(max(per_packet), 1) if per_packet else None,
    )


def top_peers(reports: Iterable[NodeReport]) -> list[Peer] | None:
    """The peers with most traffic; each node names its own ten, so a peer spread thinly over many may be missing."""
    bytes_per_second: dict[str, float] = {}
    flows: dict[str, int] = {}
    for report in reports:
        for peer in report.measured.top_peers:
            bytes_per_second[peer.name] = bytes_per_second.get(peer.name, 0.0) + peer.bytes_per_second
            flows[peer.name] = flows.get(peer.name, 0) + peer.flows
    ranked = sorted(bytes_per_second, key=lambda name: (-bytes_per_second[name], name))[:_TOP_PEERS]
    return [
        Peer(name=name, bytes_per_second=round(bytes_per_second[name], 1), flows=flows[name]) for name in ranked
    ] or None


def effective(reports: Iterable[NodeReport]) -> list[Downgrade] | None:
    """What was downgraded, and on how many nodes; the most widespread first."""
    nodes: dict[tuple[str, str, str], int] = {}
    for report in reports:
        for kind in {(d.field, d.effective, d.reason) for d in report.measured.effective}:
            nodes[kind] = nodes.get(kind, 0) + 1
    ranked = sorted(nodes, key=lambda kind: (-nodes[kind], kind))[:_EFFECTIVE]
    return [
        Downgrade(field=field, effective=instead, reason=reason, nodes=nodes[field, instead, reason])
        for field, instead, reason in ranked
    ] or None


def worst_issues(found: Iterable[tuple[int, NodeIssue]]) -> list[NodeIssue] | None:
    """The first ten of (severity, issue), the lowest severity number first, without repetitions."""
    ranked = sorted({(severity, issue.node, issue.reason, issue.message) for severity, issue in found})
    return [NodeIssue(node=node, reason=reason, message=text) for _, node, reason, text in ranked[:_ISSUES]] or None
