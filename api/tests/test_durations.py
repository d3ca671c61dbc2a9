"""Durations: what is one, how long it is, and that nothing else is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from weir_api.base import Duration, seconds

UNITS_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
DURATION = TypeAdapter[str](Duration)


@pytest.mark.parametrize(
    ("text", "length_s"),
    [("500ms", 0.5), ("30s", 30), ("5m", 300), ("1h30m", 5400), ("7d", 604800), ("1.5h", 5400), ("0s", 0)],
)
def test_length(text: str, length_s: float) -> None:
    assert seconds(DURATION.validate_python(text)) == pytest.approx(length_s)


@pytest.mark.parametrize(
    "text",
    ["5 minutes", "", "5", "s", "-5s", "+5s", "5S", "5s ", " 5s", "5s\n", "1e3s", ".5s", "5.s", "٥s", "9" * 40 + "s"],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValidationError):
        DURATION.validate_python(text)


@given(st.lists(st.tuples(st.integers(0, 999), st.sampled_from(list(UNITS_S))), min_size=1, max_size=6))
def test_parts_add_up(parts: list[tuple[int, str]]) -> None:
    text = "".join(f"{number}{unit}" for number, unit in parts)
    assert seconds(DURATION.validate_python(text)) == pytest.approx(
        sum(number * UNITS_S[unit] for number, unit in parts)
    )
