"""A machine of a cluster: kubelet, containerd and kube-proxy in namespaces and on a disk of their own."""

import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from kube.cluster import cgroups, config, init
from kube.cluster.control_plane import ClusterControlPlane
from kube.cluster.network import DNS_SERVICE, Addresses
from kube.netns import wait_for_own_namespace
from kube.patience import patience
from kube.process import kill, spawn

START_TIMEOUT_S = 120.0
_DISK_BYTES = 4 << 30  # sparse: it takes what is written
_NAMESPACES = ("--net", "--mount", "--uts", "--ipc", "--pid", "--cgroup")
_CAP_SYS_RESOURCE = 24
# joins the cgroups first, so that the cgroup namespace has them as its roots
_JOIN = 'for file in $1; do echo $$ >"$file"; done; shift; exec "$@"'
# most of it at once, then what is left to the last block
_FILL = """
cd {}
fallocate --length "$(df --output=avail --block-size=1 . | tail -n 1)" filling
cat /dev/zero >>filled 2>/dev/null || true
"""


class Machine:
    """Started by `start`, ended by `crash` (its processes) or `remove` (its disk too). Needs root."""

    def __init__(self, plane: ClusterControlPlane, number: int, images: Sequence[Path]) -> None:
        self.name = f"node{number}"
        self.addresses = Addresses(number)
        self._plane = plane
        self._images = images
        self._folder = plane.folder / "machines" / self.name
        self._disk = self._folder / "disk"
        self._disk.mkdir(parents=True)
        self._cgroups = cgroups.MachineCgroups(self.name)
        self._process: subprocess.Popen[str] | None = None
        self.pid = 0  # of its process 1
        self._configure()

    def _configure(self) -> None:
        files, plane = self._folder / "config", self._plane
        config.write(files / "resolv.conf", f"nameserver {DNS_SERVICE}\n")
        config.write(files / "cni" / "10-pods.conflist", config.network(self.addresses))
        runtime = "runc" if _can_lend_sys_resource() else str(Path(__file__).with_name("runc-without-sys-resource.sh"))
        containerd = config.write(files / "containerd.toml", config.containerd(files / "cni", runtime))
        serving = plane.machine_keys(self.name, self.addresses)
        kubelet = config.write(files / "kubelet.yaml", config.kubelet(files, plane.authority, serving))
        node = plane.inner_kubeconfig(files, "kubelet", f"system:node:{self.name}", "system:nodes")
        proxy = plane.inner_kubeconfig(files, "proxy", "system:kube-proxy")
        programs = plane.folder / "bin"
        settings = {
            "name": self.name,
            "hierarchies": [asdict(each) for each in cgroups.hierarchies()],
            "disk": str(self._disk),
            "disk_image": str(self._disk_image),
            "logs": str(plane.logs),
            "images": [str(image) for image in self._images],
            "containerd_socket": config.CONTAINERD_SOCKET,
            "services": {
                "containerd": ["containerd", "--config", str(containerd)],
                "kubelet": [
                    str(programs / "kubelet"),
                    f"--config={kubelet}",
                    f"--kubeconfig={node}",
                    f"--hostname-override={self.name}",
                    f"--node-ip={','.join(self.addresses.own)}",
                    f"--cert-dir={files / 'kubelet'}",
                ],
                "kube-proxy": [
                    str(programs / "kube-proxy"),
                    f"--kubeconfig={proxy}",
                    *config.proxy_flags(self.name, self.addresses),
                ],
            },
        }
        self._settings = config.write(files / "settings.json", settings)

    @property
    def _disk_image(self) -> Path:
        return self._folder / "disk.ext4"

    def boot(self) -> None:
        """Start its process 1 and plug it into the network; kubelet follows. With the disk that it had, if any."""
        if not self._disk_image.exists():
            with self._disk_image.open("wb") as image:
                image.truncate(_DISK_BYTES)
            subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", str(self._disk_image)], check=True)
        unshare = ["unshare", *_NAMESPACES, "--propagation", "private", "--fork", "--kill-child"]
        program = [sys.executable, str(Path(init.__file__)), str(self._settings)]
        join = ["sh", "-c", _JOIN, "sh", " ".join(self._cgroups.process_files)]
        with (self._plane.logs / f"{self.name}-init.log").open("a") as log:
            self._process = spawn([*join, *unshare, *program], stdin=subprocess.PIPE, stdout=log, stderr=log)
        self._booted = datetime.now(UTC)
        self.pid = self._wait_for_first_process(self._process)
        self._cgroups.settle([self._process.pid, self.pid])
        self._plane.switch.plug(self.pid, self.addresses)

    def _wait_for_first_process(self, unshare: subprocess.Popen[str]) -> int:
        began = time.monotonic()
        while time.monotonic() < began + patience(START_TIMEOUT_S):
            children = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children")
            if children.exists() and (found := children.read_text().split()):
                wait_for_own_namespace(int(found[0]))
                return int(found[0])
            self._check_alive()
            time.sleep(0.01)
        raise TimeoutError(f"{self.name} has no process after {START_TIMEOUT_S:g} s")

    def connected(self) -> None:
        """Tell process 1 that the network is there: it starts kubelet."""
        if self._process is None or self._process.stdin is None:
            raise RuntimeError(f"{self.name} was not booted")
        self._process.stdin.write("connected\n")
        self._process.stdin.flush()

    def wait_ready(self) -> None:
        """Until kubelet, since this boot, has said that the node is ready. TimeoutError, with its log's place."""
        what = f"{self.name} to be ready; its logs are {self._plane.logs}/{self.name}-*"
        self._plane.wait(self._ready, START_TIMEOUT_S, what)

    def _ready(self) -> bool:
        self._check_alive()
        lease = self._plane.request(
            "GET", f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{self.name}"
        )
        if datetime.fromisoformat(lease["spec"]["renewTime"]) < self._booted:
            return False
        node = self._plane.request("GET", f"/api/v1/nodes/{self.name}")
        tainted = any(taint["key"].startswith("node.kubernetes.io/") for taint in node["spec"].get("taints", []))
        conditions = {each["type"]: each["status"] for each in node["status"]["conditions"]}
        return conditions["Ready"] == "True" and not tainted

    def _check_alive(self) -> None:
        if self._process is None or self._process.poll() is not None:
            log = self._plane.logs / f"{self.name}-init.log"
            raise RuntimeError(f"{self.name} ended:\n{log.read_text()[-2000:] if log.exists() else ''}")

    # --- what can happen to it ----------------------------------------------------------------------------------------

    def crash(self) -> None:
        """Everything that runs on it ends at once; its disk stays."""
        if self._process is not None:
            kill(self._process)
            self._process = None
        deadline = time.monotonic() + 10
        while self.pid and Path(f"/proc/{self.pid}").exists() and time.monotonic() < deadline:
            time.sleep(0.01)

    def lose_disk(self) -> None:
        """Take the disk of a crashed machine away: it boots with an empty one."""
        self._disk_image.unlink()

    def set_link(self, up: bool) -> None:
        """Pull its cable out, or put it back."""
        self._plane.switch.set_link(self.addresses, up)

    def fill_disk(self) -> None:
        """Not a byte is free any more, until `free_disk`."""
        self.run(["sh", "-c", _FILL.format(self._disk)])

    def free_disk(self) -> None:
        """Undo `fill_disk`."""
        self.run(["rm", "-f", f"{self._disk}/filling", f"{self._disk}/filled"])

    # --- inside -------------------------------------------------------------------------------------------------------

    def popen(self, argv: Sequence[str], **options: object) -> subprocess.Popen[str]:
        """Start a program on it, in all its namespaces, with its own file systems."""
        return spawn(["nsenter", "-t", str(self.pid), "--all", "--", *argv], **options)

    def run(self, argv: Sequence[str], timeout_s: float = 60.0) -> str:
        """What a program on it prints. Raises AssertionError with all that it said when it fails."""
        process = self.popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            stdout, stderr = process.communicate(timeout=patience(timeout_s))
        finally:
            kill(process)
        if process.returncode != 0:
            raise AssertionError(f"{list(argv)} on {self.name} ended with {process.returncode}:\n{stdout}{stderr}")
        return str(stdout)

    def pids(self) -> dict[int, str]:
        """The programs that run on it, in pods too, by their ids outside: the name of each (comm). Not process 1."""
        found = {}
        for entry in Path("/proc").iterdir():
            try:
                places = entry.joinpath("cgroup").read_text() if entry.name.isdigit() else ""
                if f"/{self._cgroups.mark}/" in places.replace("\n", "/\n"):
                    found[int(entry.name)] = entry.joinpath("comm").read_text().strip()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended meanwhile
        for pid in (self.pid, self._process.pid if self._process else 0):
            found.pop(pid, None)
        return found

    def remove(self) -> None:
        """End it and remove its disk and cgroups; a second call does nothing."""
        self.crash()
        self._cgroups.remove()
        shutil.rmtree(self._folder, ignore_errors=True)


def _can_lend_sys_resource() -> bool:
    """Whether containers can be given CAP_SYS_RESOURCE: root on some virtual machines has not got it."""
    status = Path("/proc/self/status").read_text()
    permitted = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapPrm:"))
    return bool(permitted >> _CAP_SYS_RESOURCE & 1)
