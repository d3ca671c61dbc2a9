"""NodeProbe: one per node. Its spec is the plan that the operator wrote; its status is the probe's report."""

import hashlib
import json
from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import Field

from weir_api.base import STORED_AS_IT_IS, DnsName, Model, Time
from weir_api.conditions import Condition
from weir_api.flowobservation import CallLogs, Downgrade, FlowLogs, Peer, Percent, Protocols, Redaction
from weir_api.l7protocol import L7ProtocolSpec
from weir_api.metric_labels import MAX_VALUE, MetricLabel
from weir_api.selector import Selector

#: Observations that a flow's slot in the kernel has bits for.
MAX_OBSERVATIONS: Final = 64
#: Seconds between reports where nothing else is asked for.
REPORT_INTERVAL_S: Final = 10


class PlannedCalls(Model):
    """What is wanted of the application calls of an observation's flows."""

    metrics: bool = Field(False, description="Whether call metrics are exported.")
    logs: CallLogs | None = Field(None, description="Call records, where asked for: the mode is never Off.")
    protocols: Protocols = Field(Protocols(), description="Which application protocols are looked for.")
    redaction: Redaction = Field(Redaction(), description="What is removed on the node, beyond what always is.")
    logged_percent: Percent = Field(100, description="Share of calls kept in call records.")


Carried = Annotated[dict[MetricLabel, Annotated[str, Field(max_length=MAX_VALUE)]], Field(max_length=16)]


class PlannedObservation(Model):
    """One FlowObservation as a node needs it: the selector to resolve there, and what to produce."""

    namespace: DnsName = Field(description="Namespace of the FlowObservation.")
    name: DnsName = Field(description="Name of the FlowObservation.")
    uid: Annotated[str, Field(max_length=64)] = Field(description="Its UID.")
    generation: int = Field(ge=0, description="The generation of its spec.")
    namespaces: list[DnsName] = Field(max_length=1024, description="Namespaces whose pods the selector is asked about.")
    selector: Selector = Field(description="Whose flows.")
    metrics: bool = Field(True, description="Whether network metrics are exported.")
    max_series: int = Field(2000, ge=1, description="Bound on the Prometheus series of this observation.")
    labels: list[MetricLabel] = Field(
        default_factory=list, max_length=16, description="What of the pods and their namespaces its metrics carry."
    )
    namespace_labels: dict[DnsName, Carried] = Field(
        default_factory=dict, max_length=1024, description="What `namespaces` have of `labels`: a probe reads none."
    )
    flow_logs: FlowLogs | None = Field(None, description="Flow records, where asked for.")
    calls: PlannedCalls | None = Field(
        None, description="Application calls, where asked for: payload is read only then."
    )


class PlannedProtocol(Model):
    """An application protocol that an observation of the plan needs."""

    name: DnsName = Field(description="Name of the L7Protocol.")
    spec: L7ProtocolSpec = Field(description="Its definition.")


class NodeProbeSpec(Model):
    """The plan of one node."""

    model_config = STORED_AS_IT_IS

    observations: list[PlannedObservation] = Field(
        default_factory=list,
        max_length=MAX_OBSERVATIONS,
        description="What this node observes, by namespace and name.",
    )
    protocols: list[PlannedProtocol] = Field(
        default_factory=list, max_length=256, description="Protocols that they need."
    )
    plan_hash: Annotated[str, Field(max_length=64)] = Field("", description="Hash of the observations and protocols.")
    report_interval_s: int = Field(
        REPORT_INTERVAL_S,
        ge=1,
        le=3600,
        description="Seconds between reports while nothing but numbers changes; longer where there are many nodes.",
    )


def plan(
    observations: Iterable[PlannedObservation],
    protocols: Iterable[PlannedProtocol] = (),
    report_interval_s: int = REPORT_INTERVAL_S,
) -> NodeProbeSpec:
    """A plan with its hash; the same content in any order gives the same plan. The interval is not in the hash: it
    changes nothing of what is observed."""
    ordered = sorted(observations, key=lambda o: (o.namespace, o.name))
    needed = sorted(protocols, key=lambda p: p.name)
    content = json.dumps([[o.wire() for o in ordered], [p.wire() for p in needed]], sort_keys=True)
    return NodeProbeSpec(
        observations=ordered,
        protocols=needed,
        plan_hash=hashlib.sha256(content.encode()).hexdigest()[:16],
        report_interval_s=report_interval_s,
    )


class Counted(Model):
    """Packets and bytes (L2)."""

    packets: int = Field(0, ge=0, description="Packets.")
    bytes: int = Field(0, ge=0, description="Bytes.")


