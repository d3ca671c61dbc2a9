"""Process 1 of a machine: `init.py SETTINGS`, in fresh mount, network, pid, uts, ipc and cgroup namespaces.

It makes the machine's file systems, waits for a line on stdin that says that the network is there, and then keeps
containerd, kubelet and kube-proxy running as systemd would. When it ends, the kernel ends all that runs in it.
It imports nothing of the project: it runs before there is a machine.
"""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

# kubelet insists on these. They are the whole kernel's, not a machine's: it is shown files that say so.
_GLOBAL_SYSCTLS = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1000000,
    "kernel/keys/root_maxbytes": 25000000,
}
# Where programs write: copies of the machine's own, over the host's files.
_OWN_COPIES = ("var/lib", "var/log", "opt")
# containerd's overlays cannot lie on another overlay.
_PLAIN = ("var/lib/containerd", "var/lib/kubelet")


def mount(kind: str, target: str | Path, options: str = "", source: str = "") -> None:
    """mount(8) of a file system; the target is made."""
    Path(target).mkdir(parents=True, exist_ok=True)
    more = ["-o", options] if options else []
    subprocess.run(["mount", "-t", kind, *more, source or kind, str(target)], check=True)


def bind(source: Path, target: Path) -> None:
    """Show a file or a folder at another place."""
    subprocess.run(["mount", "--bind", str(source), str(target)], check=True)


def make_file_systems(settings: dict[str, Any]) -> None:
    """The machine's own /proc, /sys, /run and disk."""
    # shared, so that mounts reach containers that ask for it; and nothing is mounted on / itself, or `kubectl exec`
    # would land in the machine's root instead of the container's
    subprocess.run(["mount", "--make-rshared", "/"], check=True)
    mount("proc", "/proc")
    mount("sysfs", "/sys")  # a new one shows this network namespace's interfaces
    if all(each["mount_point"] != "/sys/fs/cgroup" for each in settings["hierarchies"]):
        mount("tmpfs", "/sys/fs/cgroup", "mode=755")
    for each in settings["hierarchies"]:
        mount(each["kind"], each["mount_point"], each["options"])
    mount("bpf", "/sys/fs/bpf", "mode=755")  # two machines do not see each other's pins
    mount("debugfs", "/sys/kernel/debug")
    mount("tracefs", "/sys/kernel/debug/tracing")
    mount("tracefs", "/sys/kernel/tracing")
    mount("tmpfs", "/run", "mode=755")
    for name in ("netns", "lock"):
        Path("/run", name).mkdir()

    disk = Path(settings["disk"])
    mount("ext4", disk, "loop", settings["disk_image"])
    for name in _OWN_COPIES:
        upper, work = disk / "copies" / name / "upper", disk / "copies" / name / "work"
        for folder in (upper, work):
            folder.mkdir(parents=True, exist_ok=True)
        mount("overlay", f"/{name}", f"lowerdir=/{name},upperdir={upper},workdir={work}")
    for name in _PLAIN:
        (disk / name).mkdir(parents=True, exist_ok=True)
        Path("/", name).mkdir(exist_ok=True)
        bind(disk / name, Path("/", name))

    shown = Path("/run/sysctls")
    shown.mkdir()
    for name, value in _GLOBAL_SYSCTLS.items():
        file = shown / name.replace("/", "_")
        file.write_text(f"{value}\n")
        bind(file, Path("/proc/sys", name))


class Services:
    """Programs that are started again a second after they ended."""

    def __init__(self, logs: str, prefix: str) -> None:
        self._log = f"{logs}/{prefix}-{{}}.log"
        self._commands: dict[str, list[str]] = {}
        self._running: dict[int, str] = {}

    def start(self, name: str, command: list[str]) -> None:
        """Start a program and keep it running."""
        self._commands[name] = command
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        output = [(os.POSIX_SPAWN_OPEN, 1, self._log.format(name), flags, 0o644), (os.POSIX_SPAWN_DUP2, 1, 2)]
        self._running[os.posix_spawnp(command[0], command, os.environ, file_actions=output)] = name

    def keep(self) -> None:
        """For ever: reap what ends, orphans too, and start services again."""
        while True:
            pid, _ = os.wait()
            name = self._running.pop(pid, None)
            if name is not None:
                time.sleep(1)
                self.start(name, self._commands[name])


def import_images(settings: dict[str, Any]) -> None:
    """Wait for containerd, then give it the images that its disk does not have yet."""
    ctr = ["ctr", "--address", settings["containerd_socket"], "--namespace", "k8s.io"]
    for _ in range(3000):
        if subprocess.run([*ctr, "version"], capture_output=True, check=False).returncode == 0:
            break
        time.sleep(0.1)
    for image in settings["images"]:
        subprocess.run([*ctr, "image", "import", image], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """See the module."""
    settings = json.loads(Path(sys.argv[1]).read_text())
    socket.sethostname(settings["name"])
    make_file_systems(settings)
    if not sys.stdin.readline():
        sys.exit("the process that makes the network is gone")
    services = Services(settings["logs"], settings["name"])
    services.start("containerd", settings["services"].pop("containerd"))
    import_images(settings)
    for name, command in settings["services"].items():
        services.start(name, command)
    services.keep()


if __name__ == "__main__":
    main()
