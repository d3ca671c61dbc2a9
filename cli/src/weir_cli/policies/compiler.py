"""From policies and workloads of this host to the plan of its one probe, by the operator's own functions. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from weir_api.nodeprobe import MAX_OBSERVATIONS, NodeProbeSpec, plan
from weir_api.selector import Workload
from weir_cli.policies.folder import Policies
from weir_operator.reconcile.plan import Planner, carried, effective_namespaces, place
from weir_operator.reconcile.resources import Key, Namespace, Pod
from weir_operator.reconcile.verdict import judge

#: The namespace whose observations may select other namespaces, as the operator's own does in a cluster.
PLATFORM_NAMESPACE: Final = "weir-system"
_NODE: Final = "host"


@dataclass(frozen=True, slots=True)
class State:
    """What became of one observation. `refused`: it is an error, and the text names field and fix."""

    text: str
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Compiled:
    """The plan, and what became of each observation."""

    plan: NodeProbeSpec
    states: Mapping[Key, State]
    #: When the next observation expires.
    next_expiry: datetime | None


class Compiler:
    """Compiles; keeps the plans it has hashed."""

    def __init__(self) -> None:
        self._planner = Planner()

    def compile(self, policies: Policies, workloads: Iterable[Workload], now: datetime) -> Compiled:
        """The plan at `now`: what is refused, paused, expired or matches nothing has no part in it."""
        pods = [Pod(workload, _NODE, running=True) for workload in workloads]
        namespaces = _namespaces(policies, pods)
        states: dict[Key, State] = {}
        placed = []
        expiries = []
        for observation in policies.observations:
            verdict = judge(observation, PLATFORM_NAMESPACE, now)
            objection = verdict.refusal or verdict.rest
            if objection is not None or observation.spec is None:
                text = objection.message if objection else "spec: missing"
                states[observation.key] = State(text, refused=verdict.refusal is not None)
                continue
            selector = observation.spec.selector
            effective = effective_namespaces(observation, selector, namespaces)
            placement = place(selector, carried(observation.spec, effective, namespaces), pods, {_NODE})
            placed.append((observation, placement))
            states[observation.key] = _state(placement.pods, verdict.expires_at)
            if verdict.expires_at is not None:
                expiries.append(verdict.expires_at)
        plans = self._planner.compile(placed)
        for key in plans.refused:
            states[key] = State(f"{MAX_OBSERVATIONS} older observations are in force, which is the limit", refused=True)
        return Compiled(plans.specs.get(_NODE) or plan([]), states, min(expiries, default=None))


def _namespaces(policies: Policies, pods: Iterable[Pod]) -> dict[str, Namespace]:
    """As the policies' Namespace documents give them, with the name's label that Kubernetes adds."""
    stated = policies.namespaces
    named = {name: stated.get(name, Namespace()) for name in {*stated, *(pod.workload.namespace for pod in pods)}}
    return {
        name: Namespace({"kubernetes.io/metadata.name": name, **namespace.labels}, namespace.annotations)
        for name, namespace in named.items()
    }


def _state(workloads: int, expires_at: datetime | None) -> State:
    if workloads == 0:
        return State("no workload of this host matches yet")
    until = f" until {expires_at.astimezone():%H:%M:%S}" if expires_at else ""
    return State(f"observing {workloads} workload{'s' if workloads > 1 else ''}{until}")
