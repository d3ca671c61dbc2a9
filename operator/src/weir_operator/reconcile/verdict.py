"""Whether a FlowObservation is accepted, and whether it is active now."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from weir_api.admission import contradictions, not_supported_yet
from weir_api.base import seconds
from weir_operator.reconcile.resources import Observation

_NAMED_PROBLEMS: Final = 5


@dataclass(frozen=True, slots=True)
class Objection:
    """Why an observation is not accepted, or not active: a reason for programs and a message for people."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`refusal`: it is not accepted; `rest`: it is, and does nothing now. Active when it has neither."""

    refusal: Objection | None = None
    rest: Objection | None = None
    expires_at: datetime | None = None

    @property
    def active(self) -> bool:
        return self.refusal is None and self.rest is None


def _objection(reason: str, problems: list[str]) -> Objection | None:
    if not problems:
        return None
    more = len(problems) - _NAMED_PROBLEMS
    text = "; ".join(problems[:_NAMED_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
    return Objection(reason, text)


def _unreadable(observation: Observation, _operator_namespace: str) -> Objection | None:
    return _objection("InvalidSpec", [str(problem) for problem in observation.problems])


def _contradictory(observation: Observation, _operator_namespace: str) -> Objection | None:
    return _objection(
        "ContradictorySpec", [str(p) for p in contradictions(observation.spec)] if observation.spec else []
    )


def _unsupported(observation: Observation, _operator_namespace: str) -> Objection | None:
    return _objection(
        "NotSupportedYet", [str(p) for p in not_supported_yet(observation.spec)] if observation.spec else []
    )


def _reaches_out(observation: Observation, operator_namespace: str) -> Objection | None:
    spec = observation.spec
    if spec is None or spec.selector.namespace_selector is None or observation.namespace == operator_namespace:
        return None
    return Objection(
        "NamespaceSelectorNotAllowed",
        "spec.selector.namespaceSelector: allowed only in the operator's own namespace, where the platform team "
        "writes; remove it to observe this namespace",
    )


#: Asked in this order; the first objection is the one that the user reads.
_CHECKS: Final[tuple[Callable[[Observation, str], Objection | None], ...]] = (
    _unreadable,
    _contradictory,
    _reaches_out,
    _unsupported,
)


def judge(observation: Observation, operator_namespace: str, now: datetime) -> Verdict:
    """Whether an observation is accepted, and whether it is active at `now`. `duration` counts from its creation."""
    for check in _CHECKS:
        refusal = check(observation, operator_namespace)
        if refusal is not None:
            return Verdict(refusal=refusal)
    spec = observation.spec
    if spec is None:  # `problems` is never empty then, and refused above
        return Verdict(refusal=Objection("InvalidSpec", "spec: missing"))
    expires_at = observation.created + timedelta(seconds=seconds(spec.duration)) if spec.duration else None
    rest = None
    if expires_at is not None and now >= expires_at:
        rest = Objection("Expired", f"its duration of {spec.duration} has passed; change or remove it to observe again")
    elif spec.paused:
        rest = Objection("Paused", "spec.paused is true: nothing is attached")
    return Verdict(rest=rest, expires_at=expires_at)
