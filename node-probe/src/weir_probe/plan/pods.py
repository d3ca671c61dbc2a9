"""The workloads of this node, as the plan's selectors are asked about them and as the probe finds their interfaces."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from weir_api.selector import Workload


@dataclass(frozen=True, slots=True)
class LocalPod:
    """One pod of this node; on a host without Kubernetes, one container or named network namespace."""

    workload: Workload
    uid: str
    #: (kind, name) of the owner at the top, e.g. ("Deployment", "checkout"); the pod itself where it has none
    owner: tuple[str, str]
    addresses: tuple[str, ...] = ()
    host_network: bool = False
    annotations: Mapping[str, str] = field(default_factory=dict)
    #: leads to its network namespace, e.g. /proc/<pid>/ns/net; "": to be found by the pod's uid
    netns: str = ""

    def __str__(self) -> str:
        return f"{self.workload.namespace}/{self.workload.name}"
