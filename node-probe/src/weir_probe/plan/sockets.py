"""Whose sockets the kernel tells of: the network namespaces of pods that an observation wants to hear of."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from weir_api.flowobservation import FlowLogMode
from weir_api.nodeprobe import PlannedObservation
from weir_probe.capture.signals import NODE
from weir_probe.plan.endpoints import Resolution
from weir_probe.plan.netns import inode

_OWN: Final = Path("/proc/self/ns/net")


def wants_signals(observation: PlannedObservation) -> bool:
    """Whether it asks for anything that signals are told in: metrics, or flow records."""
    logs = observation.flow_logs
    return observation.metrics or (logs is not None and logs.mode is not FlowLogMode.OFF)


def watched_netnses(
    observations: Iterable[PlannedObservation],
    resolution: Resolution,
    inodes: Mapping[str, int],
    ids: Mapping[str, int],
) -> dict[int, int]:
    """For KernelSignals.watch. `inodes` and `ids` by pod uid: its network namespace, and the id of its interfaces."""
    wanted = {uid for o in observations if wants_signals(o) for uid in resolution.matched.get(o.uid, ())}
    watched = {inodes[uid]: ids[uid] for uid in wanted & inodes.keys() & ids.keys()}
    if watched:
        watched.setdefault(inode(str(_OWN)), NODE)
    return watched
