"""Flows, and calls, of a capture file by the engine of user space: a JSON line each.

Flows come in the order of their first packets, calls in the order of their requests as far as the call book remembers.
docs/flows.md and docs/calls.md define every field.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from io import FileIO
from pathlib import Path
from typing import Any, Final, TextIO

import numpy as np
import numpy.typing as npt

from weir_probe.capture.pcap import CaptureDecoder, PcapError, Readable, read_capture
from weir_probe.export.calls.lines import Addresses, LineWriter
from weir_probe.protocols.parser import Spec
from weir_probe.protocols.registry import BY_NAME, PROTOCOLS
from weir_probe.streams.call_engine import CallEngine, done
from weir_probe.streams.calls import LOSSES
from weir_probe.streams.engine import FlowEngine
from weir_probe.streams.layout import BYTES_BITS, BYTES_MASK, OUTCOMES, TIMES
from weir_probe.streams.performance import CLOSE_TYPES, IDLE_TIMEOUT_NS, close_type
from weir_probe.streams.table import FlowTable
from weir_probe.wire.protocols import TCP, UDP, protocol_name
from weir_probe.wire.text import address, instants

MAX_FLOWS: Final = 4_194_304
_FIRST_CAPACITY: Final = 4_096


@dataclass(frozen=True, slots=True)
class Flow:
    """One flow; `src` opened it, `tx` is what it sent, `rx` what came back."""

    src: str
    dst: str
    src_port: int
    dst_port: int
    protocol: str | int
    start: str
    end: str
    packets_tx: int
    packets_rx: int
    bytes_tx: int
    bytes_rx: int
    l3_bytes_tx: int
    l3_bytes_rx: int
    l4_bytes_tx: int
    l4_bytes_rx: int
    rtt_client_count: int
    rtt_client_sum_us: float
    rtt_client_max_us: float
    rtt_server_count: int
    rtt_server_sum_us: float
    rtt_server_max_us: float
    srt_count: int
    srt_sum_us: float
    srt_max_us: float
    art_count: int
    art_sum_us: float
    art_max_us: float
    cit_count: int
    cit_sum_us: float
    cit_max_us: float
    rtt_us: float
    retrans_tx: int
    retrans_rx: int
    retrans_syn_tx: int
    retrans_syn_rx: int
    retrans_syn: int
    retrans_synack: int
    ooo_tx: int
    ooo_rx: int
    zero_win_tx: int
    zero_win_rx: int
    syn: int
    synack: int
    fin: int
    close_type: str


_PROTOCOL: Final = [field.name for field in fields(Flow)].index("protocol")
#: A line of JSON for a tuple of columns; the protocol comes with its quotes, or is a number.
_LINE: Final = (
    "{" + ", ".join(f'"{field.name}": ' + ('"%s"' if field.type is str else "%s") for field in fields(Flow)) + "}\n"
)


@dataclass(frozen=True, slots=True)
class Count:
    packets: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What a capture held: frames = flow_packets + non_ip + what was lost, in packets and in bytes.

    `unassembled` are fragments counted to flows without ports for want of room to remember their datagrams: not lost.
    """

    flows: int
    frames: Count
    counted: Count
    non_ip: Count
    lost: dict[str, Count]
    unassembled: Count
    start: str | None
    end: str | None
    duration_s: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class Replay:
    """What `replay` read. `flows`, `lines`, `write_jsonl` give every flow first, then raise `error` if there is one."""

    def __init__(self, engine: FlowEngine, decoder: CaptureDecoder, error: PcapError | None) -> None:
        self.error = error
        self._engine = engine
        self._decoder = decoder

    def flows(self) -> Iterator[Flow]:
        """Each flow as an object."""
        for columns in self._columns():
            yield from map(Flow, *columns)
        self._raise()

    def lines(self) -> Iterator[str]:
        """Each flow as a line of JSON, with its line end."""
        for columns in self._columns():
            protocols = columns[_PROTOCOL]
            protocols[:] = [f'"{name}"' if isinstance(name, str) else name for name in protocols]
            yield from map(_LINE.__mod__, zip(*columns, strict=True))
        self._raise()

    def write_jsonl(self, stream: TextIO) -> None:
        """Write all lines."""
        stream.writelines(self.lines())

    def summary(self) -> Summary:
        """Totals over the whole capture."""
        table, decoder = self._engine.table, self._decoder
        outcomes = {name: Count(*map(int, pair)) for name, pair in zip(OUTCOMES, self._engine.outcomes, strict=True)}
        counted = [0, 0]
        for slots, extra in table.flows():
            packets, octets = _totals(slots, extra)
            counted[0] += int(packets.sum())
            counted[1] += int(octets.sum())
        times: npt.NDArray[np.uint64] = np.array([decoder.earliest_ns, decoder.latest_ns], np.uint64)
        known = self._engine.frames > 0
        start, end = instants(times) if known else (None, None)
        return Summary(
            flows=table.live + table.archived,
            frames=Count(self._engine.frames, self._engine.bytes),
            counted=Count(*counted),
            non_ip=outcomes["non_ip"],
            lost={name: outcomes[name] for name in ("malformed", "table_full")},
            unassembled=outcomes["fragments_full"],
            start=start,
            end=end,
            duration_s=(decoder.latest_ns - decoder.earliest_ns) / 1e9 if known else 0.0,
        )

    def _raise(self) -> None:
        if self.error:
            raise self.error

    def _columns(self) -> Iterator[tuple[list[Any], ...]]:
        """The fields of Flow as lists, for some thousand flows at a time."""
        for slots, extra in self._engine.table.flows():
            row = np.arange(len(slots))
            tx, rx = slots["opener"], 1 - slots["opener"]
            packets, octets = _totals(slots, extra)
            measured = extra["measured"]
            l3_bytes, l4_bytes = _layers(slots, extra, octets)
            flags = slots["tcp_flags"]
            ends = map(
                close_type,
                slots["opening"].tolist(),
                slots["reset"].tolist(),
                flags[row, tx].tolist(),
                flags[row, rx].tolist(),
                (self._decoder.latest_ns - slots["last"] >= IDLE_TIMEOUT_NS).tolist(),
            )
            yield (
                _addresses(slots["addr"][row, tx]),
                _addresses(slots["addr"][row, rx]),
                slots["port"][row, tx].tolist(),
                slots["port"][row, rx].tolist(),
                [protocol_name(number) for number in slots["proto"].tolist()],
                instants(slots["first_ns"]),
                instants(slots["last"]),
                packets[row, tx].tolist(),
                packets[row, rx].tolist(),
                octets[row, tx].tolist(),
                octets[row, rx].tolist(),
                l3_bytes[row, tx].tolist(),
                l3_bytes[row, rx].tolist(),
                l4_bytes[row, tx].tolist(),
                l4_bytes[row, rx].tolist(),
                *_times(measured),
                _us(measured["last_rtt_ns"]),
                *_both(slots["retrans"] + measured["retrans"]),
                *_both(slots["retrans_opening"].sum(axis=2)),
                *_both(slots["retrans_opening"].sum(axis=1)),
                *_both(measured["ooo"]),
                *_both(slots["zero_win"]),
                slots["syn"].tolist(),
                slots["synack"].tolist(),
                slots["fin"].tolist(),
                [CLOSE_TYPES[end] for end in ends],
            )


