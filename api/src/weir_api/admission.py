"""What the fields' types cannot say: specs that contradict themselves, and fields whose feature is not there yet.

Some of it the API server checks too, by the CEL rules of the CRD; `weir up` reads files, and has only this.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from weir_api.base import seconds
from weir_api.flowobservation import (
    CallLogMode,
    FlowObservationSpec,
    Packets,
    PolicyAudit,
    Protocols,
    Redaction,
    Sampling,
    Tls,
    Traces,
)
from weir_api.metric_labels import prometheus_name
from weir_api.selector import LabelSelector, Operator, Peers

#: Ten years: beyond any use, and well within what a date can hold.
LONGEST_DURATION_S: Final = 3650 * 86400


@dataclass(frozen=True, slots=True)
class Problem:
    """A field that keeps a spec from being accepted, and what to do about it."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def contradictions(spec: FlowObservationSpec) -> list[Problem]:
    """Fields that exclude each other, or that can never match."""
    found: list[Problem] = []
    selector = spec.selector
    kinds = [name for name in ("pod_selector", "workloads", "all") if getattr(selector, name) is not None]
    if len(kinds) != 1 or selector.all is False:
        found.append(Problem("spec.selector", "give exactly one of podSelector, workloads and all: true"))
    peers = selector.peers
    if peers is not None:
        found.extend(_peer_contradictions(peers, everywhere=selector.namespace_selector is not None))
    for path, labels in (
        ("spec.selector.podSelector", selector.pod_selector),
        ("spec.selector.namespaceSelector", selector.namespace_selector),
        ("spec.selector.peers.podSelector", peers.pod_selector if peers else None),
    ):
        if labels is not None:
            found.extend(_label_contradictions(path, labels))
    if spec.duration is not None:
        if spec.schedule is not None:
            found.append(Problem("spec.schedule", "duration and schedule exclude each other; remove one of them"))
        if not 0 < seconds(spec.duration) <= LONGEST_DURATION_S:
            found.append(
                Problem("spec.duration", "must be longer than zero and at most 3650d; leave it out to run for ever")
            )
    logs = spec.signals.flow_logs
    if logs is not None and not 1 <= seconds(logs.interval) <= 86400:
        found.append(Problem("spec.signals.flowLogs.interval", "must be at least 1s and at most 1d"))
    found.extend(_call_contradictions(spec))
    found.extend(_same_metric_labels(spec.signals.metrics.labels or ()))
    return found


def _call_contradictions(spec: FlowObservationSpec) -> Iterator[Problem]:
    """What would have no effect on calls, or leave none."""
    logs = spec.signals.call_logs
    mode = logs.mode if logs is not None else CallLogMode.OFF
    if logs is not None and logs.slower_than is not None:
        field = "spec.signals.callLogs.slowerThan"
        if mode is not CallLogMode.ERRORS_AND_SLOW:
            yield Problem(field, "needs mode: ErrorsAndSlow; set the mode or remove slowerThan")
        elif not 0 < seconds(logs.slower_than) <= 86400:
            yield Problem(field, "must be longer than zero and at most 1d")
    if mode is CallLogMode.OFF:
        if spec.sampling is not None and spec.sampling.calls_percent != Sampling().calls_percent:
            yield Problem(
                "spec.sampling.callsPercent",
                "is the share of calls that signals.callLogs keeps, which is Off; set its mode or remove the field",
            )
        if not spec.signals.metrics.l7:
            for field, given in (
                ("protocols", spec.protocols not in (None, Protocols())),
                ("redaction", spec.redaction not in (None, Redaction())),
            ):
                if given:
                    yield Problem(
                        f"spec.{field}",
                        "has no effect while no call is read; set signals.metrics.l7 or signals.callLogs, or remove it",
                    )
    if spec.protocols is not None:
        yield from _protocol_contradictions(spec.protocols)


def _protocol_contradictions(protocols: Protocols) -> Iterator[Problem]:
    fixed: dict[int, str] = {}
    for number, entry in enumerate(protocols.ports or ()):
        field = f"spec.protocols.ports[{number}]"
        if fixed.setdefault(entry.port, entry.protocol) != entry.protocol:
            yield Problem(field, f"port {entry.port} is {fixed[entry.port]} already; remove one of them")
        if protocols.include is not None and entry.protocol not in protocols.include:
            yield Problem(field, f"protocols.include leaves {entry.protocol} out; add it there or remove the port")
    if not protocols.detect and not fixed:
        yield Problem("spec.protocols.detect", "false finds nothing without ports; give ports or remove the field")
    if protocols.include == []:
        yield Problem("spec.protocols.include", "is empty, which leaves no protocol; name some or remove the field")


