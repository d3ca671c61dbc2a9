"""What an observation's calls were over the last window."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from weir_api.nodeprobe import CallsReport, LatencyReport


@dataclass(frozen=True)
class CallRates:
    """Of one observation: per second, and its latencies in the window by bucket (nodeprobe.LatencyReport)."""

    requests: float
    errors: float
    latencies: npt.NDArray[np.uint64]


def rates(seconds: float, first: npt.NDArray[Any], last: npt.NDArray[Any]) -> CallRates:
    """From two totals (counter.CALL_TOTAL) of an observation, so many seconds apart."""
    return CallRates(
        requests=float(last["calls"] - first["calls"]) / seconds,
        errors=float(last["errors"] - first["errors"]) / seconds,
        latencies=last["latencies"] - first["latencies"],
    )


def report(measured: CallRates, total: int, overflowed: int) -> CallsReport:
    """For the probe's report."""
    buckets = np.flatnonzero(measured.latencies)
    latency = None
    if len(buckets):
        first, last = int(buckets[0]), int(buckets[-1])
        latency = LatencyReport(first=first, counts=measured.latencies[first : last + 1].tolist())
    return CallsReport(
        requests_per_second=round(measured.requests, 2),
        errors_per_second=round(measured.errors, 3),
        latency=latency,
        total=total,
        overflowed=overflowed,
    )
