"""Makes the cluster that is measured: real objects on a real API server, and the processes that work on them."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import operator_process
import probe_process
from kube import objects
from kube.control_plane import ControlPlane
from kube.process import kill, spawn
from scale import contents
from scale.contents import Manifest, Size
from scale.server import METADATA_ONLY, Server, each

ROOT: Final = Path(__file__).parents[2]
OBSERVATIONS: Final = "/apis/weir.dev/v1alpha1/{}flowobservations"
_TOKEN_S: Final = 12 * 3600


def install(plane: ControlPlane) -> None:
    """CRDs, service accounts with their roles, and the policy that holds a probe to its own node's NodeProbe."""
    operator_process.install(plane)
    probe_process.install(plane)
    plane.kubectl("apply", "--server-side", "-f", str(ROOT / "config" / "probe" / "admission.yaml"))


async def populate(plane: ControlPlane, server: Server, size: Size) -> None:
    """Namespaces, nodes and pods. Ends the controllers: they would collect pods whose ReplicaSets do not exist."""
    await each(contents.namespaces(size).items(), lambda each: asyncio.to_thread(plane.make_namespace, *each), 8)
    plane.stop_controllers()
    await each(range(size.nodes), lambda number: make_node(server, number))
    await each(range(size.pods), lambda number: make_pod(server, size, number))


async def make_node(server: Server, number: int) -> None:
    """A node with an address."""
    name = contents.node_name(number)
    await server.request("POST", "/api/v1/nodes", objects.node_manifest(name, {}))
    address = f"172.{16 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
    path = f"/api/v1/nodes/{name}/status"
    await server.request("PATCH", path, objects.node_status([address]), content_type="application/merge-patch+json")


async def make_pod(server: Server, size: Size, number: int) -> None:
    """A pod that runs on its node."""
    pod = contents.pod(size, number)
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    await server.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod, headers=METADATA_ONLY)
    status = objects.running_status([contents.pod_ip(number)], ["172.16.0.1"])
    path = f"/api/v1/namespaces/{namespace}/pods/{name}/status"
    merge = "application/merge-patch+json"
    await server.request("PATCH", path, status, content_type=merge, headers=METADATA_ONLY)


async def delete_pod(server: Server, size: Size, number: int) -> None:
    """It is gone at once: no kubelet has to confirm."""
    metadata = contents.pod(size, number)["metadata"]
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
    await server.request("DELETE", f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}", options)


async def probe_tokens(server: Server, nodes: int) -> dict[str, str]:
    """A token of the probe's service account for every node, bound to that node."""
    uids = {node["metadata"]["name"]: node["metadata"]["uid"] for node in (await server.get("/api/v1/nodes"))["items"]}
    tokens: dict[str, str] = {}

    async def ask(name: str) -> None:
        bound = {"kind": "Node", "apiVersion": "v1", "name": name, "uid": uids[name]}
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": _TOKEN_S, "boundObjectRef": bound},
        }
        path = f"/api/v1/namespaces/{contents.SYSTEM}/serviceaccounts/weir-probe/token"
        tokens[name] = json.loads(await server.request("POST", path, body))["status"]["token"]

    await each((contents.node_name(number) for number in range(nodes)), ask)
    return tokens


class Probes:
    """The process that stands for all probes; it ends with `with`."""

    def __init__(self, plane: ControlPlane, folder: Path, tokens: dict[str, str], *flags: str) -> None:
        self._stats = folder / "probes.json"
        self.log = folder / "probes.log"
        file = folder / "tokens.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(tokens))
        files = [f"--kubeconfig={plane.kubeconfig}", f"--tokens={file}", f"--stats={self._stats}"]
        with self.log.open("w") as log:
            self.process: subprocess.Popen[str] = spawn(
                [sys.executable, "-m", "scale.probes", *files, *flags],
                stdout=log,
                stderr=log,
                env={"PYTHONPATH": f"{ROOT / 'tests'}:{ROOT / 'bench'}", "PATH": "/usr/bin:/bin"},
            )

    def stats(self) -> dict[str, Any]:
        """What they have seen and written. Raises RuntimeError when the process has ended."""
        if self.process.poll() is not None:
            raise RuntimeError(f"the probes' process ended: {self.log.read_text()[-2000:]}")
        try:
            found: dict[str, Any] = json.loads(self._stats.read_text())
        except FileNotFoundError:
            return {"holders": {}, "reports": 0, "report_bytes": 0, "failed": {}}
        return found

    def holders(self, observation: str, generation: int) -> int:
        """How many probes have this observation in this generation."""
        return int(self.stats()["holders"].get(f"{observation}@{generation}", 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        kill(self.process)


async def observe(server: Server, wanted: Iterable[Manifest]) -> None:
    """Apply FlowObservations, as many at a time as kubectl users would hardly do."""

    async def apply(content: Manifest) -> None:
        where = OBSERVATIONS.format(f"namespaces/{content['metadata']['namespace']}/")
        await server.request(
            "PATCH",
            f"{where}/{content['metadata']['name']}?fieldManager=bench&force=true",
            content,
            content_type="application/apply-patch+yaml",
        )

    await each(wanted, apply, 16)


def conditions(observation: dict[str, Any]) -> dict[str, str]:
    """Status by type, of conditions that are about the newest generation."""
    generation = observation["metadata"]["generation"]
    held = observation.get("status", {}).get("conditions", ())
    return {each["type"]: each["status"] for each in held if each.get("observedGeneration") == generation}


async def until(check: Any, timeout_s: float, what: str, every_s: float = 0.2) -> float:
    """Ask again and again until it is true; the seconds that took. Raises TimeoutError."""
    started = time.monotonic()
    while not await check():
        if time.monotonic() - started > timeout_s:
            raise TimeoutError(f"waited {timeout_s:g} s for {what}")
        await asyncio.sleep(every_s)
    return time.monotonic() - started
