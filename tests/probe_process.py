"""A probe as a process on a simulated node, with the rights that config/probe grants it, and a site of such nodes."""

import itertools
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

import hooks
from kube.control_plane import ControlPlane
from kube.netns import call_in
from kube.node import Node, PodNetns
from kube.process import kill
from operator_process import NAMESPACE, ROOT, OperatorProcess, Shop

_numbers = itertools.count(1)
_METRICS = "127.0.0.1:9790"


def install(control_plane: ControlPlane) -> None:
    """The probe's service account with its roles, beside what `operator_process.install` makes."""
    rbac = str(ROOT / "config" / "probe" / "rbac.yaml")
    control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", rbac)


def granted() -> list[str]:
    """The capabilities that the DaemonSet of config/probe gives the probe."""
    daemonset = yaml.safe_load((ROOT / "config/probe/daemonset.yaml").read_text())
    names: list[str] = daemonset["spec"]["template"]["spec"]["containers"][0]["securityContext"]["capabilities"]["add"]
    return names


def restricted(capabilities: Iterable[str]) -> list[str]:
    """What to put before a command so that it runs as root with these capabilities, and no way to more."""
    bounding = ",".join(["-all", *(f"+{name.lower()}" for name in capabilities)])
    return ["setpriv", f"--bounding-set={bounding}", "--inh-caps=-all", "--no-new-privs"]


class ProbeProcess:
    """A running probe: keeper and agent, with all of root's capabilities or with these. `log()` is what both wrote."""

    def __init__(
        self,
        node: Node,
        control_plane: ControlPlane,
        folder: Path,
        *flags: str,
        capabilities: Iterable[str] | None = None,
    ) -> None:
        self.node = node
        self._before = [] if capabilities is None else restricted(capabilities)
        self._kubeconfig = node.kubeconfig(control_plane, "weir-probe", NAMESPACE)
        self._log = folder / f"probe-{node.name}.log"
        self._flags = flags
        self.process = self.start()

    def start(self) -> subprocess.Popen[str]:
        """Start it (again)."""
        program = [sys.executable, "-m", "weir_probe", "--node", self.node.name, "--metrics", _METRICS]
        command = [*self._before, *program]
        with self._log.open("a") as log:
            self.process = self.node.popen(
                [*command, "--kubeconfig", str(self._kubeconfig), "--report-interval", "1", *self._flags],
                stdout=log,
                stderr=log,
            )
        return self.process

    @property
    def agent_pid(self) -> int:
        """The agent: the keeper's child."""
        for child in _children(self.process.pid):
            if b"weir_probe" in Path(f"/proc/{child}/cmdline").read_bytes():
                # nsenter execs the keeper, whose child is the agent
                return child
        raise AssertionError("the keeper has no agent")

    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text()

    def page(self, path: str) -> str:
        """A page that it serves, asked from inside the node; empty when it does not answer."""

        def fetch() -> str:
            with urllib.request.urlopen(f"http://{_METRICS}{path}", timeout=5) as answer:
                content: str = answer.read().decode()
                return content

        try:
            return call_in(self.node.pid, fetch)
        except (urllib.error.URLError, OSError):
            return ""

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's series that have these labels."""
        found = [line for line in self.page("/metrics").splitlines() if line.startswith((f"{name}{{", f"{name} "))]
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(float(line.rsplit(" ", 1)[1]) for line in found if all(w in line for w in wanted))

    def terminate(self) -> None:
        """SIGTERM, as the kubelet does."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        self.process.wait(15)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Site(Shop):
    """A shop on simulated nodes with probes: pods are network namespaces with the addresses of their Pod objects."""

    def __init__(self, plane: ControlPlane, operator: OperatorProcess, folder: Path) -> None:
        super().__init__(plane, operator)
        install(plane)
        self.folder = folder
        self.hosts = [Node(name) for name in self.nodes]
        self.probes: list[ProbeProcess] = []

    def run_probes(self, *flags: str, capabilities: Iterable[str] | None = None) -> None:
        """A probe on each node."""
        self.probes = [
            ProbeProcess(host, self.plane, self.folder, *flags, capabilities=capabilities) for host in self.hosts
        ]

    def start(self, name: str, node: int = 0, **fields: Any) -> PodNetns:
        """A pod that is there: the object and its network namespace."""
        labels = fields.pop("labels", {"app": name.partition("-")[0]})
        number = next(_numbers)
        ip = [f"10.{20 + node}.{number >> 8}.{number & 255}", f"fd00:20:{node}::{number:x}"]
        pod = self.plane.make_pod(self.namespace, name, self.nodes[node], labels, ip=ip)
        return self.hosts[node].add(pod)

    def programs(self, node: int = 0) -> list[str]:
        """The interfaces of a node that our programs are attached to."""
        return hooks.attached(self.hosts[node].pid)

    def probe_report(self, name: str = "checkout", node: int = 0) -> dict[str, Any]:
        """What the node's probe last said of an observation; {} before."""
        plan = self.plan(node) or {}
        found = plan.get("status", {}).get("observations", [])
        return next((each for each in found if each["name"] == name), {})

    def wait_total(self, packets: int, bytes: int, name: str = "checkout", node: int = 0) -> None:
        """Until the node's probe reports exactly these totals of an observation."""
        expected = {"packets": packets, "bytes": bytes}
        self.plane.wait(
            lambda: self.probe_report(name, node).get("total") == expected,
            20,
            f"totals of {expected}, not {self.probe_report(name, node)}",
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for probe in self.probes:
            if error is not None:
                print(f"--- {probe.node.name}\n{probe.log()[-3000:]}")
            with suppress(subprocess.TimeoutExpired):
                probe.terminate()
            kill(probe.process)
        super().__exit__(kind, error, trace)
        for host in self.hosts:
            host.remove()
