"""One tick: read the flow table once, and hand what has grown to series, records, window and live view."""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from weir_api.base import seconds
from weir_api.flowobservation import FlowLogMode
from weir_api.nodeprobe import PlannedObservation
from weir_probe.capture.model import Capture, Interface
from weir_probe.capture.signals import KernelSignals
from weir_probe.export import records
from weir_probe.export.aggregate import Aggregator
from weir_probe.export.behind import Behind
from weir_probe.export.calls.harvest import CallHarvest
from weir_probe.export.live import LiveFlow, busiest
from weir_probe.export.names import Names
from weir_probe.export.recorder import Recorder
from weir_probe.export.series import OVERFLOW
from weir_probe.export.sink import Queued
from weir_probe.export.translation import Tracker, Translations
from weir_probe.export.window import Window
from weir_probe.plan.containers import Containers
from weir_probe.plan.pods import LocalPod
from weir_probe.plan.protocols import sought
from weir_probe.protocols.registry import PROTOCOLS
from weir_probe.streams.endpoints import Sought
from weir_probe.streams.layout import LIVE
from weir_probe.streams.live import LiveCalls
from weir_probe.streams.measures import Measures
from weir_probe.streams.signals import SIGNALLED, Signalled
from weir_probe.streams.tick import ENDED, Ticker

#: Ticks until the last flow of a pod that went is read: retired, waited for, ended. Its peer may be waited for besides.
_LAST_FLOWS: Final = 4
#: How long an address is known that no flow has any more, and how often such ones are looked for; in ticks.
_REMEMBERED: Final = 120
_FORGET_EVERY: Final = 30
#: Flows that are counted and recorded before the next: the one finds in the cache what the other had of them.
_CHUNK: Final = 512


@dataclass(frozen=True)
class Timeouts:
    """After how many seconds without a packet a flow ends."""

    tcp_idle_s: float = 300
    tcp_closed_s: float = 5
    other_idle_s: float = 60


