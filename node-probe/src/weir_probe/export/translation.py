"""Connections to a Service, whose address is nobody's: which pod they reach, and that both ends saw one connection.

A client's interface sees the virtual address, its server's the server's own: two flows. The kernel's connection
tracking says what became of the first, so the second is known for its other half: an observation of both counts one.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from weir_probe.capture.conntrack import Ends
from weir_probe.export.names import Names
from weir_probe.streams.tick import NEW
from weir_probe.wire.protocols import TCP, UDP

#: Connections that are asked about in one tick; each takes the kernel and this process some 15 µs.
MAX_ASKED: Final = 512
#: Classes of peers whose address may be virtual.
_MAYBE_VIRTUAL: Final = ("service", "cluster")
_KEY_BYTES: Final = 37  # of a slot: addresses, ports, protocol

#: By slot: the server's own address and port, of the flow with this id; `counted_by` has the observations that count
#: the connection by its other half.
TRANSLATED: Final = np.dtype(
    [("addr", "<u8", (2,)), ("flow_id", "<u8"), ("counted_by", "<u8"), ("port", "<u2"), ("pad", "<u2", (3,))]
)


class Tracker(Protocol):
    """capture.conntrack.Conntrack."""

    def real_ends(self, asked: Sequence[Ends]) -> Mapping[Ends, Ends]:
        """Where connections go. OSError."""


class Translations:
    """What is known of the connections in a flow table. `unasked` counts those that there was no time to ask about."""

    def __init__(
        self, slots: npt.NDArray[Any], exported: npt.NDArray[Any], names: Names, tracker: Tracker | None
    ) -> None:
        """`tracker` None: nothing is known of any."""
        self.table = np.zeros(len(slots), TRANSLATED)
        self.unasked = 0
        self.tracker = tracker
        self._slots = slots
        self._exported = exported
        self._names = names
        self._again: list[tuple[int, int]] = []  # (slot, flow id): not tracked when it was asked about first
        self._awaited: dict[bytes, tuple[int, int, int]] = {}  # the other half's key: slot, flow id, tick
        self._recent: list[npt.NDArray[np.uint32]] = []  # slots of new flows, of the last ticks
        self._halves = np.zeros((0, 4), np.uint64)  # slot and flow id of a flow, and of its other half
        self._tick = 0

    def meet(self, rows: npt.NDArray[Any], tick: int) -> None:
        """The rows of a tick (tick.ROW), before they are counted."""
        self._tick = tick
        new: npt.NDArray[np.uint32] = rows["slot"][rows["event"] & NEW != 0]
        self.table["flow_id"][new] = 0
        self.table["counted_by"][new] = 0
        if self.tracker is not None:
            again, self._again = self._again, []
            late = [slot for slot, flow_id in again if self._exported["flow_id"][slot] == flow_id]
            self._ask(self._candidates(new), late)
            self._recent = [*self._recent[-1:], new]
            self._join()
        self._refresh()

    def forget(self) -> None:
        """Remember nothing of what no flow has any more; the names of the rest are still needed."""
        live = np.flatnonzero(self.table["flow_id"])
        gone = live[self._exported["flow_id"][live] != self.table["flow_id"][live]]
        self.table["flow_id"][gone] = 0
        for first, second in np.unique(self.table["addr"][self.table["flow_id"] != 0], axis=0).tolist():
            self._names.need(first, second, self._tick)

    def _candidates(self, new: npt.NDArray[np.uint32]) -> list[int]:
        """New flows that an observed pod opened to an address which may be virtual."""
        slots = self._slots[new]
        opener = (slots["opener"] & 1).astype(np.intp)
        asked = (slots["observations"] != 0) & (opener == slots["workload_side"] & 1)
        asked &= (slots["proto"] == TCP) | (slots["proto"] == UDP)
        new, slots, opener = new[asked], slots[asked], opener[asked]
        if not len(new):
            return []
        servers, which = np.unique(slots["addr"][np.arange(len(new)), 1 - opener], axis=0, return_inverse=True)
        virtual = [self._names.of_words(*words).class_ in _MAYBE_VIRTUAL for words in servers.tolist()]
        found: list[int] = new[np.array(virtual)[which.reshape(-1)]].tolist()
        return found

    def _ask(self, new: Sequence[int], late: Sequence[int]) -> None:
        """Once more about those that were `late`: a connection is tracked when its first packet leaves the node."""
        assert self.tracker is not None
        slots = [*late, *new][:MAX_ASKED]
        self.unasked += len(late) + len(new) - len(slots)
        asked = {self._ends(slot): slot for slot in slots}
        try:
            found = self.tracker.real_ends(list(asked))
        except OSError:
            self.unasked += len(slots)
            return
        first = set(new)
        for ends, slot in asked.items():
            flow_id = int(self._exported["flow_id"][slot])
            real = found.get(ends)
            if real is None:
                if slot in first:
                    self._again.append((slot, flow_id))
            elif (real.dst, real.dst_port) != (ends.dst, ends.dst_port):
                entry = self.table[slot]
                entry["addr"] = np.frombuffer(real.dst, np.uint64)
                entry["port"] = real.dst_port
                entry["flow_id"] = flow_id
                first_word, second_word = entry["addr"].tolist()
                self._names.need(first_word, second_word, self._tick)
                self._awaited[_key(real)] = slot, flow_id, self._tick

    def _ends(self, slot: int) -> Ends:
        """Of a flow, from whoever opened it."""
        flow = self._slots[slot]
        client = int(flow["opener"]) & 1
        src, dst = (flow["addr"][side].tobytes() for side in (client, 1 - client))
        return Ends(src, dst, int(flow["port"][client]), int(flow["port"][1 - client]), int(flow["proto"]))

    def _join(self) -> None:
        """Find the other halves among the new flows: they begin at the same moment."""
        if not self._awaited:
            return
        recent = np.unique(np.concatenate(self._recent))
        ports = {int(self.table["port"][slot]) for slot, _, _ in self._awaited.values()}
        recent = recent[np.isin(self._slots["port"][recent], list(ports)).any(axis=1)]
        found = []
        for slot in recent.tolist():
            awaited = self._awaited.pop(self._slots[slot].tobytes()[:_KEY_BYTES], None)
            if awaited is not None:
                found.append((slot, int(self._exported["flow_id"][slot]), awaited[0], awaited[1]))
        if found:
            self._halves = np.concatenate([self._halves, np.array(found, np.uint64)])
        self._awaited = {key: half for key, half in self._awaited.items() if self._tick - half[2] < 2}

    def _refresh(self) -> None:
        """Observations come and go while connections live; what is known of one that has ended stays."""
        if not len(self._halves):
            return
        slot, flow_id, other, other_id = self._halves.T
        live = self._exported["flow_id"]
        both = (live[slot] == flow_id) & (live[other] == other_id)
        self._halves = self._halves[both]
        slot, other = slot[both], other[both]
        peers = np.where(self._slots["peer_iface"][other] != 0, self._slots["peer_observations"][other], 0)
        self.table["counted_by"][slot] = self._slots["observations"][other] | peers


def _key(ends: Ends) -> bytes:
    """The first bytes of the slot of a flow between these ends."""
    pair = (ends.src, ends.src_port), (ends.dst, ends.dst_port)
    low, high = sorted(pair, key=lambda end: (*np.frombuffer(end[0], np.uint64).tolist(), end[1]))
    ports = low[1].to_bytes(2, "little") + high[1].to_bytes(2, "little")
    return low[0] + high[0] + ports + bytes([ends.proto])
