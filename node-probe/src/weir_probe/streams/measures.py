# cython: annotation_typing=False
# ruff: noqa: PLR0917 -- C calls are positional
"""What flows were measured that their slots have no room for: times, and which data was seen where some is missing.

One row per slot of the flow table, in memory of a fixed size: nothing here grows with the length of a flow.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from weir_probe.streams.layout import SEGMENT, TIMES

#: Ranges of sequence numbers remembered for each way: one cache line. Beyond, the lowest gap is taken as filled.
RANGES: Final = 8

MEASURED: Final = np.dtype(
    [
        ("count", "<u8", (len(TIMES),)),
        ("sum_ns", "<u8", (len(TIMES),)),
        ("max_ns", "<u8", (len(TIMES),)),
        ("range_low", "<u4", (2, RANGES)),  # in order, the highest last
        ("range_high", "<u4", (2, RANGES)),
        ("retrans", "<u4", (2,)),  # beside those that the slot counts
        ("ooo", "<u4", (2,)),
        ("last_rtt_ns", "<u8"),
        ("ranges", "u1", (2,)),
        ("pad", "u1", (6,)),
    ]
)

_RANGES = RANGES
_TIMES = len(TIMES)
_RTT = TIMES.index("rtt")
_SEGMENT = SEGMENT
_MASK = 0xFFFFFFFF  # sequence numbers count modulo 2^32 (RFC 9293 §3.4)
_HALF = 1 << 31
_WINDOW = 1 << 30  # no window is larger (RFC 7323 §2.3)


def _before(one: int, other: int) -> bool:
    """Whether a sequence number is the lower one (RFC 9293 §3.4)."""
    return (one - other) & _MASK >= _HALF


class Measures:
    """Rows of MEASURED, named by their index."""

    def __init__(self, rows: npt.NDArray[Any]) -> None:
        #: Rows that were written since their flows were last read; apart from them, for a tick asks it of every flow.
        self.written = np.zeros(len(rows), np.uint8)
        self.fresh = self.written.data
        self.use(rows)

    def use(self, rows: npt.NDArray[Any]) -> None:
        """From here on the rows are these: the table has grown."""
        self.count = rows["count"].data
        self.sum_ns = rows["sum_ns"].data
        self.max_ns = rows["max_ns"].data
        self.range_low = rows["range_low"].data
        self.range_high = rows["range_high"].data
        self.retrans = rows["retrans"].data
        self.ooo = rows["ooo"].data
        self.last_rtt_ns = rows["last_rtt_ns"].data
        self.ranges = rows["ranges"].data
        if len(rows) > len(self.written):
            self.written = np.zeros(len(rows), np.uint8)
            self.fresh = self.written.data

    def apply(self, samples: npt.NDArray[Any]) -> None:
        """Take what a stream told (layout.SAMPLE), in its order."""
        slot = samples["slot"].data
        kind = samples["kind"].data
        way = samples["way"].data
        segments = samples["segments"].data
        seq = samples["seq"].data
        ns = samples["ns"].data
        length = samples["length"].data
        low = samples["low"].data
        high = samples["high"].data
        enters = samples["enters"].data
        for at in range(len(slot)):
            if slot[at] >= len(self.ranges):
                continue
            if kind[at] < _TIMES:
                self.time(slot[at], kind[at], ns[at])
            elif kind[at] == _SEGMENT:
                self.segment(
                    slot[at], way[at] & 1, seq[at], length[at], low[at], high[at], enters[at] != 0, segments[at]
                )

    def time(self, index: int, what: int, took_ns: int) -> None:
        """One more of `what`, an index of TIMES."""
        self.fresh[index] = 1
        self.count[index, what] += 1
        self.sum_ns[index, what] += took_ns
        self.max_ns[index, what] = max(self.max_ns[index, what], took_ns)
        if what == _RTT:
            self.last_rtt_ns[index] = took_ns

    def segment(
        self, index: int, way: int, seq: int, length: int, low: int, high: int, enters: bool, segments: int
    ) -> None:
        """Data out of sequence: seen before, late or beyond a gap. `high` is the end of what was seen before it;
        `enters`: so far nothing was missing from `low` on. A GSO packet stands for several `segments`."""
        self.fresh[index] = 1
        if enters or not self.ranges[index, way]:
            self.ranges[index, way] = 1
            self.range_low[index, way, 0] = low
        self.range_high[index, way, self.ranges[index, way] - 1] = high
        self._forget(index, way)
        if _before(seq, high):
            if self._seen(index, way, seq):
                self.retrans[index, way] += segments
            else:
                self.ooo[index, way] += segments
        self._cover(index, way, seq, (seq + length) & _MASK)
        self._forget(index, way)

    def _forget(self, index: int, way: int) -> None:
        """Comparison holds within half the number space: forget what is further down than a window."""
        high = self.range_high[index, way, self.ranges[index, way] - 1]
        while (high - self.range_high[index, way, 0]) & _MASK > _WINDOW:
            self._drop_lowest(index, way)
        if (high - self.range_low[index, way, 0]) & _MASK > _WINDOW:
            self.range_low[index, way, 0] = (high - _WINDOW) & _MASK

    def _seen(self, index: int, way: int, seq: int) -> bool:
        for at in range(self.ranges[index, way]):
            low = self.range_low[index, way, at]
            if (seq - low) & _MASK < (self.range_high[index, way, at] - low) & _MASK:
                return True
        return False

    def _drop_lowest(self, index: int, way: int) -> None:
        count = self.ranges[index, way] - 1
        for at in range(count):
            self.range_low[index, way, at] = self.range_low[index, way, at + 1]
            self.range_high[index, way, at] = self.range_high[index, way, at + 1]
        self.ranges[index, way] = count

    def _cover(self, index: int, way: int, seq: int, end: int) -> None:
        """Add a range, and join the ones that it touches."""
        count = self.ranges[index, way]
        first = 0
        while first < count and _before(self.range_high[index, way, first], seq):
            first += 1
        after = first
        while after < count and not _before(end, self.range_low[index, way, after]):
            if _before(self.range_low[index, way, after], seq):
                seq = self.range_low[index, way, after]
            if _before(end, self.range_high[index, way, after]):
                end = self.range_high[index, way, after]
            after += 1
        if after == first:
            if count == _RANGES:  # no room: the lowest gap is taken as filled
                if first == 0:
                    self.range_low[index, way, 0] = seq
                    return
                if first == 1:
                    self.range_high[index, way, 0] = end
                    return
                seen = self.range_low[index, way, 0]
                self._drop_lowest(index, way)
                self.range_low[index, way, 0] = seen
                first -= 1
                count -= 1
            for at in range(count, first, -1):
                self.range_low[index, way, at] = self.range_low[index, way, at - 1]
                self.range_high[index, way, at] = self.range_high[index, way, at - 1]
            self.ranges[index, way] = count + 1
        else:
            for at in range(after, count):
                self.range_low[index, way, first + 1 + at - after] = self.range_low[index, way, at]
                self.range_high[index, way, first + 1 + at - after] = self.range_high[index, way, at]
            self.ranges[index, way] = count - (after - first - 1)
        self.range_low[index, way, first] = seq
        self.range_high[index, way, first] = end