def replay(source: str | Path | Readable, *, max_flows: int = MAX_FLOWS) -> Replay:
    """Read a pcap or pcapng file (`-`: standard input; or a binary stream) to its end, or to where it is damaged.

    Damage is not raised here: it is `error` of the result, and raised after its last flow. OSError: it cannot be opened
    or read. Beyond `max_flows` flows, packets of new ones are counted as lost (`table_full`).
    """
    engine = _engine(max_flows)
    decoder = CaptureDecoder(engine)
    return Replay(engine, decoder, _read(source, decoder))


@dataclass(frozen=True, slots=True)
class CallSummary:
    """What became of the calls of a capture. `lost` counts what could not be kept or paired, by reason."""

    calls: int
    lost: dict[str, int]
    error: PcapError | None


def replay_calls(
    source: str | Path | Readable,
    write: Callable[[Iterable[str]], None],
    *,
    protocols: Iterable[Spec] = PROTOCOLS,
    redacts: bool = True,
    max_flows: int = MAX_FLOWS,
) -> CallSummary:
    """Read a capture as `replay` does, and `write` each call as a line of JSON. OSError: it cannot be read."""
    engine = _engine(max_flows)
    written = 0

    def drain() -> None:
        nonlocal written
        book = calls.book
        written += book.count
        text = lines.write(book.calls, book.conversations, done(book))
        write(text.decode("ascii").splitlines(keepends=True))
        book.release()

    calls = CallEngine(protocols, redacts=redacts, on_done=drain)
    lines = LineWriter(calls.protocols, Addresses())
    error = _read(source, CaptureDecoder(engine, calls))
    calls.finish()
    drain()
    lost = dict(zip(LOSSES, calls.book.losses.tolist(), strict=True))
    return CallSummary(written, {**lost, "no_room_for_connection": calls.unread}, error)


