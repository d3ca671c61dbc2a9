"""When a status is worth a write."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from weir_api.conditions import condition
from weir_api.flowobservation import FlowObservationStatus, Matched, NodeIssue, Peer, Quality, Summary
from weir_operator.reconcile.publish import Change, change, due

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def status(
    ready: bool = True, flowing: bool | None = True, message: str = "fine", **fields: Any
) -> FlowObservationStatus:
    stated = [
        condition("Ready", ready, "R", message, generation=1, now=NOW),
        condition("DataFlowing", flowing, "F", "f", generation=1, now=NOW),
    ]
    return FlowObservationStatus(conditions=stated, **fields)


def rates(value: float) -> dict[str, Any]:
    return {"summary": Summary(bytes_per_second=value)}


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (None, status(), Change.TRANSITION),
        (status(), status(), Change.NONE),
        (status(), status(ready=False), Change.TRANSITION),
        (status(), status(expires_at=NOW), Change.TRANSITION),
        (status(flowing=None), status(flowing=True), Change.TRANSITION),
        (status(flowing=True), status(flowing=False), Change.NUMBERS),
        (status(), status(message="other"), Change.NUMBERS),
        (status(), status(matched=Matched(pods=1)), Change.PROGRESS),
        (status(), status(node_issues=[NodeIssue(node="n", reason="r", message="1")]), Change.PROGRESS),
        (
            status(node_issues=[NodeIssue(node="n", reason="r", message="1")]),
            status(node_issues=[NodeIssue(node="n", reason="r", message="2")]),
            Change.NUMBERS,
        ),
        (status(**rates(100)), status(**rates(104.9)), Change.NONE),
        (status(**rates(100)), status(**rates(105.1)), Change.NUMBERS),
        (status(**rates(0)), status(**rates(0.1)), Change.NUMBERS),
        (status(), status(**rates(0)), Change.NUMBERS),
        (status(quality=Quality(loss_percent=0)), status(quality=Quality(loss_percent=0.001)), Change.NUMBERS),
        (status(), status(top_peers=[Peer(name="a/b", bytes_per_second=1, flows=1)]), Change.NUMBERS),
    ],
)
def test_kinds_of_change(before: FlowObservationStatus | None, after: FlowObservationStatus, kind: Change) -> None:
    assert change(before, after) is kind


@pytest.mark.parametrize(
    ("kind", "since_s", "expected"),
    [
        (Change.TRANSITION, 0, True),
        (Change.PROGRESS, 0.5, False),
        (Change.PROGRESS, 1, True),
        (Change.NUMBERS, 14, False),
        (Change.NUMBERS, 15, True),
        (Change.NONE, 9999, False),
    ],
)
def test_when_it_is_due(kind: Change, since_s: float, expected: bool) -> None:
    assert due(kind, timedelta(seconds=since_s), timedelta(seconds=15)) is expected
