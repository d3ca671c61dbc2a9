"""Who is observed: the selector of a FlowObservation, and the one function that says whether a pod matches it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from weir_api.base import LABEL_KEY, DnsName, LabelKey, LabelValue, Model, rules


class Operator(StrEnum):
    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class LabelRequirement(Model):
    """One requirement on a label, as in a Kubernetes label selector."""

    model_config = rules(
        (
            "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
            "values must be given with operator In or NotIn, and only then",
        )
    )
    key: LabelKey = Field(description="Label key.")
    operator: Operator = Field(description="In, NotIn, Exists or DoesNotExist.")
    values: list[LabelValue] | None = Field(None, max_length=64, description="Label values, for In and NotIn.")


class LabelSelector(Model):
    """A Kubernetes label selector: all requirements hold. Empty selects everything."""

    model_config = rules(
        (
            f"!has(self.matchLabels) || self.matchLabels.all(k, k.matches('{LABEL_KEY}'))",
            "matchLabels: a key is not a valid label key",
        )
    )
    match_labels: dict[LabelKey, LabelValue] | None = Field(
        None, max_length=64, description="Labels that must have these values."
    )
    match_expressions: list[LabelRequirement] | None = Field(None, max_length=32, description="Further requirements.")


class WorkloadKind(StrEnum):
    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"
    DAEMON_SET = "DaemonSet"
    REPLICA_SET = "ReplicaSet"
    JOB = "Job"
    CRON_JOB = "CronJob"
    POD = "Pod"


class WorkloadReference(Model):
    """A workload by kind and name, in the observation's namespace."""

    kind: WorkloadKind = Field(description="Kind of the workload.")
    name: DnsName = Field(description="Name of the workload.")


class Transport(StrEnum):
    TCP = "TCP"
    UDP = "UDP"
    SCTP = "SCTP"


class Port(Model):
    """A server port."""

    port: Annotated[int, Field(ge=1, le=65535)] = Field(description="Port number that the server listens on.")
    protocol: Transport = Field(Transport.TCP, description="Transport protocol.")


class Direction(StrEnum):
    INGRESS = "Ingress"
    EGRESS = "Egress"
    BOTH = "Both"


def _range(value: str) -> str:
    try:
        ip_network(value)
    except ValueError as error:
        try:
            meant = f"write {ip_network(value, strict=False)}"
        except ValueError:
            meant = "write it as 10.0.0.0/8 or 2001:db8::/32"
        raise PydanticCustomError(
            "cidr", "is not an address range ({why}); {meant}", {"why": str(error), "meant": meant}
        ) from None
    return value


AddressRange = Annotated[
    str,
    StringConstraints(max_length=49),
    AfterValidator(_range),
    Field(json_schema_extra={"x-weir-type": "address range"}),
]


class Peers(Model):
    """Who is at the other end: a pod that podSelector or workloads name, or an address in cidrs."""

    model_config = rules(
        (
            "has(self.podSelector) || has(self.workloads) || has(self.namespaces) || has(self.cidrs)",
            "at least one of podSelector, workloads, namespaces and cidrs must be given",
        )
    )
    namespaces: list[DnsName] | None = Field(
        None,
        min_length=1,
        max_length=64,
        description="Where podSelector and workloads look, instead of the observation's own namespace; "
        "alone: every pod of these namespaces.",
    )
    pod_selector: LabelSelector | None = Field(None, description="Pods by label.")
    workloads: list[WorkloadReference] | None = Field(
        None, min_length=1, max_length=64, description="Workloads by kind and name."
    )
    cidrs: list[AddressRange] | None = Field(
        None, min_length=1, max_length=64, description="Address ranges, as 10.0.0.0/8 or 2001:db8::/32."
    )

    @property
    def names_pods(self) -> bool:
        """Whether any peer is a pod, and not only an address."""
        return not (self.namespaces is None and self.pod_selector is None and self.workloads is None)


class Selector(Model):
    """What is observed: exactly one of podSelector, workloads and all, narrowed by peers, ports and direction."""

    model_config = rules(
        (
            "[has(self.podSelector), has(self.workloads), has(self.all)].filter(given, given).size() == 1",
            "exactly one of podSelector, workloads and all must be given",
        ),
        ("!has(self.all) || self.all", "all must be true where it is given; leave it out otherwise"),
    )
    pod_selector: LabelSelector | None = Field(None, description="Pods by label.")
    workloads: list[WorkloadReference] | None = Field(
        None, min_length=1, max_length=64, description="Workloads by kind and name."
    )
    all: bool | None = Field(None, description="Every pod of the namespace.")
    namespace_selector: LabelSelector | None = Field(
        None,
        description="Namespaces by label instead of the observation's own. "
        "Only in the operator's namespace, where the platform team writes.",
    )
    peers: Peers | None = Field(None, description="Only flows with these peers.")
    ports: list[Port] | None = Field(
        None, min_length=1, max_length=64, description="Only flows to these server ports, whichever side serves."
    )
    direction: Direction = Field(
        Direction.BOTH,
        description="Ingress: flows that peers open to the selected pods; Egress: flows that they open; or Both.",
    )


@dataclass(frozen=True, slots=True)
class Workload:
    """What selectors are asked about: one pod, or on a host without Kubernetes one container or network namespace."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    #: (kind, name) of the pod itself and of every owner up to the top, e.g. ReplicaSet and Deployment
    owners: frozenset[tuple[str, str]] = field(default_factory=frozenset)


def selects_labels(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether labels satisfy a selector, by the rules of Kubernetes (a NotIn holds where the key is absent)."""
    for key, value in (selector.match_labels or {}).items():
        if labels.get(key) != value:
            return False
    for requirement in selector.match_expressions or ():
        present = requirement.key in labels
        among = labels.get(requirement.key) in (requirement.values or ())
        holds = {
            Operator.IN: present and among,
            Operator.NOT_IN: not (present and among),
            Operator.EXISTS: present,
            Operator.DOES_NOT_EXIST: not present,
        }[requirement.operator]
        if not holds:
            return False
    return True


def selects(selector: Selector, namespaces: frozenset[str], workload: Workload) -> bool:
    """Whether `selector`, effective in `namespaces`, selects this workload."""
    if workload.namespace not in namespaces:
        return False
    if selector.all:
        return True
    if selector.workloads is not None:
        return any((w.kind.value, w.name) in workload.owners for w in selector.workloads)
    return selector.pod_selector is not None and selects_labels(selector.pod_selector, workload.labels)