def named(names: Iterable[str]) -> tuple[Spec, ...]:
    """The protocols of these names. ValueError: there is none of that name."""
    unknown = sorted(set(names) - set(BY_NAME))
    if unknown:
        raise ValueError(f"no protocol {', '.join(unknown)}; there are {', '.join(sorted(BY_NAME))}")
    return tuple(PROTOCOLS[BY_NAME[name]] for name in names)


def _engine(max_flows: int) -> FlowEngine:
    if max_flows < 1:
        raise ValueError(f"max_flows: {max_flows} is not at least 1")
    return FlowEngine(FlowTable(capacity=_FIRST_CAPACITY, max_flows=max_flows))


def _read(source: str | Path | Readable, decoder: CaptureDecoder) -> PcapError | None:
    """Read it to its end, or to the damage that is returned."""
    if isinstance(source, str | Path):
        stdin = source == "-"
        with FileIO(sys.stdin.fileno() if stdin else source, closefd=not stdin) as stream:
            return _read(stream, decoder)
    try:
        read_capture(source, decoder)
    except PcapError as error:
        return error
    return None


def _totals(slots: npt.NDArray[Any], extra: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Packets and bytes by side."""
    packets = extra["packets"] + (slots["traffic"] >> np.uint64(BYTES_BITS))
    return packets, extra["bytes"] + (slots["traffic"] & np.uint64(BYTES_MASK))


def _layers(
    slots: npt.NDArray[Any], extra: npt.NDArray[Any], octets: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Bytes of IP packets, and of what TCP and UDP carry in them, by side."""
    l3_bytes = octets - extra["link_bytes"] - (slots["headers"] >> np.uint64(32))
    l4_bytes = l3_bytes - extra["header_bytes"] - (slots["headers"] & np.uint64(0xFFFFFFFF))
    l4_bytes[(slots["proto"] != TCP) & (slots["proto"] != UDP)] = 0
    return l3_bytes, l4_bytes


def _times(measured: npt.NDArray[Any]) -> Iterator[list[Any]]:
    for time in range(TIMES.index("rtt")):
        yield measured["count"][:, time].tolist()
        yield _us(measured["sum_ns"][:, time])
        yield _us(measured["max_ns"][:, time])


def _us(ns: npt.NDArray[np.uint64]) -> list[float]:
    us: list[float] = (ns / 1000).tolist()
    return us


def _both(pair: npt.NDArray[Any]) -> list[list[int]]:
    """A list for each of the two columns."""
    columns: list[list[int]] = pair.T.tolist()
    return columns


def _addresses(words: npt.NDArray[Any]) -> list[str]:
    return [_address(low, high) for low, high in words.tolist()]


@lru_cache(maxsize=65_536)
def _address(first: int, second: int) -> str:
    """The text of two address words; IPv4 where they are v4-mapped."""
    return address(first.to_bytes(8, "little") + second.to_bytes(8, "little"))
