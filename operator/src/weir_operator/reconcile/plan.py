"""From observations, pods and namespaces to the plan of each node."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from weir_api.flowobservation import FlowLogMode
from weir_api.nodeprobe import MAX_OBSERVATIONS, NodeProbeSpec, PlannedObservation, plan
from weir_api.selector import Selector, selects, selects_labels
from weir_operator.reconcile.resources import Key, Observation, Pod

Labels = Mapping[str, str]
_CACHED_PLANS: Final = 4096


@dataclass(slots=True)
class Share:
    """What one node has of an observation's pods."""

    pods: int = 0
    #: Of these, the ones that a probe must have attached.
    running: int = 0
    namespaces: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an observation's pods are."""

    shares: Mapping[str, Share]

    @property
    def pods(self) -> int:
        return sum(share.pods for share in self.shares.values())


def effective_namespaces(
    observation: Observation, selector: Selector, namespaces: Mapping[str, Labels]
) -> frozenset[str]:
    """Whose pods the selector is asked about: its own namespace's, or those that its namespaceSelector selects."""
    if selector.namespace_selector is None:
        return frozenset({observation.namespace})
    wanted = selector.namespace_selector
    return frozenset(name for name, labels in namespaces.items() if selects_labels(wanted, labels))


def place(selector: Selector, namespaces: frozenset[str], pods: Iterable[Pod], nodes: Collection[str]) -> Placement:
    """Where the pods that a selector, effective in `namespaces`, selects are; pods of unknown nodes are left out."""
    shares: dict[str, Share] = {}
    for pod in pods:
        if pod.node in nodes and selects(selector, namespaces, pod.workload):
            share = shares.setdefault(pod.node, Share())
            share.pods += 1
            share.running += pod.running
            share.namespaces.add(pod.workload.namespace)
    return Placement(shares)


def planned(observation: Observation, namespaces: Iterable[str]) -> PlannedObservation:
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
        flow_logs=logs if logs is not None and logs.mode is not FlowLogMode.OFF else None,
    )


@dataclass(frozen=True, slots=True)
class Plans:
    """The plan of every node that needs one, and the nodes where an observation found no place, by its key."""

    specs: Mapping[str, NodeProbeSpec]
    refused: Mapping[Key, tuple[str, ...]]


class Planner:
    """Compiles plans. Nodes with the same content share one plan, hashed once: clusters have few distinct ones."""

    def __init__(self) -> None:
        self._cache: dict[tuple[tuple[str, int, tuple[str, ...]], ...], NodeProbeSpec] = {}

    def compile(self, placed: Iterable[tuple[Observation, Placement]]) -> Plans:
        """The plans of all nodes from the active observations and where their pods are.

        A node takes at most MAX_OBSERVATIONS, the oldest first.
        """
        per_node: dict[str, list[tuple[Observation, Share]]] = {}
        refused: dict[Key, list[str]] = {}
        for observation, placement in sorted(placed, key=lambda pair: pair[0].age_order):
            for node, share in placement.shares.items():
                chosen = per_node.setdefault(node, [])
                if len(chosen) < MAX_OBSERVATIONS:
                    chosen.append((observation, share))
                else:
                    refused.setdefault(observation.key, []).append(node)
        specs = {node: self._plan(chosen) for node, chosen in per_node.items()}
        return Plans(specs, {key: tuple(sorted(nodes)) for key, nodes in refused.items()})

    def _plan(self, chosen: list[tuple[Observation, Share]]) -> NodeProbeSpec:
        identity = tuple((o.uid, o.generation, tuple(sorted(share.namespaces))) for o, share in chosen)
        found = self._cache.get(identity)
        if found is None:
            if len(self._cache) >= _CACHED_PLANS:
                self._cache.clear()
            found = plan(planned(observation, share.namespaces) for observation, share in chosen)
            self._cache[identity] = found
        return found
