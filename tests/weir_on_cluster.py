"""Weir on a real cluster, installed as its users install it, and the shop that it observes."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from kube.client import KubeClient, KubectlError
from kube.cluster.cluster import Cluster
from kube.patience import timeout_flag

T = TypeVar("T")
ROOT = Path(__file__).parents[1]
NAMESPACE = "weir-system"
SHOP = ROOT / "tests" / "e2e" / "cluster" / "shop.yaml"
#: How long anything here may take on an idle machine.
LIMIT_S = 100
_IMAGES = ROOT / "build" / "images"


def weir_images() -> list[Path]:
    """The tars of operator and probe, built by `make images` unless they are current."""
    subprocess.run([sys.executable, "-m", "images"], cwd=ROOT, check=True)
    return [_IMAGES / f"weir-{part}.tar" for part in ("operator", "probe")]


@dataclass(frozen=True)
class Moved:
    """Packets and bytes at the link layer, both directions."""

    packets: int
    bytes: int

    def __sub__(self, other: "Moved") -> "Moved":
        return Moved(self.packets - other.packets, self.bytes - other.bytes)

    def __add__(self, other: "Moved") -> "Moved":
        return Moved(self.packets + other.packets, self.bytes + other.bytes)


class WeirOnCluster:
    """`kube` is the way to the cluster; `machines` are the nodes by name where it is ours, empty where it was given."""

    def __init__(self, kube: KubeClient, cluster: Cluster | None = None) -> None:
        self.kube = kube
        self.cluster = cluster
        self.machines = cluster.machines if cluster is not None else {}

    # --- there and not there ------------------------------------------------------------------------------------------

    def install(self) -> None:
        """As docs/install.md says; returns when operator and probes are ready."""
        self.kube.kubectl("apply", "--server-side", "-k", str(ROOT / "config" / "default"))
        self.wait_rolled_out()

    @property
    def installed(self) -> bool:
        """Whether its namespace is there."""
        return bool(self.kube.kubectl("get", "namespace", NAMESPACE, "--ignore-not-found", "-o", "name"))

    def uninstall(self) -> None:
        """As docs/install.md says: what was asked for first, then everything."""
        self.kube.kubectl("delete", "flowobservations", "--all", "-A", "--ignore-not-found")
        self.kube.kubectl("delete", "--ignore-not-found", "-k", str(ROOT / "config" / "default"), timeout_flag(LIMIT_S))

    def wait_rolled_out(self) -> None:
        """Until operator and probes run as their objects ask."""
        for workload in ("deployment/weir-operator", "daemonset/weir-probe"):
            self.kube.kubectl("rollout", "status", workload, "-n", NAMESPACE, timeout_flag(LIMIT_S))

    def set_up(self) -> None:
        """Weir installed, and the shop open."""
        if not self.installed:
            self.install()
        self.open_shop()

    def open_shop(self) -> None:
        """The namespace and the workloads of the shop, all of them ready."""
        self.kube.apply(ROOT / "config" / "samples" / "00-namespace.yaml")
        self.kube.apply(SHOP)
        for name in ("web", "redis", "postgres", "api"):
            self.kube.kubectl("rollout", "status", f"deployment/{name}", "-n", "shop", timeout_flag(LIMIT_S))

    # --- pods ---------------------------------------------------------------------------------------------------------

    @property
    def nodes(self) -> list[str]:
        """The nodes' names."""
        return [each.removeprefix("node/") for each in self.kube.kubectl("get", "nodes", "-o", "name").split()]

    def pods(self, namespace: str, labels: str) -> list[dict[str, Any]]:
        """The pods with these labels that are not being deleted."""
        listed = json.loads(self.kube.kubectl("get", "pods", "-n", namespace, "-l", labels, "-o", "json"))
        return [pod for pod in listed["items"] if "deletionTimestamp" not in pod["metadata"]]

    def run_pod(self, name: str, node: str, labels: Mapping[str, str]) -> None:
        """A pod of the shop on a node, that does what `exec` tells it."""
        container = {"name": "tools", "image": "localhost/tools:1", "command": ["sleep", "infinity"]}
        manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"namespace": "shop", "name": name, "labels": dict(labels)},
            "spec": {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [container]},
        }
        self.kube.apply(json.dumps(manifest))
        self.kube.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "-n", "shop", timeout_flag(LIMIT_S))

    def exec(self, pod: str, *argv: str, namespace: str = "shop") -> str:
        """What a program in a pod prints. Raises KubectlError when it fails."""
        return self.kube.kubectl("exec", "-n", namespace, pod, "--", *argv)

    def interface(self, pod: str) -> Moved:
        """What the pod's own eth0 has counted."""
        names = [f"{way}_{unit}" for unit in ("packets", "bytes") for way in ("rx", "tx")]
        shown = self.exec(pod, "cat", *(f"/sys/class/net/eth0/statistics/{name}" for name in names))
        received, sent, received_bytes, sent_bytes = map(int, shown.split())
        return Moved(received + sent, received_bytes + sent_bytes)

    # --- what Weir says -----------------------------------------------------------------------------------------------

    def observe(self, name: str, namespace: str = "shop", **spec: Any) -> None:
        """Apply a FlowObservation."""
        metadata = {"name": name, "namespace": namespace}
        content = {"apiVersion": "weir.dev/v1alpha1", "kind": "FlowObservation", "metadata": metadata, "spec": spec}
        self.kube.apply(json.dumps(content))

    def forget(self, name: str, namespace: str = "shop") -> None:
        """Delete a FlowObservation."""
        self.kube.kubectl("delete", "flowobservation", name, "-n", namespace, "--ignore-not-found")

    def status(self, name: str, namespace: str = "shop") -> dict[str, Any]:
        """A FlowObservation's status."""
        found: dict[str, Any] = self.kube.get("flowobservation", name, namespace).get("status", {})
        return found

    def until(self, check: Callable[[], T], what: str) -> T:
        """Wait until something holds; what `check` gave. Raises TimeoutError that names it."""
        return self.kube.wait(check, LIMIT_S, what)

    def wait_ready(self, name: str, namespace: str = "shop") -> dict[str, Any]:
        """Until an observation is Ready; its status."""

        def ready() -> dict[str, Any]:
            status = self.status(name, namespace)
            held = {each["type"]: each["status"] for each in status.get("conditions", [])}
            return status if held.get("Ready") == "True" else {}

        return self.until(ready, f"{namespace}/{name} to be Ready")

    def report(self, node: str) -> dict[str, Any]:
        """What the node's probe last reported."""
        found: dict[str, Any] = self.kube.get("nodeprobe", node).get("status", {})
        return found

    def probe(self, node: str) -> str:
        """The pod that is the node's probe. Raises KubectlError while there is none."""
        for pod in self.pods(NAMESPACE, "app.kubernetes.io/name=weir-probe"):
            if pod["spec"]["nodeName"] == node and pod["status"]["phase"] == "Running":
                return str(pod["metadata"]["name"])
        raise KubectlError(f"no probe runs on {node}")

    def metric(self, node: str, name: str, **labels: str) -> int:
        """The sum of a metric's series of a node's probe that have these labels, asked now."""
        pod = self.probe(node)
        page = self.kube.kubectl("get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:9790/proxy/metrics")
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        series = [line for line in page.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
        return round(sum(float(line.rsplit(" ", 1)[1]) for line in series if all(each in line for each in wanted)))

    def counted(self, node: str, observation: str) -> Moved:
        """What the node's probe has counted for an observation, in both directions."""
        return Moved(
            self.metric(node, "weir_flow_packets_total", observation=observation),
            self.metric(node, "weir_flow_bytes_total", observation=observation),
        )

    def set_aside(self, node: str, outcome: str) -> Moved:
        """What the hooks of a node saw and did not count, for one reason."""
        return Moved(
            self.metric(node, "weir_probe_packets_total", outcome=outcome),
            self.metric(node, "weir_probe_bytes_total", outcome=outcome),
        )
