"""Which observations are accepted, and which of those are active."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from weir_operator.reconcile.verdict import Verdict, judge

from .objects import ALL, NOW, observation


def verdict(spec: Mapping[str, Any], **fields: Any) -> Verdict:
    return judge(observation(spec=spec, **fields), "weir-system", NOW)


def refusal(spec: Mapping[str, Any], **fields: Any) -> tuple[str, str]:
    found = verdict(spec, **fields).refusal
    assert found is not None
    return found.reason, found.message


def test_a_sound_spec_is_active() -> None:
    assert verdict(ALL) == Verdict()
    assert verdict(ALL).active


@pytest.mark.parametrize(
    ("spec", "reason", "fields"),
    [
        ({}, "InvalidSpec", ["spec.selector"]),
        ({"selector": {"all": True}, "colour": "red"}, "InvalidSpec", ["spec.colour"]),
        ({"selector": {"all": True}, "duration": "5 minutes"}, "InvalidSpec", ["spec.duration"]),
        (
            {"selector": {"podSelector": {"matchLabels": {"app": "a b"}}}},
            "InvalidSpec",
            ["spec.selector.podSelector.matchLabels"],
        ),
        (
            {"selector": {"workloads": [{"kind": "Robot", "name": "x"}]}},
            "InvalidSpec",
            ["spec.selector.workloads[0].kind"],
        ),
        ({"selector": {}}, "ContradictorySpec", ["spec.selector"]),
        (
            {"selector": {"all": True, "workloads": [{"kind": "Job", "name": "x"}]}},
            "ContradictorySpec",
            ["spec.selector"],
        ),
        ({"selector": {"all": True}, "duration": "0s"}, "ContradictorySpec", ["spec.duration"]),
        ({"selector": {"all": True}, "duration": "9999999999999999999999d"}, "ContradictorySpec", ["spec.duration"]),
        (
            {"selector": {"all": True}, "tls": {"plaintext": True}, "retention": {"flowLogs": "1d"}},
            "NotSupportedYet",
            ["spec.tls", "spec.retention"],
        ),
    ],
)
def test_a_refusal_names_its_fields(spec: Mapping[str, Any], reason: str, fields: list[str]) -> None:
    said, message = refusal(spec)
    assert said == reason
    assert all(field in message for field in fields)


def test_many_problems_make_a_short_message() -> None:
    spec = {"selector": {"all": True}} | {f"field{number}": 1 for number in range(500)}
    _, message = refusal(spec)
    assert message.endswith("; and 495 more")


def test_namespace_selector_is_for_the_operators_namespace() -> None:
    spec = {"selector": {"all": True, "namespaceSelector": {"matchLabels": {"team": "a"}}}}
    reason, message = refusal(spec)
    assert reason == "NamespaceSelectorNotAllowed"
    assert "spec.selector.namespaceSelector" in message
    assert verdict(spec, namespace="weir-system").active


def test_a_paused_observation_rests() -> None:
    found = verdict(ALL | {"paused": True})
    assert found.refusal is None
    assert found.rest is not None
    assert found.rest.reason == "Paused"


@pytest.mark.parametrize(("age_s", "active"), [(0, True), (299, True), (300, False), (10**6, False)])
def test_duration_counts_from_the_creation(age_s: int, active: bool) -> None:
    created = NOW - timedelta(seconds=age_s)
    found = verdict(ALL | {"duration": "5m"}, created=created)
    assert found.expires_at == created + timedelta(minutes=5)
    assert found.active is active
    assert active or (found.rest is not None and found.rest.reason == "Expired")
