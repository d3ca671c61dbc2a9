"""Flow records with all that names them: a block of numpy columns per tick, and its JSON lines (docs/records.md)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from weir_probe.capture.model import Clock
from weir_probe.export.signals import Told, members, told
from weir_probe.plan.containers import Containers
from weir_probe.plan.pods import LocalPod
from weir_probe.streams.layout import BYTES_BITS, BYTES_MASK, COUNTERS, TIMES
from weir_probe.streams.performance import CLOSE_TYPES, close_type
from weir_probe.wire.protocols import protocol_name
from weir_probe.wire.text import address, instants

Lines = Iterator[bytes]
_CHUNK: Final = 4096  # rows that are Python objects at one time
_PROTOCOLS: Final = [json.dumps(protocol_name(number)) for number in range(256)]


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
        """Each record as a line."""
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
    """Each record as a line of JSON, with its line end: the fields of weir_api.records.FlowRecord."""
    words = _Words(block)
    node = json.dumps(block.node)
    for start in range(0, len(block), _CHUNK):
        columns = _columns(block, slice(start, start + _CHUNK))
        figures = _figures(block, slice(start, start + _CHUNK))
        signals = members(block.told, slice(start, start + _CHUNK)) if block.told is not None else repeat("")
        for (
            flow,
            sequence,
            ended,
            asked,
            begin,
            end,
            addr,
            port,
            proto,
            packets,
            octets,
            flags,
            iface,
            connection,
            nat,
        ) in zip(*columns, strict=True):
            src, src_namespace, src_workload, src_pod = words.end(iface[0], *addr[0])
            dst, dst_namespace, dst_workload, dst_pod = words.end(iface[1], *addr[1])
            yield (
                f'{{"flow_id":"{flow:016x}","sequence":{sequence},"reason":"{"end" if ended else "interval"}",'
                f'"node":{node},"observations":{words.observations(asked)},"start":"{begin}","end":"{end}",'
                f'"src":{src},"dst":{dst},"src_port":{port[0]},"dst_port":{port[1]},'
                f'"protocol":{_PROTOCOLS[proto]},'
                f'"src_namespace":{src_namespace},"src_workload":{src_workload},"src_pod":{src_pod},'
                f'"dst_namespace":{dst_namespace},"dst_workload":{dst_workload},"dst_pod":{dst_pod},'
                f'"packets_tx":{packets[0]},"packets_rx":{packets[1]},"bytes_tx":{octets[0]},"bytes_rx":{octets[1]},'
                f'"tcp_flags_tx":{flags[0]},"tcp_flags_rx":{flags[1]},"interfaces":{words.interfaces(*iface)}'
                f"{_connection(connection)}{words.translation(*nat)}{next(figures)}{next(signals)}}}\n"
            ).encode()


def _columns(block: RecordBlock, rows: slice) -> tuple[list[Any], ...]:
    """Some rows as Python objects."""
    return (
        block.flow_id[rows].tolist(),
        block.sequence[rows].tolist(),
        block.ended[rows].tolist(),
        block.asked[rows].tolist(),
        instants(block.start_ns[rows]),
        instants(block.end_ns[rows]),
        block.addr[rows].tolist(),
        block.port[rows].tolist(),
        block.proto[rows].tolist(),
        block.packets[rows].tolist(),
        block.bytes[rows].tolist(),
        block.tcp_flags[rows].tolist(),
        block.iface[rows].tolist(),
        block.connection[rows].tolist(),
        list(zip(*block.nat_addr[rows].T.tolist(), block.nat_port[rows].tolist(), strict=True)),
    )


#: Names of what a record measured, in the order of `_figures`.
_FIGURES: Final = [*COUNTERS, *(f"{name}_{part}" for part in ("count", "sum_us", "max_us") for name in TIMES)]


def _figures(block: RecordBlock, rows: slice) -> Iterator[str]:
    """What some rows measured, each as members of a JSON object; what is 0 is left out, for it mostly is."""
    us = [(column[rows] / 1000).tolist() for column in (block.sum_ns, block.max_ns)]
    columns = (block.counters[rows].tolist(), block.count[rows].tolist(), *us, block.close_type[rows].tolist())
    for counters, counts, sums, maxima, close in zip(*columns, strict=True):
        values = zip(_FIGURES, (*counters, *counts, *sums, *maxima), strict=True)
        told = "".join([f',"{name}":{value}' for name, value in values if value])
        yield told + f',"close_type":"{CLOSE_TYPES[close]}"' if close else told


def _connection(number: int) -> str:
    return f',"connection":"{number:016x}"' if number else ""


class _Words:
    """The JSON of what repeats within a block, made once: names may hold anything, so all of it is escaped."""

    def __init__(self, block: RecordBlock) -> None:
        self._block = block
        self._ends: dict[tuple[int, int, int], tuple[str, ...]] = {}
        self._observations: dict[int, str] = {}
        self._interfaces: dict[tuple[int, int], str] = {}

    def interfaces(self, src: int, dst: int) -> str:
        """A list of the names of the interfaces that are watched at both ends."""
        known = self._interfaces.get((src, dst))
        if known is None:
            named = (self._block.names.name_of_interface(iface) for iface in (src, dst) if iface)
            known = self._interfaces[src, dst] = json.dumps(list(named))
        return known

    def translation(self, first: int, second: int, port: int) -> str:
        """Who really is at dst, as members of a JSON object; nothing where dst is."""
        if not first | second:
            return ""
        address_, namespace, workload, pod = self.end(0, first, second)
        return (
            f',"dst_nat":{address_},"dst_nat_port":{port},"dst_nat_namespace":{namespace},'
            f'"dst_nat_workload":{workload},"dst_nat_pod":{pod}'
        )

    def end(self, iface: int, first: int, second: int) -> tuple[str, ...]:
        """Address, namespace, workload, pod."""
        key = (iface, first, second)
        known = self._ends.get(key)
        if known is None:
            packed = first.to_bytes(8, "little") + second.to_bytes(8, "little")
            names = self._block.names
            pod = names.of_interface(iface) if iface else None
            end = end_of(pod) if pod is not None else names.of_address(packed)
            known = tuple(map(json.dumps, (address(packed), end.namespace, end.workload, end.pod)))
            self._ends[key] = known
        return known

    def observations(self, mask: int) -> str:
        """A list of names in the order of their bits."""
        known = self._observations.get(mask)
        if known is None:
            known = json.dumps([name for bit, name in sorted(self._block.observations.items()) if mask >> bit & 1])
            self._observations[mask] = known
        return known
