"""How often probes report, and statuses are written.

A report is a write to etcd and an event to each operator: many nodes report less often, each.
"""

from typing import Final

from weir_api.nodeprobe import REPORT_INTERVAL_S

#: Reports per second that the API server is asked to take from all nodes together: half a core of it (docs/scale.md).
REPORTS_PER_SECOND: Final = 100
#: And what observations measured in them, per second: of a report about more than seven, these are what costs.
MEASURED_PER_SECOND: Final = 750
_INTERVALS_S: Final = (REPORT_INTERVAL_S, 20, 30, 60, 120, 300)
_SELDOM_S: Final = 30
#: A shorter interval is gone back to only when there are clearly fewer nodes: a change of it writes every plan.
_BACK: Final = 0.8


def report_interval_s(nodes: int, measured: int, current_s: int) -> int:
    """Seconds between reports for so many nodes, and so many pairs of a node and an observation that is measured there,
    where the plans say `current_s` now (0: there are none)."""
    needed_s = max(nodes / REPORTS_PER_SECOND, measured / MEASURED_PER_SECOND)
    wanted = _shortest(needed_s)
    return wanted if wanted >= current_s else min(current_s, _shortest(needed_s / _BACK))


def status_interval_s(asked_s: float, report_interval_s: float) -> float:
    """Seconds between writes of a status whose numbers alone move: by default half of those between reports where these
    are seldom. Numbers that hardly anybody sent anew are not worth a sum and a write."""
    return asked_s * max(1.0, report_interval_s / _SELDOM_S)


def _shortest(needed_s: float) -> int:
    return next((s for s in _INTERVALS_S if needed_s <= s), _INTERVALS_S[-1])
