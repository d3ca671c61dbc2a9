"""The calls that are done, handed to series, totals, records and live view."""

import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from weir_api.base import seconds
from weir_api.flowobservation import SLOW, CallLogMode
from weir_api.nodeprobe import CallsReport, PlannedCalls, PlannedObservation
from weir_probe.export.behind import Behind
from weir_probe.export.calls.counter import ALL_KEPT, CALL_TOTAL, CallCounter
from weir_probe.export.calls.lines import LineWriter
from weir_probe.export.calls.metrics import CallReadings, named
from weir_probe.export.calls.rates import CallRates, rates, report
from weir_probe.export.calls.records import CallBlock, Named
from weir_probe.export.calls.wanted import included
from weir_probe.export.names import Names
from weir_probe.export.series import SeriesTable
from weir_probe.export.sink import Queued
from weir_probe.export.window import Window
from weir_probe.protocols import redaction
from weir_probe.protocols.parser import Spec
from weir_probe.streams.calls import CallBook

#: Nothing was measured yet.
_NONE: Final = np.zeros((), CALL_TOTAL)


class CallHarvest:
    """Everything that calls of this node are counted in. For one thread, as harvest.Harvest, which owns it."""

    def __init__(
        self,
        slots: npt.NDArray[Any],
        protocols: Sequence[Spec],
        *,
        behind: Behind,
        counted_by: npt.NDArray[np.uint64],
        names: Names,
        flows: SeriesTable,
        node: str,
        window_ticks: int,
        live_rows: int,
        sink: Queued | None,
    ) -> None:
        """`counted_by` as for aggregate.Aggregator; `flows` bounds the series of flows and calls together. Without a
        sink no records are written."""
        self.live: deque[bytes] = deque(maxlen=live_rows)  # the last calls, as lines, until somebody takes them
        self.lost: Mapping[str, int] = {}  # what should have become calls, by reason
        self.window = Window(window_ticks)
        self._names = names
        self._live_rows = live_rows
        self._sink = sink
        self._named = Named(node, names)
        self._writer = LineWriter(protocols, self._named, slots, sparse=True)
        self._counter = CallCounter(slots, behind.identities, behind.set_of, counted_by, names.table, flows)
        self._observed: Set[int] = frozenset()
        self.series = self._counter.series
        self._titles = [spec.titles for spec in protocols]

    def observe(self, observations: Iterable[PlannedObservation], bits: Mapping[str, int]) -> None:
        """Count for these from now on: a bit that was not in use starts at zero, the others go on."""
        counter = self._counter
        counter.with_metrics = counter.logged = counter.failed_or_slow = 0
        counter.included[:] = 0
        names: dict[int, str] = {}
        headers: list[str] = []
        parameters: list[str] = []
        for observation in observations:
            if observation.calls is None:
                continue
            headers += observation.calls.redaction.headers or ()
            parameters += observation.calls.redaction.query_parameters or ()
            bit = bits[observation.uid]
            if bit not in self._observed:
                counter.totals[bit] = 0
                self.window.forget(bit)
                self.series.overflowed[bit] = 0
            names[bit] = f"{observation.namespace}/{observation.name}"
            self._want(bit, observation.calls)
        redaction.leave_out(headers, parameters)
        self._observed = names.keys()
        self._named.observed = names

    def _want(self, bit: int, calls: PlannedCalls) -> None:
        counter = self._counter
        counter.with_metrics |= calls.metrics << bit
        for index in included(calls.protocols):
            counter.included[index] |= np.uint64(1 << bit)
        logs = calls.logs
        if logs is not None:
            counter.logged |= 1 << bit
            counter.kept[bit] = round(calls.logged_percent / 100 * ALL_KEPT)
            if logs.mode is CallLogMode.ERRORS_AND_SLOW:
                counter.failed_or_slow |= 1 << bit
                counter.slow_ns[bit] = int(seconds(logs.slower_than or SLOW) * 1e9)

    def forget(self, bits: Set[int]) -> None:
        """These observations have ended: their bits may be given to others."""
        self._observed = self._observed - bits

    def consume(self, book: CallBook, *, patient: bool) -> None:
        """Count the done calls of a book, once each. `patient`: those whose peer is being asked for may be left."""
        counter = self._counter
        counter.patient = patient
        wall_offset_ns = time.time_ns() - time.monotonic_ns()
        logged = counter.consume(book, wall_offset_ns)
        if logged and self._sink is not None:
            rows, masks = counter.rows[:logged], counter.masks[:logged]
            text = self._writer.write(book.calls, book.conversations, rows, masks, wall_offset_ns)
            self._sink.write(CallBlock(text, logged))
        if self._live_rows:
            last = slice(max(0, counter.counted - self._live_rows), counter.counted)
            rows, masks = counter.all_rows[last], counter.all_masks[last]
            text = self._writer.write(book.calls, book.conversations, rows, masks, wall_offset_ns)
            self.live.extend(text.splitlines())
        self._writer.forget()

    def end_tick(self, now_s: float) -> None:
        """Note the totals of a tick."""
        self.window.add(now_s, self._counter.totals)

    def readings(self, observations: Iterable[int], records: Mapping[str, int]) -> CallReadings:
        """For a scrape: of these observations' bits."""
        rows = self.series.rows[: self.series.used].copy()
        return CallReadings(
            rows=rows,
            names=named(rows, self.series.endpoints),
            titles=self._titles,
            overflowed={bit: int(self.series.overflowed[bit]) for bit in observations if bit in self._observed},
            lost=self.lost,
            records=records,
        )

    def measured(self, bit: int) -> CallsReport | None:
        """The calls of one observation; None: it asks for none."""
        if bit not in self._observed:
            return None
        span = self.window.span(bit)
        measured = rates(*span) if span is not None else CallRates(0.0, 0.0, _NONE["latencies"])
        return report(measured, int(self._counter.totals["calls"][bit]), int(self.series.overflowed[bit]))
