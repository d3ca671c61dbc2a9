"""Which changes of conditions make Events."""

from datetime import UTC, datetime

from weir_api.conditions import Condition, condition
from weir_operator.reconcile.events import notices


def stated(**states: tuple[bool | None, str]) -> list[Condition]:
    now = datetime.now(UTC)
    return [condition(t, holds, reason, "text", generation=1, now=now) for t, (holds, reason) in states.items()]


READY = stated(Accepted=(True, "Accepted"), Programmed=(True, "AllNodes"), Ready=(True, "Ready"))
NEW = stated(Accepted=(True, "Accepted"), Programmed=(None, "NodesPending"), Ready=(None, "NodesPending"))
PAUSED = stated(Accepted=(True, "Accepted"), Programmed=(False, "Paused"), Ready=(False, "Paused"))
EXPIRED = stated(Accepted=(True, "Accepted"), Programmed=(False, "Expired"), Ready=(False, "Expired"))
REFUSED = stated(Accepted=(False, "InvalidSpec"), Programmed=(False, "NotAccepted"), Ready=(False, "InvalidSpec"))
SILENT = stated(
    Accepted=(True, "Accepted"), Programmed=(False, "ProbeNotReporting"), Ready=(False, "ProbeNotReporting")
)


def told(before: list[Condition], after: list[Condition]) -> list[tuple[str, str]]:
    return [(notice.type, notice.reason) for notice in notices(before, after)]


def test_nothing_happened() -> None:
    for each in (READY, NEW, PAUSED, EXPIRED, REFUSED, SILENT):
        assert told(each, each) == []


def test_the_way_to_ready() -> None:
    assert told([], NEW) == [("Normal", "Accepted")]
    assert told(NEW, READY) == [("Normal", "Programmed"), ("Normal", "Ready")]


def test_paused_resumed_and_expired_are_no_trouble() -> None:
    assert told(READY, PAUSED) == [("Normal", "Paused")]
    assert told(PAUSED, NEW) == [("Normal", "Resumed")]
    assert told(READY, EXPIRED) == [("Normal", "Expired")]
    assert told(PAUSED, EXPIRED) == [("Normal", "Expired")]


def test_trouble_is_a_warning() -> None:
    assert told([], REFUSED) == [("Warning", "InvalidSpec")]
    assert told(READY, REFUSED) == [("Warning", "InvalidSpec"), ("Warning", "NotReady")]
    assert told(READY, SILENT) == [("Warning", "ProbeNotReporting"), ("Warning", "NotReady")]
    assert told(SILENT, READY) == [("Normal", "Programmed"), ("Normal", "Ready")]


def test_another_reason_for_the_same_state_is_told_once() -> None:
    other = stated(
        Accepted=(False, "NotSupportedYet"), Programmed=(False, "NotAccepted"), Ready=(False, "NotSupportedYet")
    )
    assert told(REFUSED, other) == [("Warning", "NotSupportedYet")]
