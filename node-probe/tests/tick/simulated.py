"""The writer of a flow table as the tick sees it: what bpf/flow.bpf.c does to slots, step by step, in plain Python."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

import numpy as np
import numpy.typing as npt

from weir_probe.export.aggregate import Aggregator
from weir_probe.export.peers import KEPT, Peers, default_classes, words
from weir_probe.export.recorder import Recorder
from weir_probe.export.series import unpack
from weir_probe.export.translation import TRANSLATED
from weir_probe.streams.layout import EMPTY, EXPORTED, LIVE, RETIRED, SLOT
from weir_probe.streams.measures import MEASURED, Measures
from weir_probe.streams.tick import ENDED, NEW, Ticker

TCP, UDP = 6, 17
FIN, SYN, RST, ACK = 1, 2, 4, 16
WORD = (1 << 64) - 1
BYTES = (1 << 40) - 1
IDLE, CLOSED_IDLE, OTHER_IDLE = 300, 5, 60


class Table:
    """A flow table, its writer, and everything that reads it in a tick."""

    def __init__(self, slots: int | npt.NDArray[Any] = 16, known: dict[str, int] | None = None) -> None:
        """`slots`: how many, or memory that is shared with another writer."""
        self.slots = np.zeros(slots, SLOT) if isinstance(slots, int) else slots
        self.exported = np.zeros(len(self.slots), EXPORTED)
        self.now = 1000
        self.measured = np.zeros(len(self.slots), MEASURED)
        self.measures = Measures(self.measured)
        self.ticker = Ticker(self.slots, self.exported, 1 << 40, self.measured, self.measures.written)
        #: of two sets of labels, by interface
        self.behind = np.zeros((2, 65_536), np.uint32)
        self.set_of = np.zeros(64, np.uint8)
        self.translated = np.zeros(len(self.slots), TRANSLATED)
        self.aggregator = Aggregator(
            self.slots,
            self.exported,
            self.ticker,
            peers(known or {}),
            self.behind,
            self.set_of,
            self.translated["counted_by"],
        )
        self.recorder = Recorder(self.slots, self.exported, self.ticker, self.measured)
        self.aggregator.series.limits[:] = 1000

    def insert(
        self,
        a: str = "10.0.0.1",
        b: str = "10.0.0.2",
        *,
        ports: tuple[int, int] = (40000, 80),
        proto: int = TCP,
        opener: int = 0,
        side: int = 0,
        iface: int = 1,
        observations: int = 1,
    ) -> int:
        """A new flow in an empty slot, without a packet yet; -1: the table is full."""
        empty = np.flatnonzero(self.slots["state"] == EMPTY)
        if not len(empty):
            return -1
        i = int(empty[0])
        slot = self.slots[i : i + 1]
        slot["addr"] = [words(ip_address(a)), words(ip_address(b))]
        slot["traffic"] = 0
        slot["last"] = self.now
        slot["observations"] = observations
        slot["peer_observations"] = 0
        slot["first_ns"] = self.now * 1_000_000_000
        slot["generation"] = slot["peer_generation"] = slot["peer_iface"] = slot["tcp_flags"] = 0
        slot["opener"] = opener
        slot["workload_side"] = side
        slot["port"], slot["proto"], slot["iface"] = ports, proto, iface
        slot["state"] = LIVE
        return i

    def send(self, i: int, side: int, packets: int, octets: int, flags: int = 0) -> None:
        """One atomic addition, whatever state the slot is in: the packet found it before."""
        word = int(self.slots["traffic"][i, side]) + (packets << 40 | octets)
        self.slots["traffic"][i, side] = word & WORD
        self.slots["last"][i] = self.now
        self.slots["tcp_flags"][i, side] |= flags

    def replace(self, i: int) -> None:
        """A SYN in a closed connection: the slot counts no new packet."""
        self.slots["state"][i] = RETIRED

    def seen_by(self, i: int, iface: int, observations: int) -> None:
        """Another interface sees the flow."""
        self.slots["peer_observations"][i] = observations
        self.slots["peer_iface"][i] = iface

    def taken_over(self, i: int) -> None:
        """The next packet at `peer_iface`, after `iface` was let go; peer_observations stays behind."""
        self.slots["iface"][i] = self.slots["peer_iface"][i]
        self.slots["workload_side"][i] ^= 1
        self.slots["peer_iface"][i] = 0
        self.slots["observations"][i] = self.slots["peer_observations"][i]

    def tick(self) -> Tick:
        """Read all, as the agent does once a second."""
        count = self.ticker.run(self.now, IDLE, CLOSED_IDLE, OTHER_IDLE, self.now * 1_000_000_000)
        self.aggregator.begin()
        self.recorder.begin(self.now * 1_000_000_000)
        for first in range(0, count, 3):
            self.aggregator.consume(first, min(first + 3, count))
            self.recorder.consume(first, min(first + 3, count))
        tick = Tick()
        tick.slots = [
            *self.ticker.rows["slot"][:count].tolist(),
            *self.ticker.quiet["slot"][: self.ticker.resting].tolist(),
        ]
        ids = self.exported["flow_id"]
        for row in self.ticker.rows[:count]:
            flow, event = int(ids[row["slot"]]), int(row["event"])
            tick.deltas[flow] = traffic(row["delta"])
            tick.new[flow] += event & NEW == NEW
            tick.ended[flow] += event & ENDED == ENDED
        tick.new, tick.ended = +tick.new, +tick.ended
        for row in self.recorder.records[: self.recorder.written]:
            flow, number, ended, mask = (int(row[name]) for name in ("flow_id", "sequence", "ended", "observations"))
            tick.records.append(Record(flow, number, ended, mask, traffic(row["traffic"])))
        assert self.ticker.release(count) == len(tick.ended)
        return tick

    def wait(self, seconds: int) -> Tick:
        """Time passes, then a tick."""
        self.now += seconds
        return self.tick()

    def total(self, bit: int) -> tuple[int, int, int, int]:
        """Packets and bytes from the workload, and to it."""
        row = self.aggregator.totals[bit]
        (sent, received), (sent_bytes, received_bytes) = row["packets"].tolist(), row["bytes"].tolist()
        return sent, sent_bytes, received, received_bytes

    def series(self) -> dict[tuple[int, int, int, int, int], tuple[int, ...]]:
        """(bit, role, protocol, workload, peer): packets and bytes sent, and received, connections, live flows."""
        series = self.aggregator.series
        return {
            unpack(int(row["key"])): (
                int(row["packets"][0]),
                int(row["bytes"][0]),
                int(row["packets"][1]),
                int(row["bytes"][1]),
                int(row["connections"]),
                int(row["live"]),
            )
            for row in series.rows[: series.used]
        }


@dataclass(frozen=True)
class Record:
    flow_id: int
    sequence: int
    ended: int
    observations: int
    traffic: list[tuple[int, int]]


@dataclass
class Tick:
    """What one tick said; traffic is (packets, bytes) by side. `slots` are all that it met, resting or not."""

    slots: list[int] = field(default_factory=list)
    deltas: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    new: Counter[int] = field(default_factory=Counter)
    ended: Counter[int] = field(default_factory=Counter)
    records: list[Record] = field(default_factory=list)


def traffic(words: npt.NDArray[np.uint64]) -> list[tuple[int, int]]:
    """(packets, bytes) of each side."""
    return [(int(word) >> 40, int(word) & BYTES) for word in words]


def peers(known: dict[str, int], *, asks: bool = False, most: int = 1000) -> Peers:
    """A table of addresses, with the default classes."""
    table = Peers(default_classes([]), most, asks=asks)
    for text, identity in known.items():
        table.enter(*words(ip_address(text)), identity, KEPT)
    return table
