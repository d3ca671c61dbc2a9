"""FlowObservation: what a user asks to be observed, and what they read back."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from weir_api.base import Duration, LabelKey, Model, Time, rules
from weir_api.conditions import Condition
from weir_api.metric_labels import MetricLabel
from weir_api.selector import Direction, Selector

Percent = Annotated[float, Field(ge=0, le=100)]
Short = Annotated[str, Field(max_length=256)]


class MetricsSignal(Model):
    """Prometheus metrics of the selected workloads."""

    l4: bool = Field(True, description="Network metrics: packets, bytes, connections, live flows.")
    l7: bool = Field(False, description="Application metrics: requests, errors, latency per protocol and endpoint.")
    labels: list[MetricLabel] | None = Field(
        None,
        max_length=16,
        description="Labels and annotations of the observed pods to carry, as pod/<label>, namespace/<label>, "
        "pod-annotation/<annotation> or namespace-annotation/<annotation>.",
    )
    max_series: Annotated[int, Field(ge=1, le=100_000)] = Field(
        2000, description="Series per node and observation; what exceeds it is summed in one overflow series."
    )


class FlowLogMode(StrEnum):
    ALL = "All"
    OFF = "Off"


class FlowLogs(Model):
    """One record per flow when it ends, and one per interval while it is open."""

    mode: FlowLogMode = Field(FlowLogMode.OFF, description="All or Off.")
    interval: Duration = Field("60s", description="How often an open flow is recorded.")


class CallLogMode(StrEnum):
    ALL = "All"
    ERRORS_AND_SLOW = "ErrorsAndSlow"
    OFF = "Off"


#: From which latency a call counts as slow, where callLogs.slowerThan is left out.
SLOW: Final = "1s"


class CallLogs(Model):
    """One record per application call."""

    model_config = rules(
        (
            "!has(self.slowerThan) || self.mode == 'ErrorsAndSlow'",
            "slowerThan needs mode: ErrorsAndSlow; set the mode or remove slowerThan",
        )
    )
    mode: CallLogMode = Field(
        CallLogMode.OFF,
        description="All; ErrorsAndSlow: calls that failed, timed out, or took at least slowerThan; or Off.",
    )
    slower_than: Duration | None = Field(
        None, description=f"From which latency a call counts as slow, with mode ErrorsAndSlow; left out: {SLOW}."
    )


class Traces(Model):
    """Spans made of calls, joined by the trace context that the calls carry."""

    enabled: bool = Field(False, description="Whether spans are exported.")
    sample_percent: Percent = Field(100, description="Share of traces kept, decided by trace id.")


class Packets(Model):
    """Packet sequences: one row per packet, without payload unless asked for."""

    enabled: bool = Field(False, description="Whether packets are recorded.")
    snap_bytes: Annotated[int, Field(ge=0, le=65535)] = Field(0, description="Payload bytes kept of each packet.")


class PolicyAudit(Model):
    """Verdicts of network policies on the observed flows."""

    enabled: bool = Field(False, description="Whether verdicts are recorded.")


class Signals(Model):
    """What is produced."""

    metrics: MetricsSignal = Field(MetricsSignal(), description="Prometheus metrics.")
    flow_logs: FlowLogs | None = Field(None, description="Flow records.")
    call_logs: CallLogs | None = Field(None, description="Call records.")
    traces: Traces | None = Field(None, description="Traces.")
    packets: Packets | None = Field(None, description="Packet sequences.")
    policy_audit: PolicyAudit | None = Field(None, description="Network policy verdicts.")


class PortProtocol(Model):
    """An application protocol fixed for a port."""

    port: Annotated[int, Field(ge=1, le=65535)] = Field(description="Server port.")
    protocol: Annotated[str, Field(max_length=63)] = Field(description="Name of the protocol, such as redis.")


class Protocols(Model):
    """Which application protocols are looked for."""

    detect: bool = Field(True, description="Find the protocol by content; without it, only `ports` are read.")
    include: list[Annotated[str, Field(max_length=63)]] | None = Field(
        None, max_length=64, description="Only these protocols, by name; left out: all."
    )
    ports: list[PortProtocol] | None = Field(None, max_length=64, description="Protocols fixed by port.")


class Tls(Model):
    """Reading TLS plaintext at the libraries' functions; every use costs the application some microseconds."""

    plaintext: bool = Field(False, description="Whether plaintext is read.")


