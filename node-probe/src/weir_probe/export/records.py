"""Flow records with all that names them: a block of numpy columns per tick, and its JSON lines (docs/records.md)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from weir_probe.capture.model import Clock
from weir_probe.export.flowlines import FlowLines
from weir_probe.export.signals import Told, members, told
from weir_probe.plan.containers import Containers
from weir_probe.plan.pods import LocalPod
from weir_probe.streams.layout import BYTES_BITS, BYTES_MASK
from weir_probe.streams.performance import close_type
from weir_probe.wire.text import address

Lines = Iterator[bytes]
_CHUNK: Final = 4096  # rows that are Python objects at one time
_ENDS: Final = ("src", "dst", "dst_nat")


@dataclass(frozen=True, slots=True)
class End:
    """Who is at one end of a flow; "" is not known. `workload` is Kind/name, or a class: node, cluster, external."""

    namespace: str = ""
    workload: str = ""
    pod: str = ""


class Names(Protocol):
    """Who was who in one tick. A sink asks later, from a thread of its own, and gets the answers of that tick."""

    def of_interface(self, iface_id: int) -> LocalPod | None:
        """The pod behind an interface of this node."""

    def name_of_interface(self, iface_id: int) -> str:
        """What the kernel calls an interface."""

    def of_address(self, packed: bytes) -> End:
        """Whoever has this address: 16 bytes in network order, IPv4 v4-mapped."""


@dataclass(frozen=True)
class RecordBlock:
    """The flow records of one tick, a row each. Where a column has two values, [:, 0] is of the side that opened the
    flow (src, tx), [:, 1] of the other (dst, rx)."""

    node: str
    observations: Mapping[int, str]  # bit: namespace/name
    names: Names
    flow_id: npt.NDArray[np.uint64]
    sequence: npt.NDArray[np.uint32]
    ended: npt.NDArray[np.bool_]
    asked: npt.NDArray[np.uint64]  # mask of the observations that asked for it
    start_ns: npt.NDArray[np.int64]  # Unix time of the flow's first packet
    end_ns: npt.NDArray[np.int64]  # and of its last so far
    addr: npt.NDArray[np.uint64]  # (n, 2, 2): words as a slot has them
    port: npt.NDArray[np.uint16]
    proto: npt.NDArray[np.uint8]
    packets: npt.NDArray[np.uint64]
    bytes: npt.NDArray[np.uint64]
    tcp_flags: npt.NDArray[np.uint8]
    counters: npt.NDArray[np.uint64]  # (n, len(COUNTERS))
    count: npt.NDArray[np.uint64]  # (n, len(TIMES)): of each time, also sum_ns and max_ns
    sum_ns: npt.NDArray[np.uint64]
    max_ns: npt.NDArray[np.uint64]
    close_type: npt.NDArray[np.uint8]  # an index of CLOSE_TYPES; 0 but in the last record of a TCP flow
    iface: npt.NDArray[np.uint16]  # the interface of the workload at this end; 0: none is watched
    connection: npt.NDArray[np.uint64]  # both initial sequence numbers of a TCP connection; 0: not seen
    nat_addr: npt.NDArray[np.uint64]  # (n, 2): where packets to dst really go; 0: there
    nat_port: npt.NDArray[np.uint16]
    told: Told | None  # by kernel signals; None: there are none

    def __len__(self) -> int:
        return len(self.flow_id)

    def lines(self) -> "Lines":
        """Each record as a line, some at a time."""
        return lines(self)


def block(
    records: npt.NDArray[Any],
    slots: npt.NDArray[Any],
    clock: Clock,
    *,
    node: str,
    wall_offset_ns: int,
    observations: Mapping[int, str],
    names: Names,
    translated: npt.NDArray[Any],
    signals: tuple[npt.NDArray[Any], Containers] | None = None,
) -> RecordBlock:
    """Join `records` (recorder.RECORD) with their slots: before the ticker releases them, and nothing shared is kept.
    `signals` are streams.signals.SIGNALLED, and where processes are.

    `wall_offset_ns` is Unix time minus CLOCK_MONOTONIC, both now; `translated` is translation.TRANSLATED, by slot.
    """
    slot = records["slot"]
    real = translated[slot]
    real[real["flow_id"] != records["flow_id"]] = 0
    opened = (slots["syn"][slot] > 0) & (slots["synack"][slot] > 0)
    initial = slots["initial_seq"][slot].astype(np.uint64)
    row = np.arange(len(slot))[:, np.newaxis]
    opener = (slots["opener"][slot] & 1).astype(np.intp)
    sides = np.stack([opener, 1 - opener], axis=1)
    inside = slots["workload_side"][slot] & 1
    interfaces = np.stack([slots["iface"][slot], slots["peer_iface"][slot]], axis=1)
    traffic = records["traffic"][row, sides]
    flags = slots["tcp_flags"][slot][row, sides]
    start_ns = slots["first_ns"][slot].astype(np.int64) + wall_offset_ns
    # a `last` beyond the clock's own reading is a packet since: the difference is negative
    age = (np.uint64(clock.ticks) - slots["last"][slot]).astype(np.int64)
    end_ns = clock.monotonic_ns + wall_offset_ns - age * clock.ns_per_tick
    return RecordBlock(
        node=node,
        observations=observations,
        names=names,
        flow_id=records["flow_id"].copy(),
        sequence=records["sequence"].copy(),
        ended=records["ended"] != 0,
        asked=records["observations"].copy(),
        start_ns=start_ns,
        end_ns=np.maximum(start_ns, end_ns),  # the table's clock may be coarser than the start's (jiffies)
        addr=slots["addr"][slot][row, sides],
        port=slots["port"][slot][row, sides],
        proto=slots["proto"][slot],
        packets=traffic >> np.uint64(BYTES_BITS),
        bytes=traffic & np.uint64(BYTES_MASK),
        tcp_flags=flags,
        counters=records["counters"].copy(),
        count=records["count"].copy(),
        sum_ns=records["sum_ns"].copy(),
        max_ns=records["max_ns"].copy(),
        close_type=_close_types(records, slots["opening"][slot], slots["reset"][slot], flags),
        iface=interfaces[row, sides ^ inside[:, np.newaxis]],
        connection=np.where(opened, initial[:, 0] << np.uint64(32) | initial[:, 1], np.uint64(0)),
        nat_addr=real["addr"].copy(),
        nat_port=real["port"].copy(),
        told=told(records, signals[0], sides, signals[1]) if signals is not None else None,
    )


def _close_types(
    records: npt.NDArray[Any], opening: npt.NDArray[Any], reset: npt.NDArray[Any], flags: npt.NDArray[Any]
) -> npt.NDArray[np.uint8]:
    found = np.zeros(len(records), np.uint8)
    for at in np.flatnonzero(records["ended"]):
        client, server = flags[at].tolist()
        timed_out = bool(records["timed_out"][at])
        found[at] = close_type(int(opening[at]), int(reset[at]), client, server, timed_out)
    return found


def end_of(pod: LocalPod) -> End:
    """A pod as one end of a flow."""
    return End(pod.workload.namespace, "/".join(pod.owner), pod.workload.name)


def lines(block: RecordBlock) -> Iterator[bytes]:
    """Each record as a line of JSON, with its line end: the fields of weir_api.records.FlowRecord; some at a time."""
    writer = FlowLines(block, _Words(block), _signals(block.told, len(block)) if block.told is not None else None)
    while writer.row < len(block):
        yield writer.some()


def _signals(told: Told, count: int) -> Iterator[str]:
    for start in range(0, count, _CHUNK):
        yield from members(told, slice(start, start + _CHUNK))


@lru_cache(16_384)  # most addresses are in many blocks
def _address(packed: bytes) -> bytes:
    return f'"{address(packed)}"'.encode()


@lru_cache(4096)
def _members(name: str, end: End) -> bytes:
    return (
        f',"{name}_namespace":{json.dumps(end.namespace)},"{name}_workload":{json.dumps(end.workload)},'
        f'"{name}_pod":{json.dumps(end.pod)}'
    ).encode()


class _Words:
    """The flowlines.Teller of a block."""

    def __init__(self, block: RecordBlock) -> None:
        self._block = block
        self._node = json.dumps(block.node)

    def end(self, which: int, iface: int, packed: bytes) -> tuple[bytes, bytes]:
        """Address; namespace, workload, pod."""
        names = self._block.names
        pod = names.of_interface(iface) if iface else None
        end = end_of(pod) if pod is not None else names.of_address(packed)
        return _address(packed), _members(_ENDS[which], end)

    def observations(self, mask: int) -> bytes:
        """The node, and a list of names in the order of their bits."""
        named = [name for bit, name in sorted(self._block.observations.items()) if mask >> bit & 1]
        return f',"node":{self._node},"observations":{json.dumps(named)}'.encode()

    def interfaces(self, src: int, dst: int) -> bytes:
        """A list of names."""
        named = [self._block.names.name_of_interface(iface) for iface in (src, dst) if iface]
        return f',"interfaces":{json.dumps(named)}'.encode()
