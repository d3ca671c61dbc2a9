"""When a status is worth a write: changes of substance at once, numbers seldom and only when they moved."""

from collections.abc import Iterable
from datetime import timedelta
from enum import Enum
from typing import Final

from weir_api.conditions import Condition, ConditionStatus
from weir_api.flowobservation import FlowObservationStatus

#: Counts of pods and nodes while they change: a rollout over thousands of nodes is not written node by node.
PROGRESS_INTERVAL: Final = timedelta(seconds=1)
#: Numbers that moved less than this, relative to what is written, are left as they are.
_DEAD_BAND: Final = 0.05


class Change(Enum):
    """What kind of difference there is between two statuses."""

    NONE = "none"
    NUMBERS = "numbers"
    PROGRESS = "progress"
    TRANSITION = "transition"


def _standing(conditions: Iterable[Condition]) -> dict[str, tuple[object, ...]]:
    """What a transition changes. Traffic comes and goes: DataFlowing counts as a number once it is known."""
    return {
        c.type: (
            c.observed_generation,
            *((c.status is ConditionStatus.UNKNOWN,) if c.type == "DataFlowing" else (c.status, c.reason)),
        )
        for c in conditions
    }


def _numbers(status: FlowObservationStatus) -> list[float | None]:
    summary, quality, overhead = status.summary, status.quality, status.overhead
    rates = summary and (summary.flows_per_second, summary.packets_per_second, summary.bytes_per_second)
    troubles = summary and (summary.retransmit_percent, summary.drops)
    return [
        *(rates or [None] * 3),
        *(troubles or [None] * 2),
        *((quality.loss_percent, quality.series) if quality else [None] * 2),
        *((overhead.cpu_millis, overhead.ns_per_packet) if overhead else [None] * 2),
    ]


def _progress(status: FlowObservationStatus) -> tuple[object, ...]:
    issues = [(issue.node, issue.reason) for issue in status.node_issues or ()]
    return status.matched, issues, status.effective


def _texts(status: FlowObservationStatus) -> tuple[object, ...]:
    """What changes the meaning of nothing: worth a write when the time has come, whatever the numbers did."""
    conditions = {c.type: (c.status, c.reason, c.message) for c in status.conditions}
    return conditions, status.node_issues, [peer.name for peer in status.top_peers or ()]


def _moved(before: float | None, after: float | None) -> bool:
    if before is None or after is None:
        return before is not after
    return abs(after - before) > _DEAD_BAND * abs(before)


def change(before: FlowObservationStatus | None, after: FlowObservationStatus) -> Change:
    """How much `after` differs from what is written; `before` is None where that cannot be read, or is not there."""
    if before is None or before.expires_at != after.expires_at:
        return Change.TRANSITION
    if _standing(before.conditions) != _standing(after.conditions):
        return Change.TRANSITION
    if _progress(before) != _progress(after):
        return Change.PROGRESS
    moved = any(map(_moved, _numbers(before), _numbers(after)))
    return Change.NUMBERS if moved or _texts(before) != _texts(after) else Change.NONE


def due(kind: Change, since_last_write: timedelta, interval: timedelta) -> bool:
    """Whether a difference of this kind is to be written now."""
    if kind is Change.TRANSITION:
        return True
    if kind is Change.PROGRESS:
        return since_last_write >= min(PROGRESS_INTERVAL, interval)
    return kind is Change.NUMBERS and since_last_write >= interval
