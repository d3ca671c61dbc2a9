"""The cgroups that a kubelet makes for pods: the path by which a probe knows the processes of a pod."""

import contextlib
import os
import secrets
import time
from pathlib import Path

# A container id is 64 hexadecimal digits; ours begin with this mark and the id of the process that made them, so that
# what a killed test run left behind is known as such.
_MARK = "7765697274657374"


def new_container_id() -> str:
    """A container id as a runtime gives it, 64 hexadecimal digits."""
    return f"{_MARK}{os.getpid():08x}{secrets.token_hex(20)}"


def hierarchy() -> Path:
    """The mount point that the kubelet's folders are under: cgroup v1's `pids`, else cgroup v2.

    Raises FileNotFoundError when neither is mounted.
    """
    unified: Path | None = None
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        place, _, source = line.partition(" - ")
        kind, _, options = source.split(" ", 2)
        if kind == "cgroup" and "pids" in options.split(","):
            return Path(place.split()[4])
        if kind == "cgroup2" and unified is None:
            unified = Path(place.split()[4])
    if unified is None:
        raise FileNotFoundError("no cgroup file system is mounted: mount cgroup2 on /sys/fs/cgroup")
    return unified


def container_folder(uid: str, container_id: str, driver: str = "cgroupfs") -> Path:
    """Where a kubelet puts the container of a best-effort pod, with its driver `cgroupfs` or `systemd`."""
    if driver == "systemd":
        pod = f"kubepods-besteffort-pod{uid.replace('-', '_')}.slice"
        return hierarchy() / "kubepods.slice/kubepods-besteffort.slice" / pod / f"cri-containerd-{container_id}.scope"
    return hierarchy() / "kubepods/besteffort" / f"pod{uid}" / container_id


def enter(folder: Path, pid: int) -> None:
    """Make the cgroup and its parents and move a process there."""
    for attempt in range(10):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            break
        except FileNotFoundError:  # another run removed an empty parent meanwhile
            if attempt == 9:
                raise
    (folder / "cgroup.procs").write_text(str(pid))


def remove(folder: Path, timeout_s: float = 2.0) -> None:
    """Remove a cgroup whose processes have ended, and the parents that are empty then.

    Raises OSError when the cgroup is still in use after the time.
    """
    deadline = time.monotonic() + timeout_s
    while folder.exists():
        try:
            folder.rmdir()
        except OSError:  # EBUSY until the last process is wholly gone
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
    top = hierarchy()
    with contextlib.suppress(OSError):  # the parents are shared with other pods
        for parent in folder.parents:
            if parent == top:
                break
            parent.rmdir()


def remove_leftovers() -> None:
    """Remove the cgroups of test processes that were killed and could not clean up."""
    for folder in hierarchy().glob(f"kubepods*/*/*/*{_MARK}*"):
        owner = folder.name.split(_MARK, 1)[1][:8]
        if not Path(f"/proc/{int(owner, 16)}").exists():
            with contextlib.suppress(OSError):  # another run may remove it too
                remove(folder)
