# cython: annotation_typing=False
# ruff: noqa: PLR0917 -- C calls are positional
"""Calls by (observation, role, protocol, workload, peer, endpoint): requests by status, bytes, latencies, an exemplar.

Bounded with the flows' series of the same observation (export/series.py), with an overflow series for each protocol.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from weir_api.nodeprobe import LATENCY_BUCKETS, LATENCY_LEAST_EXPONENT, LATENCY_STEPS
from weir_probe.export.calls import endpoints
from weir_probe.export.calls.endpoints import Endpoints
from weir_probe.export.rowindex import RowIndex, grown, with_only
from weir_probe.export.series import OVERFLOW, SeriesTable
from weir_probe.protocols.message import STATUSES

#: Bytes of a trace id that are kept for an exemplar.
TRACE_ID: Final = 32
#: Upper bounds of a series' buckets, in seconds: powers of two, as native histograms have them; a last one has none.
BOUNDS_S: Final = tuple(2.0**exponent for exponent in range(-14, 6))
_BUCKETS = len(BOUNDS_S) + 1

CALL_SERIES: Final = np.dtype(
    [
        ("whose", "<u8"),  # observation bit << 54 | workload << 27 | peer
        ("what", "<u8"),  # role << 63 | protocol << 32 | endpoint
        ("requests", "<u8", (len(STATUSES),)),
        ("request_bytes", "<u8"),
        ("response_bytes", "<u8"),
        ("sum_ns", "<u8"),
        ("buckets", "<u8", (_BUCKETS,)),
        ("exemplar_ns", "<u8"),  # the latency of a call that was traced, and when it began
        ("exemplar_at", "<u8"),
        ("trace_size", "u1"),
        ("trace_id", "u1", (TRACE_ID,)),
        ("pad", "u1", (7,)),
    ]
)
#: Upper bounds of the buckets that reports have (nodeprobe.LatencyReport), in ns.
REPORTED_NS: Final = tuple(
    int(2.0 ** ((bucket + 1) / LATENCY_STEPS + LATENCY_LEAST_EXPONENT) * 1e9) for bucket in range(LATENCY_BUCKETS)
)
#: The first bucket of a series has those that end at its bound or before; each other one has LATENCY_STEPS of them.
_BEFORE = -LATENCY_LEAST_EXPONENT - 14 - 1
_REPORTED = LATENCY_BUCKETS
_TRACE_ID = TRACE_ID
_OVERFLOW, _OTHER = OVERFLOW, endpoints.OTHER
_SERVER = 1 << 63


def unpack(whose: int, what: int) -> tuple[int, int, int, int, int, int]:
    """(observation bit, role, protocol, workload, peer, endpoint) of a row's key."""
    identity = OVERFLOW
    return whose >> 54, what >> 63, what >> 32 & 0xFFFF, whose >> 27 & identity, whose & identity, what & 0xFFFFFFFF


class CallSeries:
    """The counters. `rows[:used]` are in use; `overflowed` goes by observation bit."""

    def __init__(self, flows: SeriesTable) -> None:
        """`flows` has the limits, and how many series each observation holds, of both kinds."""
        self.flows = flows
        self.endpoints = Endpoints()
        self.overflowed = np.zeros(64, np.uint64)  # calls that were counted in an overflow series
        self.overflow = self.overflowed.data
        self.reported = np.array(REPORTED_NS, np.uint64).data
        self.index = RowIndex()
        self._hold_rows(np.zeros(256, CALL_SERIES), 0)

    def _hold_rows(self, rows: Any, used: int) -> None:
        """Take these rows as the table."""
        self.rows = rows
        self.used = used
        self.capacity = len(rows)
        self.whose = rows["whose"].data
        self.what = rows["what"].data
        self.requests = rows["requests"].data
        self.request_bytes = rows["request_bytes"].data
        self.response_bytes = rows["response_bytes"].data
        self.sum_ns = rows["sum_ns"].data
        self.buckets = rows["buckets"].data
        self.exemplar_ns = rows["exemplar_ns"].data
        self.exemplar_at = rows["exemplar_at"].data
        self.trace_size = rows["trace_size"].data
        self.trace_id = rows["trace_id"].data
        self.index.hold(len(rows))
        for row in range(used):
            self.index.enter(self.whose[row], self.what[row], row)

    def add(
        self,
        bit: int,
        role: int,
        protocol: int,
        local: int,
        peer: int,
        endpoint: int,
        status: int,
        request_bytes: int,
        response_bytes: int,
    ) -> int:
        """Count one call in its series, whose row is returned; it holds until `drop`."""
        whose = bit << 54 | local << 27 | peer
        what = protocol << 32 | endpoint
        if role:
            what |= _SERVER
        at = self.index.find(whose, what)
        if at < 0:
            if self.flows.hold[bit] < self.flows.limit[bit]:
                self.flows.hold[bit] += 1
                at = self._append(whose, what)
            else:
                at = self._beyond(bit, protocol)
        self.requests[at, status] += 1
        self.request_bytes[at] += request_bytes
        self.response_bytes[at] += response_bytes
        return at

    def _beyond(self, bit: int, protocol: int) -> int:
        self.overflow[bit] += 1
        whose = bit << 54 | _OVERFLOW << 27 | _OVERFLOW
        what = protocol << 32 | _OTHER
        at = self.index.find(whose, what)
        return at if at >= 0 else self._append(whose, what)

    def bucket(self, took_ns: int) -> int:
        """Which of LATENCY_BUCKETS a latency belongs to."""
        low, high = 0, _REPORTED - 1
        while low < high:
            middle = (low + high) // 2
            if took_ns <= self.reported[middle]:
                high = middle
            else:
                low = middle + 1
        return low

    def time(self, at: int, bucket: int, took_ns: int) -> None:
        """A latency, which belongs to this one of LATENCY_BUCKETS, in row `at`."""
        self.sum_ns[at] += took_ns
        self.buckets[at, max(0, min(_BUCKETS - 1, (bucket >> 2) - _BEFORE))] += 1

    def exemplify(self, at: int, took_ns: int, at_ns: int, texts: Any, row: int, start: int, size: int) -> None:
        """Row `at` remembers a call: latency, Unix time, and the trace id in `texts[row]`."""
        self.exemplar_ns[at] = took_ns
        self.exemplar_at[at] = at_ns
        size = min(size, _TRACE_ID)
        self.trace_size[at] = size
        for place in range(size):
            self.trace_id[at, place] = texts[row, start + place]

    def _append(self, whose: int, what: int) -> int:
        if self.used == self.capacity:
            self._hold_rows(grown(self.rows), self.used)
        row = self.used
        self.whose[row] = whose
        self.what[row] = what
        self.used += 1
        self.index.enter(whose, what, row)
        return row

    def drop(self, gone: Callable[[int, int], bool]) -> None:
        """Forget the series for which `gone(bit, workload)`, and endpoints that none has any more."""
        kept = []
        for row in range(self.used):
            bit, _, _, local, _, _ = unpack(int(self.rows["whose"][row]), int(self.rows["what"][row]))
            if not gone(bit, local):
                kept.append(row)
            elif local != OVERFLOW:
                self.flows.hold[bit] -= 1
        if len(kept) < self.used:
            rows = with_only(self.rows, kept)
            what = rows["what"][: len(kept)]
            endpoint = what & np.uint64(0xFFFFFFFF)
            numbers = self.endpoints.keep(endpoint.tolist())
            what += np.array([numbers[number] for number in endpoint.tolist()], np.uint64) - endpoint
            self._hold_rows(rows, len(kept))
