"""What the operator needs of each object in the cluster, read from the object as the API server gives it.

Reading never fails: an object that a model refuses becomes a record that says so, and its neighbours are not disturbed.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Any, Final

from pydantic import ValidationError

from weir_api.admission import Problem
from weir_api.conditions import Condition
from weir_api.flowobservation import FlowObservationSpec, FlowObservationStatus
from weir_api.nodeprobe import NodeProbeSpec, plan
from weir_api.selector import Workload
from weir_api.workload import owners_of, top_owner
from weir_operator.reconcile.report import Measured, Report, read_report

Raw = Mapping[str, Any]
#: (namespace, name); the namespace is empty for what has none.
Key = tuple[str, str]

MANAGED_BY: Final = {"app.kubernetes.io/managed-by": "weir-operator"}
_FINISHED: Final = frozenset({"Succeeded", "Failed"})


def timestamp(value: object) -> datetime:
    """A metav1.Time, or the epoch where there is none."""
    try:
        read = datetime.fromisoformat(str(value))
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def problems_of(error: ValidationError, root: str) -> tuple[Problem, ...]:
    """A model's complaints as fields by their path from `root`, e.g. `spec.selector.workloads[0].kind`."""
    found = []
    for detail in error.errors(include_url=False, include_input=False, include_context=False):
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in detail["loc"])
        found.append(Problem(f"{root}{path}", detail["msg"]))
    return tuple(found)


def read_conditions(status: Raw) -> tuple[Condition, ...]:
    """The conditions of a status; one that another version wrote and this one cannot read is left out."""
    held = status.get("conditions")
    found = []
    for raw in held if isinstance(held, list) else ():
        try:
            found.append(Condition.model_validate(raw, extra="ignore"))
        except ValidationError:
            continue
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Observation:
    """A FlowObservation."""

    namespace: str
    name: str
    uid: str
    generation: int
    created: datetime
    #: None when the stored object does not fit the model; then `problems` says why.
    spec: FlowObservationSpec | None
    problems: tuple[Problem, ...]
    #: The status as it is written; None where there is none, or another version wrote it.
    written: FlowObservationStatus | None
    conditions: tuple[Condition, ...]

    @property
    def key(self) -> Key:
        return self.namespace, self.name

    @property
    def version(self) -> tuple[str, int]:
        """Changes with the spec, and when another object takes the name."""
        return self.uid, self.generation

    @property
    def age_order(self) -> tuple[datetime, str, str]:
        """Sorts the oldest first; who came first keeps their place when a node has too many."""
        return self.created, self.namespace, self.name


def read_observation(raw: Raw, previous: Observation | None = None) -> Observation:
    """A FlowObservation; `previous` is the record of the same object before, read again only where the spec changed."""
    metadata = raw["metadata"]
    uid, generation = str(metadata["uid"]), int(metadata.get("generation", 0))
    spec: FlowObservationSpec | None = None
    problems: tuple[Problem, ...] = ()
    if previous is not None and (previous.uid, previous.generation) == (uid, generation):
        spec, problems = previous.spec, previous.problems
    else:
        try:
            spec = FlowObservationSpec.model_validate(raw.get("spec") or {})
        except ValidationError as error:
            problems = problems_of(error, "spec")
    status = raw.get("status") or {}
    return Observation(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=uid,
        generation=generation,
        created=timestamp(metadata.get("creationTimestamp")),
        spec=spec,
        problems=problems,
        written=_read_status(status),
        conditions=read_conditions(status),
    )


def _read_status(raw: Raw) -> FlowObservationStatus | None:
    try:
        return FlowObservationStatus.model_validate(raw, extra="ignore") if raw else None
    except ValidationError:
        return None


@dataclass(frozen=True, slots=True)
class Protocol:
    """An L7Protocol."""

    name: str
    uid: str
    generation: int
    wasm: bool
    conditions: tuple[Condition, ...]


def read_protocol(raw: Raw, _previous: Protocol | None = None) -> Protocol:
    """An L7Protocol."""
    metadata, status = raw["metadata"], raw.get("status") or {}
    return Protocol(
        name=metadata["name"],
        uid=str(metadata["uid"]),
        generation=int(metadata.get("generation", 0)),
        wasm=bool((raw.get("spec") or {}).get("wasm")),
        conditions=read_conditions(status),
    )


@dataclass(frozen=True, slots=True)
class Pod:
    """A Pod that is bound to a node and has not finished."""

    workload: Workload
    node: str
    #: Running and not about to go: its interfaces are there to be watched.
    running: bool
    #: (kind, name) of the workload that a person would name
    owner: tuple[str, str] = ("", "")
    #: as the API server has them; none where the pod has its node's
    addresses: tuple[str, ...] = ()
    #: seconds since 1970
    started: int = 0


def read_pod(raw: Raw, _previous: Pod | None = None) -> Pod | None:
    """A Pod, or None where no node has it or it has finished. Labels are interned: thousands of pods share them."""
    metadata, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
    node, phase = spec.get("nodeName"), status.get("phase")
    if not node or phase in _FINISHED:
        return None
    labels = {sys.intern(key): sys.intern(value) for key, value in (metadata.get("labels") or {}).items()}
    return Pod(
        workload=Workload(sys.intern(metadata["namespace"]), metadata["name"], labels, owners_of(metadata)),
        node=sys.intern(node),
        running=phase == "Running" and not metadata.get("deletionTimestamp"),
        owner=_interned(top_owner(metadata)),
        addresses=() if spec.get("hostNetwork") else _addresses(each.get("ip") for each in status.get("podIPs") or ()),
        started=int(timestamp(status.get("startTime") or metadata.get("creationTimestamp")).timestamp()),
    )


