"""The cgroups that machines live in: one folder per machine in every hierarchy, which it sees as the root."""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "weir-cluster-"


@dataclass(frozen=True)
class Hierarchy:
    """A mounted cgroup hierarchy: what to mount it by, and where."""

    kind: str  # cgroup, cgroup2
    options: str
    mount_point: str


def hierarchies() -> list[Hierarchy]:
    """Every cgroup hierarchy of this machine, once."""
    found: dict[tuple[str, str], str] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        place, _, source = line.partition(" - ")
        kind, _, options = source.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            names = [each for each in options.split(",") if each not in ("rw", "ro", "xattr")]
            # a named hierarchy has no controller
            words = ",".join(["none", *names] if any(name.startswith("name=") for name in names) else names)
            found.setdefault((kind, words if kind == "cgroup" else ""), place.split()[4])
    return [Hierarchy(kind, options, point) for (kind, options), point in found.items()]


class MachineCgroups:
    """A machine's folders. Its first process must be put there before it makes its cgroup namespace."""

    def __init__(self, name: str) -> None:
        self.mark = f"{_PREFIX}{os.getpid()}/{name}"  # in /proc/PID/cgroup, as read from outside
        self._folders = [Path(each.mount_point) / self.mark for each in hierarchies()]
        for folder in self._folders:
            folder.mkdir(parents=True, exist_ok=True)
            _prepare(folder)

    @property
    def process_files(self) -> list[str]:
        """The files that take a process id."""
        return [str(folder / "cgroup.procs") for folder in self._folders]

    def settle(self, pids: Iterable[int]) -> None:
        """Once the cgroup namespace is made: leave its root to kubelet.

        A folder of cgroup v2 has processes or hands controllers down, not both; kubelet wants the latter at its root.
        """
        for folder in self._folders:
            if _is_kubelets(folder):
                (folder / "init").mkdir(exist_ok=True)
                for pid in pids:
                    (folder / "init" / "cgroup.procs").write_text(str(pid))
                _hand_down(folder)

    def remove(self) -> None:
        """Remove them all, once their processes are gone. Raises OSError if that takes more than seconds."""
        for folder in self._folders:
            _remove(folder)
            with suppress(OSError):  # other machines' folders are there
                folder.parent.rmdir()


def _prepare(folder: Path) -> None:
    # cpuset (v1) takes no process before it has processors and memory
    for file in ("cpuset.cpus", "cpuset.mems"):
        for level in (folder.parent, folder):
            if (level / file).exists():
                (level / file).write_text((level.parent / file).read_text())
    # v2 hands controllers down one level at a time
    if _is_kubelets(folder):
        for level in (folder.parent.parent, folder.parent):
            _hand_down(level)


def _is_kubelets(folder: Path) -> bool:
    """Whether a folder is of the cgroup v2 that kubelet uses, and not of one that is mounted beside v1."""
    return (folder / "cgroup.controllers").exists() and len(hierarchies()) == 1


def _hand_down(folder: Path) -> None:
    given = (folder / "cgroup.subtree_control").read_text().split()
    for controller in (folder / "cgroup.controllers").read_text().split():
        if controller not in given:
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")


def _remove(folder: Path, timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while folder.exists():
        try:
            for path, _, _ in os.walk(folder, topdown=False):
                Path(path).rmdir()
        except FileNotFoundError:
            continue  # a runtime's clean-up came first
        except OSError:  # EBUSY until the last process is wholly gone
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def remove_leftovers() -> None:
    """Remove the folders of clusters whose process was killed."""
    for each in hierarchies():
        for folder in Path(each.mount_point).glob(f"{_PREFIX}*"):
            owner = folder.name.removeprefix(_PREFIX)
            if owner.isdigit() and not Path(f"/proc/{owner}").exists():
                _remove(folder)
