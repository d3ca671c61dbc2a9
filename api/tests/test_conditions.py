"""Conditions: the transition time moves only when the status does."""

from datetime import UTC, datetime, timedelta

import pytest

from weir_api.conditions import Condition, ConditionStatus, condition, transition

THEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NOW = THEN + timedelta(minutes=5)


def at(time: datetime, holds: bool | None, reason: str = "Because", generation: int = 1) -> Condition:
    return condition("Ready", holds, reason, "so it is", generation=generation, now=time)


@pytest.mark.parametrize("holds", [True, False, None])
def test_same_status_keeps_its_time(holds: bool | None) -> None:
    (after,) = transition([at(THEN, holds)], [at(NOW, holds, "Otherwise", generation=2)])
    assert after.last_transition_time == THEN
    assert (after.reason, after.observed_generation) == ("Otherwise", 2)


@pytest.mark.parametrize(("before", "now"), [(None, True), (True, False), (False, None)])
def test_another_status_takes_the_new_time(before: bool | None, now: bool | None) -> None:
    (after,) = transition([at(THEN, before)], [at(NOW, now)])
    assert after.last_transition_time == NOW


def test_a_new_type_has_its_own_time_and_an_old_one_goes() -> None:
    old = condition("Old", True, "Because", "", generation=1, now=THEN)
    assert transition([old], [at(NOW, True)]) == [at(NOW, True)]


def test_status_words_and_bounds() -> None:
    assert [at(NOW, holds).status for holds in (True, False, None)] == [
        ConditionStatus.TRUE,
        ConditionStatus.FALSE,
        ConditionStatus.UNKNOWN,
    ]
    assert len(condition("Ready", True, "Because", "x" * 5000, generation=1, now=NOW).message) == 1024


def test_time_on_the_wire_is_utc_in_whole_seconds() -> None:
    east = NOW.astimezone(tz=None).replace(microsecond=987654)
    made = at(east, True)
    assert made.wire()["lastTransitionTime"] == "2026-01-02T03:09:05Z"
    assert Condition.model_validate(made.wire()) == made
    without_zone = {**made.wire(), "lastTransitionTime": "2026-01-02T03:09:05"}
    assert Condition.model_validate(without_zone) == made
