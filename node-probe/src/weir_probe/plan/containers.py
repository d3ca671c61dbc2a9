"""Which container a process is in, by its cgroup; remembered, for processes that end before anybody asks."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Final

from weir_probe.plan.host import container_in

_REMEMBERED: Final = 8192
_ASKED: Final = 256  # at one time: each is a file of /proc
#: The root of the hierarchy of cgroup v2, where all processes are if the containers are in those of v1.
_ROOT: Final = 1


class Containers:
    """Ids of containers by (pid, id of the cgroup): by the cgroup alone where the hierarchy says more than its root."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._known: dict[tuple[int, int], str] = {}

    def learn(self, owners: Iterable[tuple[int, int]]) -> None:
        """Look at these processes while they are there; a pid by itself may be another process's by now."""
        for pid, cgroup in islice((o for o in owners if o[1] <= _ROOT or _key(*o) not in self._known), _ASKED):
            try:
                found = container_in((self._proc / str(pid) / "cgroup").read_text())
            except OSError:  # it has ended: another of its cgroup may tell
                continue
            if len(self._known) >= _REMEMBERED:
                self._known.pop(next(iter(self._known)))
            self._known[_key(pid, cgroup)] = found

    def of(self, pid: int, cgroup: int) -> str:
        """The container's id; "": none, or not known."""
        return self._known.get(_key(pid, cgroup), "")


def _key(pid: int, cgroup: int) -> tuple[int, int]:
    return (0, cgroup) if cgroup > _ROOT else (pid, cgroup)
