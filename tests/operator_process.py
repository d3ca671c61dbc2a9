"""The operator as a process with the rights that config/operator grants it, and a shop for it to observe."""

import itertools
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kube.control_plane import ControlPlane, KubectlError, free_port
from kube.patience import timeout_flag
from kube.process import kill, spawn

ROOT = Path(__file__).parents[1]
NAMESPACE = "weir-system"
#: The selector of the pods that are named checkout-….
CHECKOUT = {"podSelector": {"matchLabels": {"app": "checkout"}}}
SHORT = ("--status-interval=1s", "--probe-timeout=4s")
_numbers = itertools.count()


def install(control_plane: ControlPlane) -> None:
    """The CRDs, the operator's namespace, its service account with its roles, and what its replicas share."""
    control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    control_plane.kubectl("wait", "--for=condition=Established", timeout_flag(30), "-f", str(ROOT / "crds"))
    if NAMESPACE not in control_plane.kubectl("get", "namespaces", "-o", "name"):
        control_plane.make_namespace(NAMESPACE)
    for name in ("rbac.yaml", "identity.yaml"):
        manifest = str(ROOT / "config" / "operator" / name)
        control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", manifest)


class OperatorProcess:
    """A running operator; killed at the end of `with` if it still runs. `log()` is what it has written."""

    def __init__(self, control_plane: ControlPlane, folder: Path, *flags: str) -> None:
        self.port = free_port()
        self.identity_port = free_port()
        self._kubeconfig = control_plane.service_account_kubeconfig(NAMESPACE, "weir-operator")
        self._log = folder / f"operator-{self.port}.log"
        self._flags = flags
        self.process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-m",
            "weir_operator",
            f"--namespace={NAMESPACE}",
            f"--kubeconfig={self._kubeconfig}",
        ]
        command += [f"--listen=127.0.0.1:{self.port}", f"--identity-listen=127.0.0.1:{self.identity_port}"]
        with self._log.open("a") as log:
            return spawn([*command, *self._flags], stdout=log, stderr=log)

    def restart(self) -> None:
        """Start it again after it ended."""
        self.process = self._start()

    def log(self) -> str:
        """What it has written to stderr so far."""
        return self._log.read_text()

    def page(self, path: str) -> str:
        """A page that it serves; empty when it does not answer, or answers with an error."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                content: str = answer.read().decode()
                return content
        except (urllib.error.URLError, OSError):
            return ""

    def metric(self, name: str) -> float | None:
        """The value of a metric, with its labels as it writes them; None where it has no such series."""
        for line in self.page("/metrics").splitlines():
            if line.startswith(f"{name} "):
                return float(line.rsplit(" ", 1)[1])
        return None

    def terminate(self, timeout_s: float = 10) -> float:
        """SIGTERM; the seconds that it took to end. Raises subprocess.TimeoutExpired when it does not."""
        started = time.monotonic()
        self.process.terminate()
        self.process.wait(timeout_s)
        return time.monotonic() - started

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            print(self.log())
        with suppress(subprocess.TimeoutExpired):
            self.terminate()
        kill(self.process)


@contextmanager
def leading_operator(control_plane: ControlPlane, folder: Path) -> Iterator[OperatorProcess]:
    """An operator that leads, with short intervals. Its log must end without an error of its own."""
    install(control_plane)
    with OperatorProcess(control_plane, folder, *SHORT) as running:
        control_plane.wait(lambda: running.page("/readyz") == "ok\n", 30, "the operator to be ready")
        control_plane.wait(lambda: running.metric("weir_operator_leader") == 1, 30, "the operator to lead")
        yield running
        assert "Traceback" not in running.log()


def conditions(observation: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """(status, reason) by the type of condition."""
    found = observation.get("status", {}).get("conditions", [])
    return {each["type"]: (each["status"], each["reason"]) for each in found}


class Shop:
    """A namespace with pods on nodes of its own."""

    def __init__(self, plane: ControlPlane, operator: OperatorProcess) -> None:
        self.plane = plane
        self.operator = operator
        self.namespace = f"op-{os.getpid()}-{next(_numbers)}"
        plane.make_namespace(self.namespace, {"shop": self.namespace})
        self.nodes = [f"{self.namespace}-n{number}" for number in (1, 2)]
        for node in self.nodes:
            plane.make_node(node)

    def pod(self, name: str, node: int = 0, **fields: Any) -> None:
        labels = fields.pop("labels", {"app": name.partition("-")[0]})
        self.plane.make_pod(
            self.namespace, name, self.nodes[node], labels, ip=f"10.9.{node}.{next(_numbers) % 250}", **fields
        )

    def observe(self, name: str, namespace: str | None = None, validate: bool = True, **spec: Any) -> None:
        metadata = {"name": name, "namespace": namespace or self.namespace}
        content = {"apiVersion": "weir.dev/v1alpha1", "kind": "FlowObservation", "metadata": metadata, "spec": spec}
        self.plane.apply(json.dumps(content), *([] if validate else ["--validate=false"]))

    def get(self, name: str = "checkout", namespace: str | None = None) -> dict[str, Any]:
        return self.plane.get("flowobservation", name, namespace or self.namespace)

    def plan(self, node: int = 0) -> dict[str, Any] | None:
        try:
            return self.plane.get("nodeprobe", self.nodes[node])
        except KubectlError:
            return None

    def planned(self, node: int = 0) -> list[str]:
        plan = self.plan(node)
        return [each["name"] for each in plan["spec"]["observations"]] if plan else []

    def wait_plans(self, *expected: list[str]) -> None:
        """Until the nodes' plans have exactly these observations."""
        self.plane.wait(
            lambda: [self.planned(n) for n in range(len(expected))] == list(expected), 15, f"plans {expected}"
        )

    def wait(self, type_: str, state: tuple[str, str], name: str = "checkout", timeout_s: float = 20) -> dict[str, Any]:
        """Until a condition has this status and reason; the observation."""

        def check() -> dict[str, Any]:
            found = self.get(name)
            return found if conditions(found).get(type_) == state else {}

        return self.plane.wait(check, timeout_s, f"{type_} of {name} to be {state}")

    def report(self, node: int = 0, probe: Mapping[str, Any] | None = None, **measured: Any) -> None:
        """What a probe writes that has its plan in use and all pods attached; `measured` are its numbers."""
        plan = self.plan(node)
        assert plan is not None
        numbers = {"matchedPods": 1, "attachedPods": 1, "windowS": 10, **measured}
        status = {
            "planHash": plan["spec"]["planHash"],
            "heartbeatTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "observations": [
                {key: each[key] for key in ("namespace", "name", "uid", "generation")} | numbers
                for each in plan["spec"]["observations"]
            ],
            **(probe or {}),
        }
        patch = json.dumps({"status": status})
        self.plane.kubectl("patch", "nodeprobe", self.nodes[node], "--subresource=status", "--type=merge", "-p", patch)

    def events(self, name: str = "checkout") -> list[dict[str, Any]]:
        selector = f"regarding.kind=FlowObservation,regarding.name={name}"
        listed = self.plane.kubectl(
            "get", "events.events.k8s.io", "-n", self.namespace, f"--field-selector={selector}", "-o", "json"
        )
        found: list[dict[str, Any]] = json.loads(listed)["items"]
        return found

    def wait_events(self, *reasons: str) -> list[dict[str, Any]]:
        def check() -> list[dict[str, Any]]:
            found = self.events()
            return found if set(reasons) <= {each["reason"] for each in found} else []

        return self.plane.wait(check, 15, f"Events {reasons}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            print(self.operator.log()[-3000:])
            print(self.plane.kubectl("get", "fo,np", "-A", "-o", "yaml")[:6000])
        # in one request each: kubectl deletes one by one, five in a second
        self.plane.request("DELETE", f"/apis/weir.dev/v1alpha1/namespaces/{self.namespace}/flowobservations")
        self.plane.request("DELETE", f"/api/v1/namespaces/{self.namespace}/pods", {"gracePeriodSeconds": 0})
        self.plane.kubectl("delete", "node", "--ignore-not-found", *self.nodes)
        self.plane.kubectl("delete", "nodeprobe", "--ignore-not-found", *self.nodes)
        self.plane.kubectl("delete", "namespace", "--wait=false", self.namespace)