class Redaction(Model):
    """What is removed before anything leaves the node, beyond what always is."""

    headers: list[Annotated[str, Field(max_length=128)]] | None = Field(
        None, max_length=64, description="Header names whose values are removed."
    )
    query_parameters: list[Annotated[str, Field(max_length=128)]] | None = Field(
        None, max_length=64, description="Query parameters whose values are removed."
    )


class Sampling(Model):
    """Shares of calls and flows kept in logs; metrics always count everything."""

    calls_percent: Percent = Field(100, description="Share of calls kept, decided once per call.")
    flows_percent: Percent = Field(100, description="Share of flows kept, decided once per flow.")


class Filters(Model):
    """What is kept out of logs although it is selected."""

    exclude_health_checks: bool = Field(False, description="Leave out calls of kubelet probes.")
    exclude_endpoints: list[Short] | None = Field(None, max_length=64, description="Leave out these endpoints.")


class Retention(Model):
    """How long the store keeps what this observation produced."""

    flow_logs: Duration | None = Field(None, description="Flow records.")
    call_logs: Duration | None = Field(None, description="Call records.")
    packets: Duration | None = Field(None, description="Packet sequences.")


class ThresholdOperator(StrEnum):
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    LESS = "<"
    LESS_OR_EQUAL = "<="


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Threshold(Model):
    """A condition on a measured value that fires an Event when it holds for some time."""

    name: Annotated[str, Field(max_length=63)] = Field(description="Name, unique in the observation.")
    metric: Annotated[str, Field(max_length=63)] = Field(description="What is compared, e.g. calls.p99.")
    op: ThresholdOperator = Field(description="How it is compared.")
    value: Annotated[str, Field(max_length=32)] = Field(description="With what: a number, a percentage or a duration.")
    for_: Duration = Field("1m", alias="for", description="For how long it must hold.")
    severity: Severity = Field(Severity.WARNING, description="How bad it is.")


class OnExceed(StrEnum):
    DEGRADE = "Degrade"
    PAUSE = "Pause"
    REPORT = "Report"


class Budget(Model):
    """What observing may cost."""

    cpu_millis_per_node: Annotated[int, Field(ge=1)] | None = Field(None, description="Thousandths of a core.")
    memory: Annotated[str, Field(max_length=32)] | None = Field(None, description="Memory per node, e.g. 64Mi.")
    max_loss_percent: Percent | None = Field(None, description="Loss above which the budget counts as exceeded.")
    on_exceed: OnExceed = Field(OnExceed.DEGRADE, description="What happens then.")


class Schedule(Model):
    """When the observation is active."""

    cron: Annotated[str, Field(max_length=128)] = Field(description="When it starts, in cron syntax.")
    duration: Duration = Field(description="How long it then runs.")