class CountedReason(Model):
    """Packets and bytes with a reason."""

    reason: Annotated[str, Field(max_length=64)] = Field(description="Why.")
    packets: int = Field(ge=0, description="Packets.")
    bytes: int = Field(ge=0, description="Bytes.")


class Counters(Model):
    """What became of every packet that the hooks saw, since the probe started: seen = stored + set aside + lost."""

    seen: Counted = Field(Counted(), description="All that the hooks saw.")
    stored: Counted = Field(Counted(), description="Counted in a flow.")
    set_aside: list[CountedReason] = Field(
        default_factory=list,
        max_length=16,
        description="Not to be counted: not IP, not selected, counted on another interface.",
    )
    lost: list[CountedReason] = Field(default_factory=list, max_length=32, description="Should have been counted.")


class HookCount(Model):
    """Hooks of one kind that are attached now."""

    kind: Annotated[str, Field(max_length=32)] = Field(description="tcx, clsact or af_packet.")
    interfaces: int = Field(ge=0, description="Interfaces that have them.")


class Refused(Model):
    """A rung of the capture ladder that was not taken."""

    rung: Annotated[str, Field(max_length=32)] = Field(description="Which.")
    reason: Annotated[str, Field(max_length=512)] = Field(description="Why.")


class RefusedSignal(Model):
    """A kernel signal that could not be had."""

    signal: Annotated[str, Field(max_length=32)] = Field(description="Which: a tracepoint of the kernel.")
    reason: Annotated[str, Field(max_length=512)] = Field(description="Why.")


class SignalsReport(Model):
    """What the kernel's TCP tells of observed flows beside their packets (docs/capture.md)."""

    active: list[Annotated[str, Field(max_length=32)]] = Field(
        default_factory=list, max_length=16, description="Signals in use, by the tracepoint that each is."
    )
    refused: list[RefusedSignal] = Field(
        default_factory=list, max_length=16, description="Those that are not, and why."
    )
    lost: int = Field(0, ge=0, description="Signals that found no room.")
    unmatched: int = Field(0, ge=0, description="Signals of observed pods that were of no flow in the table.")


class CaptureReport(Model):
    """How packets are captured."""

    rung: Annotated[str, Field(max_length=32)] = Field(description="core, bcc, afpacket or none.")
    refused: list[Refused] = Field(default_factory=list, max_length=8, description="Better rungs, and why not.")
    hooks: list[HookCount] = Field(default_factory=list, max_length=8, description="What is attached.")
    interfaces: list[Annotated[str, Field(max_length=64)]] = Field(
        default_factory=list, max_length=20, description="Watched interfaces, the first twenty by name."
    )
    signals: SignalsReport | None = Field(None, description="Kernel signals; absent: nothing is observed.")


class ProbeOverhead(Model):
    """What the probe costs on this node."""

    cpu_millis: float = Field(
        0, ge=0, description="Thousandths of a core: its own process and its programs in the kernel."
    )
    ns_per_packet: float | None = Field(None, ge=0, description="Kernel time per packet; absent: not measured.")
    memory_bytes: int = Field(0, ge=0, description="Resident memory of the process.")


class IdentityReport(Model):
    """Where the probe learns who is behind addresses."""

    source: Annotated[str, Field(max_length=16)] = Field(
        description="Feed: the operator's interest feed; Node: this node's pods alone; Host: all workloads of a host."
    )
    connected: bool = Field(description="Whether answers come now; the last ones stay while not.")
    since: Time | None = Field(None, description="Since when `connected` is as it is.")
    addresses: int = Field(0, ge=0, description="Addresses that are asked for, because observed flows have them.")
    unanswered: int = Field(0, ge=0, description="Of these, the ones without an answer yet.")
    beyond_limit: int = Field(
        0, ge=0, description="Flows whose address found no room to be asked for; they count for its class."
    )
    identities: int = Field(0, ge=0, description="Pods, Services and Nodes that have these addresses.")
    selectors: int = Field(0, ge=0, description="Observations whose peers are asked for.")


class Issue(Model):
    """Something wrong on this node."""

    reason: Annotated[str, Field(max_length=64)] = Field(description="What, for programs.")
    message: Annotated[str, Field(max_length=512)] = Field(description="What, for people.")


#: Buckets of latencies: four for each power of two (schema 2 of Prometheus' native histograms), from the one that ends
#: at 2^(1/4 - 20) s, which is 1.1 µs, to the one that ends at 64 s, beyond any time-out.
LATENCY_STEPS: Final = 4
LATENCY_BUCKETS: Final = 104
LATENCY_LEAST_EXPONENT: Final = -20


