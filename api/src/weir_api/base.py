"""What every model of the contract shares: camelCase on the wire, unknown fields refused, Kubernetes' string types."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_DURATION: Final = r"^(([0-9]+(\.[0-9]+)?)(ms|s|m|h|d))+$"

_NAME: Final = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
LABEL_VALUE: Final = rf"^({_NAME})?$"
LABEL_KEY: Final = rf"^([a-z0-9]([a-z0-9.-]{{0,251}}[a-z0-9])?/)?{_NAME}$"


def _kind(words: str) -> Any:
    """What a constrained string is, for the reference pages."""
    return Field(json_schema_extra={"x-weir-type": words})


def _duration(value: str) -> str:
    if re.fullmatch(_DURATION, value) is None:
        raise PydanticCustomError("duration", "is not a duration; write it as 500ms, 30s, 5m, 1h30m or 7d")
    return value


Duration = Annotated[
    str,
    StringConstraints(max_length=32),
    AfterValidator(_duration),
    Field(json_schema_extra={"pattern": _DURATION, "x-weir-type": "duration such as 500ms, 30s, 5m, 1h30m, 7d"}),
]
LabelKey = Annotated[str, StringConstraints(pattern=LABEL_KEY, max_length=317), _kind("label key")]
LabelValue = Annotated[str, StringConstraints(pattern=LABEL_VALUE, max_length=63), _kind("label value")]
DnsName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", min_length=1, max_length=253),
    _kind("DNS name of at most 253 characters"),
]


def seconds(duration: str) -> float:
    """The length of a Duration in seconds: `seconds("1m30s") == 90.0`."""
    return sum(float(number) * _UNITS_S[unit] for number, unit in _DURATION_PART.findall(duration))


def _to_time(value: datetime) -> datetime:
    zoned = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return zoned.astimezone(UTC).replace(microsecond=0)


def _to_wire(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


#: metav1.Time: RFC 3339, UTC (also where no zone is given), whole seconds.
Time = Annotated[datetime, AfterValidator(_to_time), PlainSerializer(_to_wire, return_type=str)]


class Model(BaseModel):
    """A part of a resource. Immutable; unknown fields are an error that names them."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, use_enum_values=False
    )

    def wire(self) -> dict[str, Any]:
        """As the API server holds it: camelCase, JSON types, absent where None."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


#: For a part that one of Weir's programs writes and another one reads, and checks: the API server stores it as it is.
#: Its own checks were half of what a write of such an object cost it.
STORED_AS_IT_IS: Final = ConfigDict(
    json_schema_extra={"x-kubernetes-preserve-unknown-fields": True, "x-kubernetes-map-type": "atomic"}
)


def rules(*checks: tuple[str, str]) -> ConfigDict:
    """CEL rules for the CRD, as (rule, message): what the API server checks at admission."""
    return ConfigDict(
        json_schema_extra={"x-kubernetes-validations": [{"rule": rule, "message": text} for rule, text in checks]}
    )