def _interned(owner: tuple[str, str]) -> tuple[str, str]:
    """Thousands of pods have the same workload."""
    return sys.intern(owner[0]), sys.intern(owner[1])


def _addresses(found: Iterable[object]) -> tuple[str, ...]:
    """Those that are addresses, in canonical form, each once."""
    canonical: dict[str, None] = {}
    for each in found:
        try:
            canonical[str(ip_address(str(each)))] = None
        except ValueError:
            continue  # a status may say anything, and a hostname or `None` is no address
    return tuple(canonical)


@dataclass(frozen=True, slots=True)
class Service:
    """A Service."""

    #: labels of the pods behind it; empty where it says so by EndpointSlices of somebody else
    selector: Mapping[str, str]
    #: its virtual addresses: in the cluster, external, and its load balancer's; none where it is headless
    addresses: tuple[str, ...]


def read_service(raw: Raw, _previous: Service | None = None) -> Service:
    """A Service."""
    spec, status = raw.get("spec") or {}, raw.get("status") or {}
    balancers = (status.get("loadBalancer") or {}).get("ingress") or ()
    found = [*(spec.get("clusterIPs") or ()), *(spec.get("externalIPs") or ()), *(each.get("ip") for each in balancers)]
    return Service(dict(spec.get("selector") or {}), _addresses(found))


@dataclass(frozen=True, slots=True)
class Node:
    """A Node."""

    uid: str
    #: addresses that it reports
    addresses: tuple[str, ...]
    #: The first two of each range that its pods' addresses are taken from: by convention its tunnel's (flannel) and its
    #: bridge's (the CNI plugin host-local), which kubelet's probes and what it forwards to its pods come from.
    pod_network: tuple[str, ...]


def read_node(raw: Raw, _previous: Node | None = None) -> Node:
    """A Node."""
    spec, status = raw.get("spec") or {}, raw.get("status") or {}
    reported = _addresses(each.get("address") for each in status.get("addresses") or ())
    ranges = spec.get("podCIDRs") or ()
    return Node(str(raw["metadata"]["uid"]), reported, tuple(a for each in ranges for a in _first_two(each)))


def _first_two(cidr: object) -> tuple[str, ...]:
    try:
        network = ip_network(str(cidr), strict=False)
    except ValueError:
        return ()
    return (str(network[0]), str(network[1])) if network.num_addresses > 2 else ()


@dataclass(frozen=True, slots=True)
class Namespace:
    """A Namespace."""

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


def read_namespace(raw: Raw, _previous: Namespace | None = None) -> Namespace:
    """A Namespace, without what kubectl writes for itself: the whole object once more."""
    metadata = raw["metadata"]
    annotations = dict(metadata.get("annotations") or {})
    annotations.pop("kubectl.kubernetes.io/last-applied-configuration", None)
    return Namespace(dict(metadata.get("labels") or {}), annotations)


@dataclass(frozen=True, slots=True)
class Probe:
    """A NodeProbe: the plan it holds and what the probe last reported."""

    node: str
    uid: str
    generation: int
    created: datetime
    managed: bool
    owner_uids: frozenset[str]
    #: Hash of the plan that the object really holds; empty where that is not a plan that this version writes.
    plan_hash: str
    #: How often it asks its probe to report, in seconds.
    report_interval_s: int
    report: Report | None
    #: What each observation measured, by its UID.
    measured: Mapping[str, Measured]
    #: Why the report cannot be read; empty where it can, or where there is none.
    unreadable: str

    @property
    def signature(self) -> tuple[object, ...]:
        """Changes when a condition may change; a report that differs in numbers alone leaves it as it is."""
        report = self.report
        return (
            self.uid,
            self.plan_hash,
            self.unreadable,
            report and report.plan_hash,
            tuple(
                (uid, m.generation, m.matched_pods, m.attached_pods, m.host_network_pods, m.overflowed > 0)
                for uid, m in self.measured.items()
            ),
        )


def read_probe(raw: Raw, previous: Probe | None = None) -> Probe:
    """A NodeProbe; `previous` is the record of the same object before, read again only where the plan changed."""
    metadata = raw["metadata"]
    uid, generation = str(metadata["uid"]), int(metadata.get("generation", 0))
    if previous is not None and (previous.uid, previous.generation) == (uid, generation):
        plan_hash, interval_s = previous.plan_hash, previous.report_interval_s
    else:
        plan_hash, interval_s = _plan_of(raw.get("spec") or {})
    report, unreadable = _read_report(raw.get("status"))
    return Probe(
        node=metadata["name"],
        uid=uid,
        generation=generation,
        created=timestamp(metadata.get("creationTimestamp")),
        managed=MANAGED_BY.items() <= (metadata.get("labels") or {}).items(),
        owner_uids=frozenset(str(owner.get("uid")) for owner in metadata.get("ownerReferences") or ()),
        plan_hash=sys.intern(plan_hash),
        report_interval_s=interval_s,
        report=report,
        measured={m.uid: m for m in report.observations} if report else {},
        unreadable=unreadable,
    )


def _plan_of(raw: Raw) -> tuple[str, int]:
    """The hash of a plan's content, which is what the plan says its hash is unless somebody else wrote to it, and the
    interval between reports."""
    try:
        spec = NodeProbeSpec.model_validate(raw)
    except ValidationError:
        return "", 0
    content = plan(spec.observations, spec.protocols).plan_hash
    return (content if content == spec.plan_hash else ""), spec.report_interval_s


def _read_report(raw: Raw | None) -> tuple[Report | None, str]:
    if not raw:
        return None, ""
    try:
        return read_report(raw), ""
    except ValidationError as error:
        return None, str(problems_of(error, "status")[0])
