"""Which flows are due for a flow record, and what each record counts: the records of a flow add up to its totals."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from weir_probe.streams.layout import COUNTERS, TIMES
from weir_probe.streams.measures import MEASURED
from weir_probe.streams.signals import REASONS, SIGNALLED
from weir_probe.streams.tick import Ticker

#: One flow record before it has names; `traffic`, by sending side, is packets << 40 | bytes since its last one.
RECORD: Final = np.dtype(
    [
        ("flow_id", "<u8"),
        ("observations", "<u8"),
        ("traffic", "<u8", (2,)),
        ("slot", "<u4"),
        ("sequence", "<u4"),
        ("ended", "<u4"),
        ("timed_out", "<u4"),  # it ended because nothing came for as long as an open connection may be idle
        ("counters", "<u8", (len(COUNTERS),)),
        ("count", "<u8", (len(TIMES),)),
        ("sum_ns", "<u8", (len(TIMES),)),
        ("max_ns", "<u8", (len(TIMES),)),
        ("dropped", "<u4", (REASONS + 1,)),
        ("drop_reason", "<u4", (REASONS,)),
        ("retransmitted", "<u4", (2,)),  # by sending side, as the kernel told
        ("pad", "<u4"),
    ]
)
BYTES = (1 << 40) - 1
_COUNTERS, _TIMES, _REASONS = len(COUNTERS), len(TIMES), REASONS
_NEVER = 0xFFFFFFFFFFFFFFFF
_UNASKED = 1  # in place of a time: until the last tick nobody asked for records of the flow
# a record is written early when another tick could overflow its word
MOST_PACKETS = 1 << 23
MOST_BYTES = 1 << 39


def _large(word: int) -> bool:
    return word >> 40 >= MOST_PACKETS or word & BYTES >= MOST_BYTES


class Recorder:
    """Consumes a Ticker's rows. `records[:written]` are the records of a tick; `logged` and `interval_ns` (by
    observation bit) say who asked for them."""

    def __init__(
        self,
        slots: npt.NDArray[Any],
        exported: npt.NDArray[Any],
        ticker: Ticker,
        measured: npt.NDArray[Any] | None = None,
        signalled: npt.NDArray[Any] | None = None,
    ) -> None:
        if measured is None:
            measured = np.zeros(len(slots), MEASURED)
        if signalled is None:
            signalled = np.zeros(len(slots), SIGNALLED)
        self.logged = 0
        self.written = 0
        self.now_ns = self.before_ns = 0  # CLOCK_MONOTONIC of this tick and the last
        self.interval_ns = np.zeros(64, np.uint64)
        self.records = np.zeros(len(slots), RECORD)
        self.slots = slots
        self.interval = self.interval_ns.data
        self.observations = slots["observations"].data
        self.peer_observations = slots["peer_observations"].data
        self.peer_iface = slots["peer_iface"].data
        self.recorded = exported["recorded"].data
        self.recorded_ns = exported["recorded_ns"].data
        self.sequence = exported["sequence"].data
        self.flow_id = exported["flow_id"].data
        self.due = ticker.rests["due"].data
        self.row_slot = ticker.rows["slot"].data
        self.row_event = ticker.rows["event"].data
        self.row_delta = ticker.rows["delta"].data
        self.out_slot = self.records["slot"].data
        self.out_sequence = self.records["sequence"].data
        self.out_ended = self.records["ended"].data
        self.out_flow_id = self.records["flow_id"].data
        self.out_observations = self.records["observations"].data
        self.out_traffic = self.records["traffic"].data
        self.out_timed_out = self.records["timed_out"].data
        self.out_counters = self.records["counters"].data
        self.out_count = self.records["count"].data
        self.out_sum_ns = self.records["sum_ns"].data
        self.out_max_ns = self.records["max_ns"].data
        self.out_dropped = self.records["dropped"].data
        self.out_drop_reason = self.records["drop_reason"].data
        self.out_retransmitted = self.records["retransmitted"].data
        self.count = measured["count"].data
        self.sum_ns = measured["sum_ns"].data
        self.max_ns = measured["max_ns"].data
        self.dropped = signalled["dropped"].data
        self.drop_reason = signalled["drop_reason"].data
        self.retransmitted = signalled["retransmitted"].data
        self.recorded_counters = exported["recorded_counters"].data
        self.row_counters = ticker.rows["counters"].data

    def begin(self, now_ns: int) -> None:
        """Start a tick, at this time of CLOCK_MONOTONIC."""
        self.written = 0
        self.before_ns = self.now_ns or now_ns
        self.now_ns = now_ns

    def consume(self, first: int, end: int) -> None:
        """Take some rows of the ticker, each once."""
        now_ns = self.now_ns
        written = self.written
        for row in range(first, end):
            i = self.row_slot[row]
            mask = self.observations[i]
            if self.peer_iface[i] != 0:  # else what is there is left over (bpf/flow.h)
                mask |= self.peer_observations[i]
            mask &= self.logged
            if self.row_event[row] & 8:
                for which in range(_COUNTERS):
                    if self.row_counters[row, which]:  # most are 0, and their sums need not be fetched
                        self.recorded_counters[i, which] += self.row_counters[row, which]
            self.due[i] = _NEVER
            if mask == 0:
                self.recorded[i, 0] = 0
                self.recorded[i, 1] = 0
                self.recorded_ns[i] = _UNASKED
                if self.row_event[row] & 8:
                    self._begin(i)
                continue
            if self.recorded_ns[i] == 0:
                self.recorded_ns[i] = now_ns
            elif self.recorded_ns[i] == _UNASKED:
                self.recorded_ns[i] = self.before_ns
            a = self.recorded[i, 0] + self.row_delta[row, 0]
            b = self.recorded[i, 1] + self.row_delta[row, 1]
            ended = (self.row_event[row] & 2) != 0
            if not ended and not (
                (a | b) and (now_ns - self.recorded_ns[i] >= self._interval(mask) or _large(a) or _large(b))
            ):
                self.recorded[i, 0] = a
                self.recorded[i, 1] = b
                if a | b:
                    self.due[i] = self.recorded_ns[i] + self._interval(mask)
                continue
            self.sequence[i] += 1
            self.out_slot[written] = i
            self.out_flow_id[written] = self.flow_id[i]
            self.out_observations[written] = mask
            self.out_traffic[written, 0] = a
            self.out_traffic[written, 1] = b
            self.out_sequence[written] = self.sequence[i]
            self.out_ended[written] = ended
            self.out_timed_out[written] = (self.row_event[row] & 4) != 0
            for which in range(_COUNTERS):
                self.out_counters[written, which] = self.recorded_counters[i, which]
            for what in range(_TIMES):
                self.out_count[written, what] = self.count[i, what]
                self.out_sum_ns[written, what] = self.sum_ns[i, what]
                self.out_max_ns[written, what] = self.max_ns[i, what]
            for which in range(_REASONS + 1):
                self.out_dropped[written, which] = self.dropped[i, which]
            for which in range(_REASONS):
                self.out_drop_reason[written, which] = self.drop_reason[i, which]
            for which in range(2):
                self.out_retransmitted[written, which] = self.retransmitted[i, which]
            self._begin(i)
            self.recorded[i, 0] = 0
            self.recorded[i, 1] = 0
            self.recorded_ns[i] = now_ns
            written += 1
        self.written = written

    def _begin(self, i: int) -> None:
        """What flow `i` measures from here on belongs to its next record."""
        for which in range(_COUNTERS):
            self.recorded_counters[i, which] = 0
        for what in range(_TIMES):
            self.count[i, what] = self.sum_ns[i, what] = self.max_ns[i, what] = 0
        for which in range(_REASONS + 1):
            if self.dropped[i, which]:  # a row that nothing was written to takes no memory
                self.dropped[i, which] = 0
        for which in range(2):
            if self.retransmitted[i, which]:
                self.retransmitted[i, which] = 0

    def _interval(self, mask: int) -> int:
        """The shortest interval that an observation in `mask` asked for."""
        shortest = 0xFFFFFFFFFFFFFF  # for ever
        bit = 0
        while mask:
            if mask & 1 and self.interval[bit] < shortest:
                shortest = self.interval[bit]
            mask >>= 1
            bit += 1
        return shortest