def _same_metric_labels(entries: Sequence[str]) -> Iterator[Problem]:
    """A metric has each label once."""
    first: dict[str, str] = {}
    for number, entry in enumerate(entries):
        name = prometheus_name(entry)
        if name in first:
            yield Problem(
                f"spec.signals.metrics.labels[{number}]",
                f"{entry} and {first[name]} are both the label {name} in Prometheus; keep one of them",
            )
        first.setdefault(name, entry)


def _peer_contradictions(peers: Peers, *, everywhere: bool) -> Iterator[Problem]:
    """`everywhere`: the observation has pods in namespaces that are found by label."""
    if not peers.names_pods and peers.cidrs is None:
        yield Problem("spec.selector.peers", "give at least one of podSelector, workloads, namespaces and cidrs")
    if everywhere and peers.names_pods and peers.namespaces is None:
        yield Problem(
            "spec.selector.peers.namespaces",
            "must say where podSelector and workloads look for peers: with namespaceSelector the observation's own "
            "namespace is not meant",
        )


def _label_contradictions(path: str, selector: LabelSelector) -> Iterator[Problem]:
    """Requirements on one key that no pod can meet together."""
    allowed: dict[str, set[str]] = {key: {value} for key, value in (selector.match_labels or {}).items()}
    forbidden: dict[str, set[str]] = {}
    present: set[str] = set(allowed)
    absent: set[str] = set()
    for number, requirement in enumerate(selector.match_expressions or ()):
        key, values = requirement.key, set(requirement.values or ())
        if (requirement.operator in (Operator.IN, Operator.NOT_IN)) != bool(values):
            yield Problem(
                f"{path}.matchExpressions[{number}].values", "must be given with operator In or NotIn, and only then"
            )
        elif requirement.operator is Operator.IN:
            allowed[key] = allowed.get(key, values) & values
            present.add(key)
        elif requirement.operator is Operator.NOT_IN:
            forbidden.setdefault(key, set()).update(values)
        elif requirement.operator is Operator.EXISTS:
            present.add(key)
        else:
            absent.add(key)
    for key in sorted(present & absent):
        yield Problem(path, f"label {key} is required and must be absent: no pod can match; remove one requirement")
    for key, values in sorted(allowed.items()):
        if not values - forbidden.get(key, set()):
            yield Problem(path, f"the requirements on label {key} leave no value: no pod can match; remove one of them")


def not_supported_yet(spec: FlowObservationSpec) -> list[Problem]:
    """Fields that the contract has and this version does not honour. Never accepted and ignored.

    A feature that is off, and has nothing set that would only matter when on, is not asked for.
    """
    signals = spec.signals
    asked = {
        "spec.signals.traces": signals.traces not in (None, Traces()),
        "spec.signals.packets": signals.packets not in (None, Packets()),
        "spec.signals.policyAudit": signals.policy_audit not in (None, PolicyAudit()),
        "spec.tls": spec.tls not in (None, Tls()),
        "spec.sampling.flowsPercent": spec.sampling is not None
        and spec.sampling.flows_percent != Sampling().flows_percent,
        "spec.filters": spec.filters is not None,
        "spec.retention": spec.retention is not None,
        "spec.thresholds": bool(spec.thresholds),
        "spec.budget": spec.budget is not None,
        "spec.schedule": spec.schedule is not None,
    }
    return [
        Problem(field, "not supported yet by this version; remove the field") for field, given in asked.items() if given
    ]


#: The fields of a FlowObservation's spec, as dotted paths without `spec.`, that this version honours, each with all
#: that is below it. A test asserts that every other field is refused by `not_supported_yet`.
HONOURED: Final = frozenset(
    {
        "selector.podSelector",
        "selector.workloads",
        "selector.all",
        "selector.namespaceSelector",
        "selector.peers",
        "selector.ports",
        "selector.direction",
        "signals.metrics.l4",
        "signals.metrics.l7",
        "signals.metrics.maxSeries",
        "signals.metrics.labels",
        "signals.flowLogs",
        "signals.callLogs",
        "protocols",
        "redaction",
        "sampling.callsPercent",
        "duration",
        "paused",
    }
)
