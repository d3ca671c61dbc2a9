"""Conditions by Kubernetes' conventions: `lastTransitionTime` moves only when the status does."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from weir_api.base import Model, Time


class ConditionStatus(StrEnum):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Model):
    """One thing that is so, is not so, or is not known, with a reason for programs and a message for people."""

    type: str = Field(max_length=64, description="What the condition is about.")
    status: ConditionStatus = Field(description="Whether it holds.")
    reason: str = Field(pattern=r"^[A-Za-z]([A-Za-z0-9]*)$", max_length=64, description="Why, for programs.")
    message: str = Field(max_length=1024, description="Why, for people.")
    observed_generation: int = Field(ge=0, description="The generation of the spec that this was said of.")
    last_transition_time: Time = Field(description="When the status last changed.")


def transition(previous: Iterable[Condition], wanted: Iterable[Condition]) -> list[Condition]:
    """`wanted`, with the transition time of `previous` wherever the status is the same."""
    before = {c.type: c for c in previous}
    return [
        c.model_copy(update={"last_transition_time": before[c.type].last_transition_time})
        if c.type in before and before[c.type].status == c.status
        else c
        for c in wanted
    ]


def condition(  # one call site per statement reads best with positional words
    type_: str, holds: bool | None, reason: str, message: str, *, generation: int, now: datetime
) -> Condition:
    """A condition at `now`; `holds=None` is Unknown. The message is cut at its limit."""
    status = {True: ConditionStatus.TRUE, False: ConditionStatus.FALSE, None: ConditionStatus.UNKNOWN}[holds]
    return Condition(
        type=type_,
        status=status,
        reason=reason,
        message=message[:1024],
        observed_generation=generation,
        last_transition_time=now,
    )