class Harvest:
    """Everything that is counted on this node. For one thread; who reads it elsewhere holds the agent's lock."""

    def __init__(
        self,
        capture: Capture,
        names: Names,
        *,
        node: str,
        timeouts: Timeouts,
        window_ticks: int,
        live_rows: int,
        live_calls: int = 0,
        sink: Queued | None,
        call_sink: Queued | None = None,
        tracker: Tracker | None,
        signals: KernelSignals | None = None,
        on_crowded: Callable[[], None] | None = None,
    ) -> None:
        """`on_crowded` is called, from any thread, when `take_calls` should be before the next tick."""
        self.names = names
        self.live: list[LiveFlow] = []
        self.rows = 0  # flows in the table after the last tick
        self.ticked = time.monotonic()
        self.tick_seconds = 0.0
        self._sink = sink
        self._capture = capture
        self._signals = signals
        self._containers = Containers()
        self._node = node
        self._timeouts = timeouts
        self._live_rows = live_rows
        slots, exported = capture.slots, capture.exported
        exported["peer"][slots["state"] >= LIVE] = 0  # identities of an earlier process
        # ids of flows differ from those of an earlier process, which began in an earlier second
        self._measures = Measures(capture.measured)
        self._ticker = Ticker(slots, exported, int(time.time()) << 24, capture.measured, self._measures.written)
        self._behind = Behind(names)
        self.translations = Translations(slots, exported, names, tracker)
        behind = self._behind
        self._aggregator = Aggregator(
            slots,
            exported,
            self._ticker,
            names.table,
            behind.identities,
            behind.set_of,
            self.translations.table["counted_by"],
        )
        self._signalled = Signalled(np.zeros(len(slots), SIGNALLED), self._measures.written)
        self._recorder = Recorder(slots, exported, self._ticker, capture.measured, self._signalled.rows)
        self.series = self._aggregator.series
        self.reasons = self._aggregator.reasons
        self.totals = self._aggregator.totals
        self.window = Window(window_ticks)
        self.calls = CallHarvest(
            slots,
            PROTOCOLS,
            behind=behind,
            counted_by=self.translations.table["counted_by"],
            names=names,
            flows=self.series,
            node=node,
            window_ticks=window_ticks,
            live_rows=live_calls,
            sink=call_sink,
        )
        self._observations: dict[int, str] = {}
        self._live_calls = LiveCalls(slots, capture.segments, PROTOCOLS, on_crowded=on_crowded)
        self._present: set[int] = set()
        self._until_swept = 0

    @property
    def stored(self) -> tuple[int, int]:
        """Packets and bytes that were counted in flows, since this process began."""
        return int(self._aggregator.stored[0]), int(self._aggregator.stored[1])

    def observe(self, observations: Iterable[PlannedObservation], bits: Mapping[str, int]) -> None:
        """Count for these from now on: a bit that was not in use starts at zero, the others go on."""
        observations = list(observations)
        self._behind.observe(observations, bits)
        with_metrics = logged = 0
        named: dict[int, str] = {}
        with_calls: dict[int, Sought] = {}
        for observation in observations:
            bit = bits[observation.uid]
            if bit not in self._observations:
                self.totals[bit] = 0
                self.window.forget(bit)
                self.series.overflowed[bit] = 0
            named[bit] = f"{observation.namespace}/{observation.name}"
            self.series.limits[bit] = observation.max_series
            with_metrics |= observation.metrics << bit
            logs = observation.flow_logs
            if logs is not None and logs.mode is FlowLogMode.ALL:
                logged |= 1 << bit
                self._recorder.interval_ns[bit] = int(seconds(logs.interval) * 1e9)
            if observation.calls is not None:
                with_calls[bit] = sought(observation.calls.protocols)
        self._capture.set_payload(sum(1 << bit for bit in with_calls))
        self._live_calls.observe(with_calls)
        self.calls.observe(observations, bits)
        self._observations = named
        self._aggregator.with_metrics = with_metrics
        self._recorder.logged = logged
        self._ticker.rouse()

    def finish(self, bits: Set[int]) -> None:
        """These observations end with the next tick: it writes what they have not recorded yet."""
        for bit in bits:
            self._recorder.interval_ns[bit] = 0
        self._ticker.rouse()

    def forget(self, bits: Set[int], generation: int) -> None:
        """These observations have ended: their bits may be given to others."""
        if bits:
            self._observations = {bit: name for bit, name in self._observations.items() if bit not in bits}
            kept = sum(1 << bit for bit in self._observations)
            self._ticker.clear_observations(kept, generation)
            self._drop(lambda bit, _local: bit in bits)
            self.calls.forget(bits)

    def belongs(self, interface: Interface, pod: LocalPod) -> None:
        """Whose workload is behind an interface."""
        self.names.interface_names[interface.id] = interface.name
        self._behind.put(interface.id, pod)
        self._ticker.rouse()

    def leave(self, interface: Interface) -> None:
        """An interface is no longer watched."""
        self._ticker.retire_interface(interface.id)

    def set_pods(self, pods: tuple[LocalPod, ...]) -> None:
        """The pods of this node; series of other workloads go once their last flows are counted."""
        self.names.set_pods(pods)
        self._present = self._behind.set_pods(pods)
        self._ticker.rouse()
        self._until_swept = _LAST_FLOWS + math.ceil(self.names.wait_s)

    @property
    def waiting(self) -> int:
        """Flows whose peer was being asked for in the last tick."""
        return self._aggregator.waiting

    def tick(self, *, patient: bool = True) -> None:
        """Read the flow table once. `patient`: flows whose peer is being asked for may be left for the next tick."""
        self._aggregator.patient = patient
        began, now = time.perf_counter(), time.monotonic()
        clock = self._capture.clock()
        samples = self._capture.samples()  # first: a slot that they name is not another flow's before `release`
        self._measures.apply(samples)
        heard = self._hear()
        per_second = 1_000_000_000 // clock.ns_per_tick
        if self.names.reassigned:
            self.names.reassigned = False
            self._ticker.rouse()
        count = self._ticker.run(
            clock.ticks,
            int(self._timeouts.tcp_idle_s * per_second),
            int(self._timeouts.tcp_closed_s * per_second),
            int(self._timeouts.other_idle_s * per_second),
            clock.monotonic_ns,
        )
        self.translations.meet(self._ticker.rows[:count], self._ticker.tick)
        self._aggregator.begin()
        self._recorder.begin(clock.monotonic_ns)
        for first in range(0, count, _CHUNK):
            end = min(first + _CHUNK, count)
            self._aggregator.consume(first, end)
            self._recorder.consume(first, end)
        self._aggregator.consume_times(samples)
        if heard is not None:
            self._aggregator.consume_signals(heard)
        written = self._recorder.written
        if written and self._sink is not None:
            block = records.block(
                self._recorder.records[:written],
                self._capture.slots,
                clock,
                node=self._node,
                wall_offset_ns=time.time_ns() - time.monotonic_ns(),
                observations=self._observations,
                names=self.names.moment(self._addresses(self._recorder.records["slot"][:written])),
                translated=self.translations.table,
                signals=(self._signalled.rows, self._containers) if self._signals is not None else None,
            )
            self._sink.write(block)
        if self._live_rows and now - self.ticked > 0.1:
            self.live = busiest(
                self._capture.slots,
                self._ticker.every(count),
                self.names,
                seconds=now - self.ticked,
                now_ns=clock.monotonic_ns,
                limit=self._live_rows,
            )
        rows = self._ticker.rows[:count]
        ended = rows["slot"][rows["event"] & ENDED != 0]
        self._signalled.forget(ended)
        self.take_calls(ended, patient=patient)
        self.rows = count + self._ticker.resting - self._ticker.release(count)
        self.names.after_tick()
        if self._ticker.tick % _FORGET_EVERY == 0:
            self._forget()
        self._sweep()
        self.window.add(now, self.totals)
        self.calls.end_tick(now)
        self.ticked = now
        self.tick_seconds = time.perf_counter() - began

    def _addresses(self, slots: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint64]:
        """Of these flows, rows of two words."""
        ends = self._capture.slots["addr"][slots].reshape(-1, 2)
        return np.concatenate([ends, self.translations.table["addr"][slots]])

    def take_calls(self, ended: npt.NDArray[np.uint32] | None = None, *, patient: bool = True) -> None:
        """Count the calls that are done. `ended`: slots of flows that are over; `patient` as in `tick`."""
        with self._live_calls.taken(ended) as book:
            self.calls.consume(book, patient=patient)
        self.calls.lost = self._live_calls.lost()

    def close(self) -> None:
        """No more ticks come: calls in flight are counted as they are."""
        self._live_calls.close()
        self.take_calls(patient=False)

    def _forget(self) -> None:
        """Addresses that no flow has, and names that nothing needs."""
        self.translations.forget()
        self.names.forget(max(0, self._ticker.tick - _REMEMBERED))
        identity = np.uint64(OVERFLOW)
        used = set(self._present)
        for keys in (
            self.series.rows["key"][: self.series.used],
            self.calls.series.rows["whose"][: self.calls.series.used],
        ):
            used.update((keys >> np.uint64(27) & identity).tolist(), (keys & identity).tolist())
        self.names.tidy(used)

    def _sweep(self) -> None:
        """Series of workloads that left this node."""
        if self._until_swept:
            self._until_swept -= 1
            if self._until_swept == 0:
                present = self._present
                self._drop(lambda _bit, local: local != OVERFLOW and local not in present)

    def _drop(self, gone: Callable[[int, int], bool]) -> None:
        """Forget the series for which `gone(bit, workload)`."""
        self.series.drop(gone)
        self.reasons.drop(gone)
        self.calls.series.drop(gone)
        self._ticker.rouse()

    def _hear(self) -> npt.NDArray[Any] | None:
        """What kernel signals have told since the last tick, noted in the rows of their flows."""
        if self._signals is None:
            return None
        heard = self._signals.take()
        if len(heard):
            self._signalled.apply(heard)
            owned = heard[heard["pid"] != 0]
            owners = np.unique(np.stack([owned["pid"], owned["cgroup"]], axis=1), axis=0)
            self._containers.learn((pid, cgroup) for pid, cgroup in owners.tolist())
        return heard
