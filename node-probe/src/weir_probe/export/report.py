"""The probe's report (NodeProbe status) from what the agent measured: pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from weir_api.conditions import Condition, condition, transition
from weir_api.flowobservation import Downgrade, Peer
from weir_api.nodeprobe import (
    CallsReport,
    CaptureReport,
    Counted,
    CountedReason,
    Counters,
    HookCount,
    IdentityReport,
    Issue,
    NodeProbeStatus,
    ObservationReport,
    PlannedObservation,
    ProbeOverhead,
    Refused,
    RefusedSignal,
    SignalsReport,
)
from weir_probe.capture.model import Hook, Refusal
from weir_probe.capture.signals import KernelSignals
from weir_probe.export.window import Rates
from weir_probe.streams.layout import LOST

_ISSUES = 10
#: Peers of all observations together, about: they are most of a report, and every report is written to etcd.
_PEERS = 30
_PEERS_PER_OBSERVATION = (3, 10)
_ISSUES_PER_OBSERVATION = 5
_NOT_HOST_NETWORK = Downgrade(
    field="spec.selector",
    effective="pods with a network of their own",
    reason="the flows of pods on the node's network (hostNetwork) cannot be told from the node's",
    nodes=1,
)


@dataclass(frozen=True)
class Measured:
    """What one observation measured here."""

    matched_pods: int
    attached_pods: int
    host_network_pods: int
    rates: Rates
    live_flows: int
    packets: int
    bytes: int
    drops: int | None
    series: int
    overflowed_flows: int
    top_peers: Sequence[tuple[str, float, int]]  # name, bytes per second, live flows
    issues: Sequence[tuple[str, str]]  # reason, message
    calls: CallsReport | None = None


@dataclass(frozen=True)
class Situation:
    """All that a report is made of."""

    now: datetime
    version: str
    generation: int
    plan_hash: str
    rung: str
    refused: Sequence[Refusal]
    hooks: Sequence[Hook]
    outcomes: Mapping[str, tuple[int, int]]  # reason: packets, bytes; "stored" among them
    lost: Mapping[str, int]  # packets lost before they could be parsed
    signals: SignalsReport | None
    cpu_millis: float
    ns_per_packet: float | None
    memory_bytes: int
    observations: Sequence[tuple[PlannedObservation, Measured]]
    issues: Sequence[tuple[str, str]] = ()
    identity: IdentityReport | None = None
    previous: Sequence[Condition] = field(default_factory=tuple)


def counters(outcomes: Mapping[str, tuple[int, int]], lost: Mapping[str, int]) -> Counters:
    """seen = stored + set aside + lost."""
    dropped = {reason: outcomes[reason] for reason in LOST if reason in outcomes}
    dropped |= {reason: (packets, 0) for reason, packets in lost.items()}
    aside = {r: n for r, n in outcomes.items() if r not in LOST and r != "stored"}
    every = [outcomes.get("stored", (0, 0)), *dropped.values(), *aside.values()]
    stored = outcomes.get("stored", (0, 0))
    return Counters(
        seen=Counted(packets=sum(p for p, _ in every), bytes=sum(b for _, b in every)),
        stored=Counted(packets=stored[0], bytes=stored[1]),
        set_aside=_reasons(aside),
        lost=_reasons(dropped),
    )


def signals_report(signals: KernelSignals) -> SignalsReport | None:
    """Which kernel signals there are; None while nothing is observed."""
    if not (signals.active or signals.refused):
        return None
    return SignalsReport(
        active=list(signals.active),
        refused=[RefusedSignal(signal=name, reason=reason[:512]) for name, reason in signals.refused.items()],
        lost=signals.lost,
        unmatched=signals.unmatched,
    )


def _reasons(counted: Mapping[str, tuple[int, int]]) -> list[CountedReason]:
    return [
        CountedReason(reason=reason, packets=packets, bytes=octets)
        for reason, (packets, octets) in sorted(counted.items())
        if packets
    ]


def _issues(pairs: Iterable[tuple[str, str]], limit: int) -> list[Issue]:
    return [Issue(reason=reason[:64], message=message[:512]) for reason, message in list(pairs)[:limit]]


def report(s: Situation) -> NodeProbeStatus:
    """The status to publish."""
    kinds = Counter(hook.kind for hook in {(h.interface.key, h.kind): h for h in s.hooks}.values())
    names = sorted({hook.interface.name for hook in s.hooks})
    least, most = _PEERS_PER_OBSERVATION
    peers = max(least, min(most, _PEERS // max(len(s.observations), 1)))
    return NodeProbeStatus(
        observed_generation=s.generation,
        plan_hash=s.plan_hash,
        heartbeat_time=s.now,
        version=s.version,
        capture=CaptureReport(
            rung=s.rung,
            refused=[Refused(rung=r.rung, reason=r.reason[:512]) for r in s.refused],
            hooks=[HookCount(kind=kind, interfaces=count) for kind, count in sorted(kinds.items())],
            interfaces=names[:20],
            signals=s.signals,
        ),
        counters=counters(s.outcomes, s.lost),
        overhead=ProbeOverhead(
            cpu_millis=round(s.cpu_millis, 1),
            ns_per_packet=None if s.ns_per_packet is None else round(s.ns_per_packet, 1),
            memory_bytes=s.memory_bytes,
        ),
        identity=s.identity,
        observations=[_observation(planned, measured, peers) for planned, measured in s.observations],
        issues=_issues(s.issues, _ISSUES),
        conditions=transition(s.previous, _conditions(s)),
    )


def _observation(planned: PlannedObservation, m: Measured, peers: int) -> ObservationReport:
    return ObservationReport(
        namespace=planned.namespace,
        name=planned.name,
        uid=planned.uid,
        generation=planned.generation,
        matched_pods=m.matched_pods,
        attached_pods=m.attached_pods,
        host_network_pods=m.host_network_pods,
        window_s=round(m.rates.window_s, 1),
        flows_per_second=round(m.rates.flows, 2),
        packets_per_second=round(m.rates.packets, 1),
        bytes_per_second=round(m.rates.bytes, 1),
        segments_per_second=round(m.rates.segments, 1),
        retransmits_per_second=round(m.rates.retransmits, 3),
        drops=m.drops,
        live_flows=m.live_flows,
        total=Counted(packets=m.packets, bytes=m.bytes),
        series=m.series,
        overflowed_flows=m.overflowed_flows,
        calls=m.calls,
        top_peers=[
            Peer(name=name[:256], bytes_per_second=round(rate, 1), flows=live)
            for name, rate, live in m.top_peers[:peers]
        ],
        effective=[_NOT_HOST_NETWORK] if m.host_network_pods else [],
        issues=_issues(m.issues, _ISSUES_PER_OBSERVATION),
    )


def _conditions(s: Situation) -> list[Condition]:
    if s.rung == "none":
        why = "; ".join(f"{r.rung}: {r.reason}" for r in s.refused) or "no capture was asked for"
        capturing = (False, "NoCapture", f"no rung of the capture ladder works here: {why}")
    elif s.hooks:
        capturing = (True, "Attached", f"{len({h.interface.key for h in s.hooks})} interfaces by {s.rung}")
    elif any(m.matched_pods > m.host_network_pods for _, m in s.observations):
        capturing = (False, "NothingAttached", "the plan selects pods of this node, and none could be attached")
    else:
        capturing = (False, "NothingSelected", "the plan selects no pod of this node that has a network of its own")
    behind = [
        f"{o.namespace}/{o.name}" for o, m in s.observations if m.attached_pods + m.host_network_pods < m.matched_pods
    ]
    if s.rung == "none":
        ready = capturing
    elif behind:
        ready = (False, "PodsNotAttached", f"not every pod could be attached for {', '.join(behind[:5])}")
    else:
        ready = (True, "PlanInUse", f"plan {s.plan_hash or '(empty)'} is in use")
    return [
        condition("Capturing", *capturing, generation=s.generation, now=s.now),
        condition("Ready", *ready, generation=s.generation, now=s.now),
    ]
