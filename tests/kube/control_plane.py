"""A real Kubernetes control plane on loopback: etcd, kube-apiserver, kube-controller-manager. No node, no scheduler."""

import http.client
import json
import os
import random
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from kube import binaries, objects
from kube.certs import Authority, write_kubeconfig
from kube.client import ApiError, KubeClient, KubectlError
from kube.objects import Manifest
from kube.process import kill, spawn

__all__ = ["ApiError", "ControlPlane", "KubectlError", "free_port"]

START_TIMEOUT_S = 90.0
_FOLDER = "weir-kube-"


class ControlPlane(KubeClient):
    """Starts on `with`, ends without a trace: processes are killed by pid, also when this process is killed.

    Everything a test needs of the cluster is reached by `kubeconfig`, a file with an administrator's credentials.
    Raises `binaries.ControlPlaneMissingError` where the machine has none.
    """

    _programs: Sequence[str] = binaries.CONTROL_PLANE

    def __init__(self) -> None:
        self._binaries = binaries.find(self._programs)
        _remove_leftovers()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-"))
        self.logs = self.folder / "logs"
        super().__init__(
            self.folder / "bin" / "kubectl", self.folder / "admin.kubeconfig", self.folder / "kubectl-cache"
        )
        self.port = free_port()
        self._etcd_port = free_port()
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._minted = 0

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(keep_logs=error is not None)

    # --- the processes ------------------------------------------------------------------------------------------------

    @property
    def server(self) -> str:
        """The API server's URL. Its port stays the same over stop_api and start_api."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of the programs that run, by their names: `etcd`, `kube-apiserver`, ..."""
        return {name: process.pid for name, process in self._processes.items()}

    def _start(self) -> None:
        for name in ("bin", "pki", "logs"):
            (self.folder / name).mkdir()
        self._binaries.link_into(self.folder / "bin")
        self._authority = Authority(self.folder / "pki")
        self._serving = self._authority.server("kube-apiserver", self._names())
        #: What service account tokens are signed with.
        self.signing_key = self._authority.signing_key("service-accounts")
        admin = self._authority.client("weir-test-admin", "system:masters")
        self._tls = ssl.create_default_context(cafile=str(self._authority.own.cert))
        self._tls.load_cert_chain(admin.cert, admin.key)
        write_kubeconfig(self.kubeconfig, self.server, self._authority.own.cert, admin)
        self._run_etcd()
        self.start_api()
        self._run_controller_manager()
        # pods are admitted once their namespace has its service account
        self.wait(lambda: self._has_service_account("default"), START_TIMEOUT_S, "the controller manager")

    def _names(self) -> list[str]:
        """What clients may call the API server, as subject alternative names."""
        return ["DNS:kubernetes.default.svc", "IP:127.0.0.1"]

    def _run(self, name: str, *arguments: str, enter: Sequence[str] = ()) -> None:
        """Start a program; `enter` is a command that goes before it."""
        with (self.logs / f"{name}.log").open("a") as log:
            self._processes[name] = spawn(
                [*enter, str(self.folder / "bin" / name), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
            )

    def _run_etcd(self) -> None:
        url = f"http://127.0.0.1:{self._etcd_port}"
        self._run(
            "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            "--unsafe-no-fsync",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            "--listen-peer-urls=http://127.0.0.1:0",
            "--log-level=warn",
        )

    def _component_kubeconfig(self, name: str, user: str, group: str = "") -> Path:
        """A kubeconfig by which a component of the cluster acts as `user`."""
        file = self.folder / f"{name}.kubeconfig"
        return write_kubeconfig(file, self.server, self._authority.own.cert, self._authority.client(user, group))

    def _run_controller_manager(self) -> None:
        self._run(
            "kube-controller-manager",
            f"--kubeconfig={self._component_kubeconfig('controller-manager', 'system:kube-controller-manager')}",
            "--secure-port=0",
            "--leader-elect=false",
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={self.signing_key}",
            f"--root-ca-file={self._authority.own.cert}",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
            *self._controller_flags(),
        )

    def _controller_flags(self) -> list[str]:
        # no kubelet renews leases here: these would call every node unreachable and evict its pods
        return ["--controllers=*,-node-lifecycle-controller,-taint-eviction-controller"]

    def start_api(self) -> None:
        """Start the API server and wait until it is ready. RuntimeError with its log's end if it ends."""
        pki = self.folder / "pki"
        self._run(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            f"--secure-port={self.port}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            f"--cert-dir={pki}",
            f"--client-ca-file={self._authority.own.cert}",
            f"--tls-cert-file={self._serving.cert}",
            f"--tls-private-key-file={self._serving.key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={self.signing_key}",
            f"--service-account-key-file={self.signing_key}",
            "--profiling=false",
            *self._api_flags(),
        )
        self.wait(self._api_ready, START_TIMEOUT_S, "kube-apiserver to be ready")

    def _api_flags(self) -> list[str]:
        return [
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",  # would refuse a loopback address for the service `kubernetes`
            "--service-cluster-ip-range=10.96.0.0/16",
        ]

    def stop_api(self) -> None:
        """Take the API server away at once, as a crash does; its data stay in etcd."""
        kill(self._processes.pop("kube-apiserver"))

    def stop_controllers(self) -> None:
        """End the controller manager: nothing is made, collected or evicted any more but by whom the caller starts."""
        kill(self._processes.pop("kube-controller-manager"))

    @contextmanager
    def api_away(self) -> Iterator[None]:
        """Without the API server inside the `with`; it is back and ready afterwards, also when the test failed."""
        self.stop_api()
        try:
            yield
        finally:
            self.start_api()
            # its informers back off for up to a minute; what is tested is our own programs' return
            kill(self._processes.pop("kube-controller-manager"))
            self._run_controller_manager()

    def stop(self, keep_logs: bool = False) -> None:
        """End all processes and remove all files but, if asked, the logs, whose folder is `logs`."""
        while self._processes:
            kill(self._processes.popitem()[1])
        if keep_logs and self.logs.exists():
            for entry in self.folder.iterdir():
                if entry != self.logs:
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _api_ready(self) -> bool:
        for name, process in self._processes.items():
            if process.poll() is not None:
                tail = (self.logs / f"{name}.log").read_text(errors="replace").splitlines()[-15:]
                raise RuntimeError(f"{name} ended with status {process.returncode}:\n" + "\n".join(tail))
        return self._exchange("GET", "/readyz") == b"ok"

    # --- requests -----------------------------------------------------------------------------------------------------

    def request(self, method: str, path: str, body: object = None, content_type: str = "application/json") -> Manifest:
        """One request to the REST API as administrator, without kubectl's start-up: for hundreds of objects."""
        answer: Manifest = json.loads(self._exchange(method, path, body, content_type))
        return answer

    def _exchange(self, method: str, path: str, body: object = None, content_type: str = "application/json") -> bytes:
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=self._tls)
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, path, payload, {"Content-Type": content_type, "Accept": "application/json"})
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            raise ApiError(response.status, content.decode(errors="replace"))
        return content

    def _merge(self, path: str, patch: object) -> Manifest:
        return self.request("PATCH", path, patch, "application/merge-patch+json")

    def _has_service_account(self, namespace: str) -> bool:
        return bool(self.request("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/default"))

    # --- objects ------------------------------------------------------------------------------------------------------

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig with a token of a service account, which is made if need be; RBAC decides what it may do."""
        try:
            self.request("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/{quote(name)}")
        except ApiError as error:
            if error.status != 404:
                raise
            self.kubectl("create", "serviceaccount", name, "-n", namespace)
        token = self.kubectl("create", "token", name, "-n", namespace, "--duration=12h").strip()
        self._minted += 1
        file = self.folder / f"{namespace}-{name}-{self._minted}.kubeconfig"
        return write_kubeconfig(file, self.server, self._authority.own.cert, token, namespace)

    def make_namespace(self, name: str, labels: Mapping[str, str] | None = None) -> Manifest:
        """Create a namespace and wait until pods can be created in it."""
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels or {})}}
        created = self.request("POST", "/api/v1/namespaces", manifest)
        self.wait(lambda: self._has_service_account(name), 30, f"the default service account of namespace {name}")
        return created

    def make_node(
        self, name: str, labels: Mapping[str, str] | None = None, ips: Sequence[str] = (), ready: bool = True
    ) -> Manifest:
        """Create a Node with its addresses, Ready and without the taint that admission gives to a new one."""
        self.request("POST", "/api/v1/nodes", objects.node_manifest(name, labels or {}))
        self._merge(f"/api/v1/nodes/{name}/status", objects.node_status(ips, ready))
        return self._merge(f"/api/v1/nodes/{name}", {"spec": {"taints": None}})

    def make_pod(
        self,
        namespace: str,
        name: str,
        node: str | None,
        labels: Mapping[str, str] | None = None,
        ip: str | Sequence[str] = (),
        *,
        owner: Manifest | None = None,
        host_network: bool = False,
    ) -> Manifest:
        """Create a Pod that runs on a node with its addresses (the first is podIP), as scheduler and kubelet leave it.

        `owner` is an object that exists in the API. Without a node the pod stays Pending. Returns the object.
        """
        manifest = objects.pod_manifest(namespace, name, labels or {}, owner, host_network)
        created = self.request("POST", f"/api/v1/namespaces/{namespace}/pods", manifest)
        return self.run_pod(namespace, name, node, ip) if node else created

    def run_pod(self, namespace: str, name: str, node: str, ip: str | Sequence[str] = ()) -> Manifest:
        """Bind a Pending pod, such as one that a ReplicaSet made, to a node, and report it Running."""
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
        self.request("POST", f"{path}/binding", binding)
        addresses = self.request("GET", f"/api/v1/nodes/{node}").get("status", {}).get("addresses", [])
        host_ips = [address["address"] for address in addresses if address["type"] == "InternalIP"]
        return self._merge(f"{path}/status", objects.running_status([ip] if isinstance(ip, str) else ip, host_ips))

    def finish_pod(self, namespace: str, name: str, phase: str = "Succeeded") -> Manifest:
        """Report that a pod's containers have ended; the object stays, and so does its address in it."""
        return self._merge(f"/api/v1/namespaces/{namespace}/pods/{name}/status", objects.finished_status(phase))

    def delete_pod(self, namespace: str, name: str) -> None:
        """Delete a Pod at once: no kubelet is there to confirm that it has ended."""
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
        self.request("DELETE", f"/api/v1/namespaces/{namespace}/pods/{name}", options)


def _remove_leftovers() -> None:
    """Remove the folders of test processes that were killed; logs that were kept on purpose stay."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*-*"):
        owner = folder.name.removeprefix(_FOLDER).split("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists() and (folder / "pki").exists():
            shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A TCP port of loopback that nothing listens on.

    Below the ephemeral range, so that no outgoing connection takes it while a stopped server is to come back to it.
    """
    first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    choices = random.Random(os.urandom(8))
    for _ in range(1000):
        port = choices.randrange(max(1024, first_ephemeral - 16384), first_ephemeral)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port found on 127.0.0.1")
