"""From observations, pods and namespaces to the plan of each node."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from weir_api.flowobservation import CallLogMode, FlowLogMode, FlowObservationSpec, Protocols, Redaction, Sampling
from weir_api.metric_labels import of_namespace, values
from weir_api.nodeprobe import (
    MAX_OBSERVATIONS,
    REPORT_INTERVAL_S,
    NodeProbeSpec,
    PlannedCalls,
    PlannedObservation,
    plan,
)
from weir_api.selector import Selector, selects, selects_labels
from weir_operator.reconcile.resources import Key, Namespace, Observation, Pod

_CACHED_PLANS: Final = 4096
_NOTHING: Final[Mapping[str, str]] = {}


@dataclass(slots=True)
class Share:
    """What one node has of an observation's pods."""

    pods: int = 0
    #: Of these, the ones that a probe must have attached.
    running: int = 0
    #: Of these, what metrics carry of each.
    namespaces: dict[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an observation's pods are."""

    shares: Mapping[str, Share]

    @property
    def pods(self) -> int:
        return sum(share.pods for share in self.shares.values())


def effective_namespaces(
    observation: Observation, selector: Selector, namespaces: Mapping[str, Namespace]
) -> frozenset[str]:
    """Whose pods the selector is asked about: its own namespace's, or those that its namespaceSelector selects."""
    if selector.namespace_selector is None:
        return frozenset({observation.namespace})
    wanted = selector.namespace_selector
    return frozenset(name for name, namespace in namespaces.items() if selects_labels(wanted, namespace.labels))


def carried(
    spec: FlowObservationSpec, names: Iterable[str], namespaces: Mapping[str, Namespace]
) -> dict[str, Mapping[str, str]]:
    """What the metrics of an observation carry of each of these namespaces."""
    entries = [entry for entry in spec.signals.metrics.labels or () if of_namespace(entry)]
    if not entries:
        return dict.fromkeys(names, _NOTHING)
    known = ((name, namespaces.get(name, Namespace())) for name in names)
    return {name: values(entries, namespace.labels, namespace.annotations) for name, namespace in known}


def place(
    selector: Selector, namespaces: Mapping[str, Mapping[str, str]], pods: Iterable[Pod], nodes: Collection[str]
) -> Placement:
    """Where the pods that a selector, effective in `namespaces` (with what is `carried` of each), selects are; pods of
    unknown nodes are left out."""
    shares: dict[str, Share] = {}
    effective = frozenset(namespaces)
    for pod in pods:
        if pod.node in nodes and selects(selector, effective, pod.workload):
            share = shares.setdefault(pod.node, Share())
            share.pods += 1
            share.running += pod.running
            share.namespaces[pod.workload.namespace] = namespaces[pod.workload.namespace]
    return Placement(shares)


def planned(observation: Observation, namespaces: Mapping[str, Mapping[str, str]]) -> PlannedObservation:
    """An accepted observation as a node needs it.

    `namespaces` are only those that have pods on the node: a new namespace elsewhere leaves its plan as it is, and the
    list is bounded by the pods of a node.
    """
    spec = observation.spec
    if spec is None:
        raise ValueError(f"{observation.namespace}/{observation.name} was not accepted and has no plan")
    logs = spec.signals.flow_logs
    return PlannedObservation(
        namespace=observation.namespace,
        name=observation.name,
        uid=observation.uid,
        generation=observation.generation,
        namespaces=sorted(namespaces),
        selector=spec.selector,
        metrics=spec.signals.metrics.l4,
        max_series=spec.signals.metrics.max_series,
        labels=spec.signals.metrics.labels or [],
        namespace_labels={name: dict(found) for name, found in sorted(namespaces.items()) if found},
        flow_logs=logs if logs is not None and logs.mode is not FlowLogMode.OFF else None,
        calls=_planned_calls(spec),
    )


def _planned_calls(spec: FlowObservationSpec) -> PlannedCalls | None:
    """What is wanted of calls; None: nothing, so that no payload is read."""
    metrics, logs = spec.signals.metrics.l7, spec.signals.call_logs
    logged = logs is not None and logs.mode is not CallLogMode.OFF
    if not metrics and not logged:
        return None
    return PlannedCalls(
        metrics=metrics,
        logs=logs if logged else None,
        protocols=spec.protocols or Protocols(),
        redaction=spec.redaction or Redaction(),
        logged_percent=(spec.sampling or Sampling()).calls_percent,
    )


@dataclass(frozen=True, slots=True)
class Plans:
    """The plan of every node that needs one, and the nodes where an observation found no place, by its key."""

    specs: Mapping[str, NodeProbeSpec]
    refused: Mapping[Key, tuple[str, ...]]


class Planner:
    """Compiles plans, again only for the nodes where something has changed since the last time.

    Nodes with the same content share one plan, hashed once: clusters have few distinct ones.
    """

    def __init__(self) -> None:
        self._interval_s = 0
        self._placed: dict[Key, tuple[Observation, Placement]] = {}
        self._on_node: dict[str, dict[Key, tuple[Observation, Share]]] = {}
        self._specs: dict[str, NodeProbeSpec] = {}
        self._left_out: dict[str, list[Key]] = {}
        self._cache: dict[tuple[object, ...], NodeProbeSpec] = {}

    def compile(
        self, placed: Iterable[tuple[Observation, Placement]], report_interval_s: int = REPORT_INTERVAL_S
    ) -> Plans:
        """The plans of all nodes from the active observations and where their pods are.

        A node takes at most MAX_OBSERVATIONS, the oldest first. A Placement that has not changed is given as the same
        object again.
        """
        given = {observation.key: (observation, placement) for observation, placement in placed}
        changed: set[str] = set()
        for key in self._placed.keys() | given.keys():
            changed |= self._take(key, given.get(key))
        if report_interval_s != self._interval_s:
            self._interval_s = report_interval_s
            self._cache.clear()
            changed |= self._on_node.keys()
        for node in changed:
            self._compile(node)
        refused: dict[Key, list[str]] = {}
        for node, keys in self._left_out.items():
            for key in keys:
                refused.setdefault(key, []).append(node)
        return Plans(dict(self._specs), {key: tuple(sorted(nodes)) for key, nodes in refused.items()})

    def _take(self, key: Key, now: tuple[Observation, Placement] | None) -> set[str]:
        """Put an observation where its pods are now; the nodes for which that makes a difference."""
        before = self._placed.get(key)
        if now is None:
            self._placed.pop(key, None)
        else:
            self._placed[key] = now
        old = before[1].shares if before else {}
        new = now[1].shares if now else {}
        same = before is not None and now is not None and before[0].version == now[0].version
        if same and old is new:
            return set()
        changed = {
            node
            for node in old.keys() | new.keys()
            if not (same and node in old and node in new and old[node].namespaces == new[node].namespaces)
        }
        for node in changed:
            if now is not None and node in new:
                self._on_node.setdefault(node, {})[key] = now[0], new[node]
            else:
                self._on_node[node].pop(key, None)
        return changed

    def _compile(self, node: str) -> None:
        chosen = sorted(self._on_node[node].values(), key=lambda pair: pair[0].age_order)
        if not chosen:
            for held in (self._on_node, self._specs, self._left_out):
                held.pop(node, None)
            return
        self._specs[node] = self._plan(chosen[:MAX_OBSERVATIONS])
        self._left_out[node] = [observation.key for observation, _ in chosen[MAX_OBSERVATIONS:]]

    def _plan(self, chosen: list[tuple[Observation, Share]]) -> NodeProbeSpec:
        identity = tuple((o.uid, o.generation, _content(share.namespaces)) for o, share in chosen)
        found = self._cache.get(identity)
        if found is None:
            if len(self._cache) >= _CACHED_PLANS:
                self._cache.clear()
            contents = (planned(observation, share.namespaces) for observation, share in chosen)
            found = plan(contents, report_interval_s=self._interval_s)
            self._cache[identity] = found
        return found


def _content(namespaces: Mapping[str, Mapping[str, str]]) -> tuple[object, ...]:
    return tuple((name, *sorted(found.items())) for name, found in sorted(namespaces.items()))