class FlowObservationSpec(Model):
    """What is observed, what is produced, and within which bounds."""

    model_config = rules(
        ("!(has(self.duration) && has(self.schedule))", "duration and schedule exclude each other; give one of them")
    )
    selector: Selector = Field(description="Whose flows are observed.")
    signals: Signals = Field(Signals(), description="What is produced.")
    protocols: Protocols | None = Field(None, description="Which application protocols are looked for.")
    tls: Tls | None = Field(None, description="TLS plaintext.")
    redaction: Redaction | None = Field(None, description="What is removed on the node.")
    sampling: Sampling | None = Field(None, description="Shares kept in logs.")
    filters: Filters | None = Field(None, description="What is kept out of logs.")
    retention: Retention | None = Field(None, description="How long results are kept.")
    thresholds: list[Threshold] | None = Field(
        None,
        max_length=32,
        description="Values to watch.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    budget: Budget | None = Field(None, description="What observing may cost.")
    duration: Duration | None = Field(None, description="How long after its creation the observation runs.")
    schedule: Schedule | None = Field(None, description="When it is active.")
    paused: bool = Field(False, description="Detach everything, keep the resource.")


class Matched(Model):
    """What the selector matches now."""

    pods: int = Field(0, ge=0, description="Pods selected.")
    nodes: int = Field(0, ge=0, description="Nodes that run them.")
    programmed_nodes: int = Field(0, ge=0, description="Nodes whose probe reports this plan in use.")


class Summary(Model):
    """What the probes measured over the last window, summed over nodes. Absent: not measured."""

    window: Duration | None = Field(None, description="Length of the window.")
    flows_per_second: float | None = Field(None, description="New flows per second.")
    packets_per_second: float | None = Field(None, description="Packets per second.")
    bytes_per_second: float | None = Field(None, description="Bytes per second (L2).")
    requests_per_second: float | None = Field(None, description="Application calls per second.")
    error_percent: float | None = Field(None, description="Share of calls that failed.")
    p50: Short | None = Field(None, description="Median latency of calls.")
    p99: Short | None = Field(None, description="99th percentile of the latency of calls.")
    retransmit_percent: float | None = Field(None, description="Share of TCP segments sent again.")
    drops: int | None = Field(None, description="Packets that the kernel dropped.")


class Quality(Model):
    """How far the numbers can be trusted."""

    loss_percent: float | None = Field(None, description="Packets seen and not counted, of those seen.")
    series: int | None = Field(None, description="Prometheus series in use, over all nodes.")


class ObservationOverhead(Model):
    """What the probes cost on the matched nodes."""

    cpu_millis: float | None = Field(None, description="Thousandths of a core, the worst node.")
    ns_per_packet: float | None = Field(
        None, description="Kernel time per packet, the worst node; absent: not measured."
    )


class Peer(Model):
    """A peer by volume."""

    name: Short = Field(
        description="namespace/workload, namespace/service/name, node/name, or a class: node, cluster, external."
    )
    bytes_per_second: float = Field(description="Bytes per second, both ways.")
    flows: int = Field(description="Live flows.")


class Downgrade(Model):
    """Something that is done less well than asked, and why."""

    field: Short = Field(description="Path of the field.")
    effective: Short = Field(description="What is in force instead.")
    reason: Short = Field(description="Why.")
    nodes: int = Field(description="On how many nodes.")


class NodeIssue(Model):
    """Something wrong on a node."""

    node: Annotated[str, Field(max_length=253)] = Field(description="Name of the node.")
    reason: Annotated[str, Field(max_length=64)] = Field(description="What is wrong, for programs.")
    message: Annotated[str, Field(max_length=512)] = Field(description="What is wrong, for people.")


class FlowObservationStatus(Model):
    """What a user reads back."""

    observed_generation: int | None = Field(None, description="The generation this status is about.")
    conditions: list[Condition] = Field(
        default_factory=list,
        max_length=16,
        description="Accepted, Programmed, DataFlowing, WithinBudget, ThresholdsOK, Ready.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    matched: Matched | None = Field(None, description="What the selector matches.")
    effective: list[Downgrade] | None = Field(None, max_length=16, description="What was downgraded, and why.")
    summary: Summary | None = Field(None, description="What was measured.")
    quality: Quality | None = Field(None, description="How far it can be trusted.")
    overhead: ObservationOverhead | None = Field(None, description="What it costs.")
    top_peers: list[Peer] | None = Field(None, max_length=10, description="The peers with most traffic.")
    firing_thresholds: list[Short] | None = Field(None, max_length=32, description="Thresholds that hold now.")
    node_issues: list[NodeIssue] | None = Field(None, max_length=10, description="The worst nodes.")
    expires_at: Time | None = Field(None, description="When `duration` ends.")


class FlowObservation(Model):
    """Observes the flows of the workloads that it selects, and of nothing else."""

    spec: FlowObservationSpec
    status: FlowObservationStatus | None = None


__all__ = ["Direction", "FlowObservation", "FlowObservationSpec", "FlowObservationStatus", "LabelKey", "Selector"]