class LatencyReport(Model):
    """Latencies of calls, as counts in buckets that add up over nodes.

    Bucket i has the latencies of more than 2^(i/4 - 20) s, up to 2^((i+1)/4 - 20) s: any quantile is known to within
    19 %. The first bucket has the shorter ones too, the last the longer ones.
    """

    first: int = Field(ge=0, le=LATENCY_BUCKETS - 1, description="The bucket that `counts` begins with.")
    counts: list[Annotated[int, Field(ge=0)]] = Field(
        max_length=LATENCY_BUCKETS, description="Calls in this bucket, and in those that follow it."
    )


class CallsReport(Model):
    """The calls of one observation on this node over the last window."""

    requests_per_second: float = Field(0, ge=0, description="Calls per second.")
    errors_per_second: float = Field(
        0, ge=0, description="Of these, the ones that failed: errors of client and server, time-outs."
    )
    latency: LatencyReport | None = Field(None, description="Latencies of those that had a response.")
    total: int = Field(0, ge=0, description="Calls since the probe knows this observation.")
    overflowed: int = Field(0, ge=0, description="Calls counted in the overflow series, beyond maxSeries.")


class ObservationReport(Model):
    """What one observation measured on this node over the last window."""

    namespace: DnsName = Field(description="Namespace of the FlowObservation.")
    name: DnsName = Field(description="Its name.")
    uid: Annotated[str, Field(max_length=64)] = Field(description="Its UID.")
    generation: int = Field(ge=0, description="The generation that is in use.")
    matched_pods: int = Field(0, ge=0, description="Pods of this node that its selector matches.")
    attached_pods: int = Field(0, ge=0, description="Of these, the ones whose interfaces are watched.")
    host_network_pods: int = Field(
        0, ge=0, description="Of the matched, those on the node's network (hostNetwork): they are not watched."
    )
    window_s: float = Field(0, ge=0, description="Length of the window in seconds.")
    flows_per_second: float = Field(0, ge=0, description="New flows per second.")
    packets_per_second: float = Field(0, ge=0, description="Packets per second.")
    bytes_per_second: float = Field(0, ge=0, description="Bytes per second (L2).")
    segments_per_second: float = Field(0, ge=0, description="TCP segments per second.")
    retransmits_per_second: float = Field(0, ge=0, description="Of these, the ones sent again.")
    drops: int | None = Field(
        None, ge=0, description="Packets that the kernel dropped in the window; absent: it does not tell."
    )
    live_flows: int = Field(0, ge=0, description="Flows in the table.")
    total: Counted = Field(Counted(), description="Since the probe knows this observation.")
    series: int = Field(0, ge=0, description="Prometheus series in use.")
    overflowed_flows: int = Field(0, ge=0, description="Flows counted in the overflow series, beyond maxSeries.")
    calls: CallsReport | None = Field(None, description="Application calls, where they are asked for.")
    top_peers: list[Peer] = Field(default_factory=list, max_length=10, description="The peers with most traffic.")
    effective: list[Downgrade] = Field(default_factory=list, max_length=16, description="What was downgraded.")
    issues: list[Issue] = Field(default_factory=list, max_length=5, description="What is wrong with it here.")


class NodeProbeStatus(Model):
    """The probe's report."""

    model_config = STORED_AS_IT_IS

    observed_generation: int | None = Field(None, description="The generation of the spec that this is about.")
    plan_hash: Annotated[str, Field(max_length=64)] | None = Field(None, description="The plan in use.")
    heartbeat_time: Time | None = Field(None, description="When the probe last reported.")
    version: Annotated[str, Field(max_length=64)] | None = Field(None, description="Version of the probe.")
    capture: CaptureReport | None = Field(None, description="How packets are captured.")
    counters: Counters | None = Field(None, description="What became of every packet.")
    overhead: ProbeOverhead | None = Field(None, description="What it costs.")
    identity: IdentityReport | None = Field(None, description="Where names of peers come from.")
    observations: list[ObservationReport] = Field(
        default_factory=list, max_length=MAX_OBSERVATIONS, description="What each observation measured."
    )
    issues: list[Issue] = Field(default_factory=list, max_length=10, description="What is wrong on this node.")
    conditions: list[Condition] = Field(default_factory=list, max_length=8, description="Capturing, Ready.")


class NodeProbe(Model):
    """The plan and the report of one node; named after it. Written by Weir, not by users."""

    spec: NodeProbeSpec = Field(NodeProbeSpec())
    status: NodeProbeStatus | None = None
