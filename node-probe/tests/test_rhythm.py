"""When a probe reports: on changes at once, else at a phase of its own, and after a failure before long."""

import random

import pytest

from weir_probe.rhythm import Rhythm


def reports(rhythm: Rhythm, until_s: float, changes: dict[float, int] | None = None) -> list[float]:
    """The times at which it reports, asked ten times a second; `changes` says from when `applied` has which value."""
    found: list[float] = []
    applied, at = 0, 0.0
    while at < until_s:
        applied = max([applied, *(value for time, value in (changes or {}).items() if time <= at)])
        if rhythm.wants(applied, at):
            rhythm.reported(applied, at, received=True)
            found.append(at)
        at = round(at + 0.1, 1)
    return found


def test_the_first_is_at_once_and_the_rest_come_at_the_interval() -> None:
    first, second, *rest = reports(Rhythm(0.0), 100)
    assert first == 0
    assert 0 <= second <= 10.1
    steps = [after - before for before, after in zip([second, *rest], rest, strict=False)]
    assert len(rest) in (8, 9)
    assert all(9.8 <= step <= 10.2 for step in steps)


def test_a_plan_makes_it_slower_and_a_fixed_interval_does_not_care() -> None:
    slow, fixed = Rhythm(0.0), Rhythm(0.0, 1.0)
    slow.plan(30)
    fixed.plan(30)
    assert len(reports(slow, 300)) in (10, 11)
    assert len(reports(fixed, 30)) >= 29


@pytest.mark.parametrize("seed", range(8))
def test_a_change_is_reported_at_once_leaves_the_phase_and_stands_for_a_report_soon_after(seed: int) -> None:
    random.seed(seed)
    quiet = reports(Rhythm(0.0), 60)
    random.seed(seed)
    changed = reports(Rhythm(0.0), 60, {33.3: 1})
    assert set(changed) == {33.3, *(at for at in quiet if not 33.3 < at < 38.3)}


def test_probes_that_change_together_do_not_report_together_from_then_on() -> None:
    later = [min(at for at in reports(Rhythm(0.0), 30) if at > 15) for _ in range(200)]
    assert max(later.count(at) for at in later) < 20


def test_what_failed_is_made_up_for_within_two_seconds_and_not_before() -> None:
    rhythm = Rhythm(0.0)
    rhythm.reported(1, 0.0, received=False)
    assert not rhythm.wants(1, 1.9)
    assert rhythm.wants(1, 2.0)
