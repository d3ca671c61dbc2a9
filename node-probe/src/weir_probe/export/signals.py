"""What kernel signals add to flow records: owners, drops, resets, retransmissions, final statistics."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from weir_probe.capture.signals import drop_reason, reset_reason
from weir_probe.plan.containers import Containers
from weir_probe.streams.signals import REASONS, STATES

_ENDS: Final = ("src", "dst")
#: Fields of streams.signals.SIGNALLED that the last record of a flow tells of each end, by their names there.
_FINAL: Final = {
    "acked": "bytes_acked",
    "received": "bytes_received",
    "srtt_us": "srtt_us",
    "min_rtt_us": "min_rtt_us",
    "retrans": "retrans",
    "lost": "lost",
    "cwnd": "cwnd",
}


@dataclass(frozen=True)
class Told:
    """The columns of some records, a row each; [:, 0] is src, [:, 1] dst."""

    containers: Containers
    pid: npt.NDArray[np.uint32]
    cgroup: npt.NDArray[np.uint64]
    command: npt.NDArray[np.bytes_]
    reset_by: npt.NDArray[np.uint8]  # 0: nobody, 1 src, 2 dst
    reset_known: npt.NDArray[np.uint8]
    reset_reason: npt.NDArray[np.uint32]
    reset_state: npt.NDArray[np.uint8]
    dropped: npt.NDArray[np.uint32]  # (n, REASONS + 1)
    drop_reason: npt.NDArray[np.uint32]
    retransmitted: npt.NDArray[np.uint32]
    final: dict[str, npt.NDArray[Any]]  # by name in a record


def told(
    records: npt.NDArray[Any], signalled: npt.NDArray[Any], sides: npt.NDArray[np.intp], containers: Containers
) -> Told:
    """Join `records` (recorder.RECORD) with what their slots were told. `sides[:, 0]` is the side of src."""
    rows = signalled[records["slot"]]
    at = np.arange(len(rows))[:, np.newaxis]
    ended = (records["ended"] != 0)[:, np.newaxis]
    command = np.ascontiguousarray(rows["command"][at, sides])
    by = rows["reset_by"].astype(np.intp)
    return Told(
        containers=containers,
        pid=rows["pid"][at, sides],
        cgroup=rows["cgroup"][at, sides],
        command=command.view(f"S{command.shape[-1]}")[..., 0],
        reset_by=np.where(by == 0, 0, np.where(by - 1 == sides[:, 0], 1, 2)).astype(np.uint8),
        reset_known=rows["reset_known"],
        reset_reason=rows["reset_reason"],
        reset_state=rows["reset_state"],
        dropped=records["dropped"].copy(),
        drop_reason=records["drop_reason"].copy(),
        retransmitted=records["retransmitted"][at, sides],
        final={name: np.where(ended, rows[field][at, sides], 0) for field, name in _FINAL.items()},
    )


def members(told: Told, rows: slice) -> Iterator[str]:
    """Of some records, each as members of a JSON object; what is not known, or 0, is left out."""
    columns = (
        told.pid[rows].tolist(),
        told.cgroup[rows].tolist(),
        told.command[rows].tolist(),
        told.reset_by[rows].tolist(),
        told.dropped[rows].tolist(),
        told.drop_reason[rows].tolist(),
        told.retransmitted[rows].tolist(),
        *([column[rows].tolist() for column in told.final.values()]),
    )
    for row, (pids, cgroups, commands, reset_by, dropped, reasons, again, *final) in enumerate(
        zip(*columns, strict=True), rows.start
    ):
        parts: list[str] = []
        for end, name in enumerate(_ENDS):
            if pids[end] or cgroups[end]:
                container = told.containers.of(pids[end], cgroups[end])
                parts.append(_owner(name, pids[end], commands[end], cgroups[end], container))
            parts += [
                f',"{name}_{what}":{column[end]}' for what, column in zip(told.final, final, strict=True) if column[end]
            ]
        if dropped[0]:
            parts.append(f',"drops":{_drops(dropped, reasons)}')
        parts += [f',"kernel_retrans_{way}":{n}' for way, n in zip(("tx", "rx"), again, strict=True) if n]
        if reset_by:
            parts.append(f',"reset_by":"{_ENDS[reset_by - 1]}"')
            parts.append(f',"reset_state":"{state_name(int(told.reset_state[row]))}"')
            if told.reset_known[row]:
                parts.append(f',"reset_reason":"{reset_reason(int(told.reset_reason[row]))}"')
        yield "".join(parts)


def state_name(number: int) -> str:
    """A TCP state as the kernel calls it."""
    return STATES[number] if number < len(STATES) else str(number)


def _owner(end: str, pid: int, command: bytes, cgroup: int, container: str) -> str:
    text = f',"{end}_pid":{pid},"{end}_command":{json.dumps(command.decode(errors="replace"))}' if pid else ""
    text += f',"{end}_cgroup":{cgroup}' if cgroup else ""
    return text + f',"{end}_container":"{container}"' if container else text


def _drops(dropped: list[int], reasons: list[int]) -> str:
    counted = {drop_reason(reasons[at]): dropped[at] for at in range(REASONS) if dropped[at]}
    if dropped[REASONS]:
        counted["other"] = dropped[REASONS]
    return json.dumps(counted, separators=(",", ":"))
