"""When a probe reports: at every change of what is captured, and else in a rhythm of its own.

A policy that reaches thousands of nodes makes all their probes report within seconds. The regular reports keep to the
phase that each began with, so that they do not come all at once from then on. One that is due within half an interval
of the report of a change is left out.
"""

import random
from math import ceil
from typing import Final

from weir_api.nodeprobe import REPORT_INTERVAL_S

#: What could not be reported is made up for after so long at most, in seconds.
_RETRY_S: Final = 2.0


class Rhythm:
    """Decides when to report; times are seconds of a monotonic clock."""

    def __init__(self, now: float, fixed_s: float | None = None) -> None:
        """`fixed_s` is an interval that holds whatever a plan says."""
        self._fixed_s = fixed_s
        self._interval_s = fixed_s or REPORT_INTERVAL_S
        self._due = now
        self._not_before = now
        self._begun = False
        self._reported = -1

    def plan(self, interval_s: float) -> None:
        """A plan asks for this interval."""
        if self._fixed_s is None and interval_s != self._interval_s:
            self._interval_s = interval_s
            self._begun = False

    def wants(self, applied: int, now: float) -> bool:
        """Whether to report now; `applied` grows with every change of what is captured."""
        return now >= self._not_before and (applied != self._reported or now >= self._due)

    def reported(self, applied: int, now: float, *, received: bool) -> None:
        """A report of what was captured at `applied` was received, or was not."""
        if not received:
            self._due = self._not_before = now + min(self._interval_s, _RETRY_S)
            return
        self._reported = applied
        if not self._begun:
            self._begun = True
            self._due = now + self._interval_s * random.random()
            return
        # to the phase again, over what was missed, and over a report that would tell little more than this one
        behind = now + self._interval_s / 2 - self._due
        if behind > 0:
            self._due += self._interval_s * ceil(behind / self._interval_s)
