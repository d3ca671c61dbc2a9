"""The busiest flows of a tick, for a live table."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from weir_probe.export.names import Names, identity_of, to_address
from weir_probe.streams.layout import BYTES_BITS, BYTES_MASK
from weir_probe.streams.tick import ENDED
from weir_probe.wire.protocols import protocol_name


@dataclass(frozen=True, slots=True)
class LiveFlow:
    """One row: `src` opened the flow. Names are namespace/workload, else the class of the peer."""

    src: str
    dst: str
    src_address: str
    dst_address: str
    src_port: int
    dst_port: int
    protocol: str | int
    packets_per_s: float
    bytes_per_s: float
    packets: int  # since the flow began, or the probe knows it
    bytes: int
    age_s: float
    state: str  # open, closed


def busiest(
    slots: npt.NDArray[Any], rows: npt.NDArray[Any], names: Names, *, seconds: float, now_ns: int, limit: int
) -> list[LiveFlow]:
    """The `limit` observed flows that sent most bytes in a tick of this length; `now_ns` is CLOCK_MONOTONIC."""
    flows = slots[rows["slot"]]
    observed = (flows["observations"] != 0) | ((flows["peer_observations"] != 0) & (flows["peer_iface"] != 0))
    delta_bytes = (rows["delta"] & np.uint64(BYTES_MASK)).sum(axis=1)
    candidates = np.flatnonzero(observed)
    order = candidates[np.argsort(delta_bytes[candidates], kind="stable")[::-1][:limit]]
    return [_flow(flows[i], rows[i], names, seconds=seconds, now_ns=now_ns, moved=int(delta_bytes[i])) for i in order]


def _flow(slot: np.void, row: np.void, names: Names, *, seconds: float, now_ns: int, moved: int) -> LiveFlow:
    opener = int(slot["opener"]) & 1
    ends = [to_address(slot["addr"][side].tobytes()) for side in (opener, 1 - opener)]
    words = [int(word) for word in slot["traffic"]]
    return LiveFlow(
        src=_end(slot, opener, names),
        dst=_end(slot, 1 - opener, names),
        src_address=str(ends[0]),
        dst_address=str(ends[1]),
        src_port=int(slot["port"][opener]),
        dst_port=int(slot["port"][1 - opener]),
        protocol=protocol_name(int(slot["proto"])),
        packets_per_s=sum(int(word) >> BYTES_BITS for word in row["delta"]) / seconds,
        bytes_per_s=moved / seconds,
        packets=sum(word >> BYTES_BITS for word in words),
        bytes=sum(word & BYTES_MASK for word in words),
        age_s=max(0.0, (now_ns - int(slot["first_ns"])) / 1e9),
        state="closed" if int(row["event"]) & ENDED or int(slot["state"]) == 3 else "open",
    )


def _end(slot: np.void, side: int, names: Names) -> str:
    """The workload at one side: behind the interface that counts it, behind the other one, or by address."""
    inside = int(slot["workload_side"]) & 1
    pod = names.interfaces.get(int(slot["iface"] if side == inside else slot["peer_iface"]))
    if pod is not None:
        return str(identity_of(pod))
    return str(names.of_words(int(slot["addr"][side][0]), int(slot["addr"][side][1])))
