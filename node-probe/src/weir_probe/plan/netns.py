"""Finds a pod's network namespace by the pod's uid in the cgroup paths of this host's processes.

The kubelet puts the uid into the path with either cgroup driver (`pod<uid>`, or `pod<uid with _ for ->.slice`), under
cgroup v1 and v2, whatever the container runtime. Needs the host's pid namespace; no privilege to enter anything.
"""

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from weir_probe.capture.model import CaptureError, NetNs
from weir_probe.capture.tc import in_netns

_OWN: Final = Path("/proc/thread-self/net/dev")
_POD: Final = re.compile(r"pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12})")


def processes(proc: Path = Path("/proc")) -> Iterator[tuple[int, str]]:
    """(pid, text of its cgroup file) of every process that is still there when it is read."""
    for entry in os.scandir(proc):
        if entry.name.isdigit():
            try:
                with open(f"{entry.path}/cgroup", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 -- many
                    yield int(entry.name), file.read()
            except OSError:  # it ended meanwhile, or is not for us to read
                continue


def find(uids: Collection[str], proc: Path = Path("/proc")) -> dict[str, str]:
    """The path of the network namespace of each of these pods that has a process, in one pass over /proc."""
    wanted = set(uids)
    found: dict[str, str] = {}
    if not wanted:
        return found
    for pid, cgroup in processes(proc):
        match = _POD.search(cgroup)
        if match is None:
            continue
        uid = match[1].replace("_", "-")
        if uid in wanted:
            found[uid] = f"{proc}/{pid}/ns/net"
            wanted.discard(uid)
            if not wanted:
                break
    return found


def interfaces(path: str) -> dict[str, tuple[int, int]]:
    """The packets that each interface of the network namespace at `path` has received and sent, but for `lo`; none
    where it is gone.

    /proc/PID/net shows them without entering; a namespace that has only a name must be entered: none where that is not
    allowed.
    """
    beside = Path(path).parent.parent / "net/dev"  # of /proc/PID/ns/net
    try:
        text = beside.read_text() if path.endswith("/ns/net") else in_netns(NetNs(path=path), _OWN.read_text)
    except (OSError, CaptureError):
        return {}
    rows = [row.partition(":") for row in text.splitlines()[2:]]
    counted = {name.strip(): counters.split() for name, _, counters in rows if name.strip() != "lo"}
    return {name: (int(values[1]), int(values[9])) for name, values in counted.items()}


def inode(path: str) -> int:
    """The number of a network namespace, or 0 where the path leads to none (any more), or to one that is not shown."""
    try:
        return Path(path).stat().st_ino
    except OSError:
        return 0


def is_hidden(path: str) -> bool:
    """Whether there is a process at the path, but not one that we may look at (PTRACE_MODE_READ, ptrace(2))."""
    try:
        Path(path).stat()
    except PermissionError:
        return True
    except OSError:
        pass
    return False
