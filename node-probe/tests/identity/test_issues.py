"""When the report says that something is wrong with the feed."""

from datetime import UTC, datetime, timedelta

import pytest

from weir_probe.identity.follow import issues
from weir_probe.identity.source import State

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PROBLEM = "https://x/identity/v1: Connection refused"


@pytest.mark.parametrize(
    ("kind", "connected", "refused", "away_s", "expected"),
    [
        ("Feed", False, False, 5, []),
        ("Feed", False, False, 60, ["IdentityFeedAway"]),
        ("Feed", False, True, 1, ["IdentityFeedRefused"]),
        ("Feed", True, False, 600, []),
        ("Node", False, False, 600, []),  # nobody to ask is as it was wanted; status.identity tells it
        ("Host", True, False, 600, []),
    ],
)
def test_a_break_that_lasts_and_a_refusal_are_issues(
    kind: str, connected: bool, refused: bool, away_s: int, expected: list[str]
) -> None:
    state = State(kind, connected, NOW - timedelta(seconds=away_s), PROBLEM, refused)  # type: ignore[arg-type]  # of the table
    found = issues(state, NOW)
    assert [reason for reason, _ in found] == expected
    assert all(PROBLEM in message for _, message in found)
