"""From conditions before and after to the Events that tell of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from weir_api.conditions import Condition, ConditionStatus


@dataclass(frozen=True, slots=True)
class Notice:
    """An Event to post: its type, a reason for programs, what was done, and a text for people."""

    type: Literal["Normal", "Warning"]
    reason: str
    action: str
    note: str


#: Reasons of Programmed=False that are not trouble: a user asked for them, or they pass by themselves.
_EXPECTED: Final = frozenset({"Paused", "Expired", "NoPodsMatched", "NodesPending"})
#: Reasons for which a loss of Ready needs no Event of its own beside the one that names the cause.
_TOLD_BY_CAUSE: Final = frozenset({"Paused", "Expired"})


def notices(before: Iterable[Condition], after: Iterable[Condition]) -> list[Notice]:
    """What happened between two statuses of one object; nothing where no condition came to hold or ceased to."""
    old = {c.type: c for c in before}
    new = {c.type: c for c in after}
    found: list[Notice] = []
    for type_ in ("Accepted", "Programmed", "Ready"):
        now = new.get(type_)
        if now is None or now.status is ConditionStatus.UNKNOWN:
            continue
        was = old.get(type_)
        same_status = was is not None and was.status is now.status
        if same_status and was is not None and (was.reason == now.reason or now.status is ConditionStatus.TRUE):
            continue
        found.extend(_tell(type_, was, now, same_status=same_status))
    paused = "Programmed" in old and old["Programmed"].reason == "Paused"
    if paused and "Programmed" in new and new["Programmed"].reason not in ("Paused", "NotAccepted", "Expired"):
        found.insert(0, Notice("Normal", "Resumed", "Observe", "spec.paused is no longer true"))
    return found


def _tell(type_: str, was: Condition | None, now: Condition, *, same_status: bool) -> list[Notice]:
    """The Event of one condition that changed its status, or its reason for not holding."""
    holds = now.status is ConditionStatus.TRUE
    if type_ == "Accepted":
        return [Notice("Normal" if holds else "Warning", now.reason, "Validate", now.message)]
    if type_ == "Programmed":
        if holds:
            return [Notice("Normal", "Programmed", "Program", now.message)]
        if now.reason == "NotAccepted":  # told by Accepted
            return []
        return [Notice("Normal" if now.reason in _EXPECTED else "Warning", now.reason, "Program", now.message)]
    if holds:
        return [Notice("Normal", "Ready", "Observe", now.message)]
    lost = was is not None and was.status is ConditionStatus.TRUE and not same_status
    if lost and now.reason not in _TOLD_BY_CAUSE:
        return [Notice("Warning", "NotReady", "Observe", now.message)]
    return []
