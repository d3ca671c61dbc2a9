"""Every model comes back from the wire as it went, refuses what it does not know, and says which field is wrong."""

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from weir_api.base import Model
from weir_api.flowobservation import FlowObservation
from weir_api.l7protocol import L7Protocol
from weir_api.nodeprobe import NodeProbe, PlannedObservation, plan
from weir_api.records import FlowRecord

MODELS: list[type[Model]] = [FlowObservation, L7Protocol, NodeProbe, FlowRecord]

PATTERNED = {
    "duration": st.sampled_from(["500ms", "1m30s", "7d"]),
    "label key": st.sampled_from(["app", "shop.example/tier"]),
    "label value": st.sampled_from(["", "web"]),
    "DNS name": st.sampled_from(["web", "shop-2.example"]),
    "address range": st.sampled_from(["10.0.0.0/8", "2001:db8::/32"]),
    "entry such as": st.sampled_from(["pod/app", "namespace-annotation/shop.example/tier"]),
}
KEYS = ["app", "shop.example/tier", "web", "shop-2.example", "pod/app", "namespace-annotation/shop.example/tier"]


def values(schema: dict[str, Any], definitions: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a JSON schema of pydantic allows."""
    if "$ref" in schema:
        return values(definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
    if "anyOf" in schema:
        return st.one_of([values(option, definitions) for option in schema["anyOf"] if option.get("type") != "null"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    for words, strategy in PATTERNED.items():
        if schema.get("x-weir-type", "").startswith(words):
            return strategy
    if schema.get("format") == "date-time":
        return st.just("2026-01-02T03:04:05Z")
    if "patternProperties" in schema:
        ((pattern, child),) = schema["patternProperties"].items()
        keys = st.sampled_from([key for key in KEYS if re.search(pattern, key)])
        return st.dictionaries(keys, values(child, definitions), max_size=2)
    if "additionalProperties" in schema and "properties" not in schema:
        return st.dictionaries(st.sampled_from(KEYS), values(schema["additionalProperties"], definitions), max_size=2)
    if "pattern" in schema:
        return st.from_regex(schema["pattern"].removesuffix("$") + r"\Z").filter(
            lambda text: len(text) <= schema.get("maxLength", 99)
        )
    kind = schema["type"]
    if kind == "object":
        required = set(schema.get("required", ()))
        fields = {name: values(child, definitions) for name, child in schema["properties"].items()}
        return st.fixed_dictionaries(
            {name: fields[name] for name in required},
            optional={name: field for name, field in fields.items() if name not in required},
        )
    if kind == "array":
        return st.lists(values(schema["items"], definitions), min_size=schema.get("minItems", 0), max_size=2)
    if kind == "integer":
        return st.integers(schema.get("minimum", 0), schema.get("maximum", 2**62))
    if kind == "number":
        return st.floats(schema.get("minimum", 0), schema.get("maximum", 1e9))
    return st.booleans() if kind == "boolean" else st.text("abc/%é", max_size=min(9, schema.get("maxLength", 9)))


def wires(model: type[Model]) -> st.SearchStrategy[Any]:
    schema = model.model_json_schema(by_alias=True)
    return values(schema, schema.get("$defs", {}))


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=20, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
def test_round_trip(model: type[Model], data: st.DataObject) -> None:
    given_wire = data.draw(wires(model))
    read = model.model_validate(given_wire)
    sent = json.loads(json.dumps(read.wire()))
    assert model.model_validate(sent) == read
    assert model.model_validate(sent).wire() == sent
    assert_within(given_wire, sent)


def assert_within(part: Any, whole: Any) -> None:
    """Nothing that was given is lost; defaults may have come to it."""
    if isinstance(part, dict):
        for key, value in part.items():
            assert_within(value, whole[key])
    elif isinstance(part, list):
        assert len(part) == len(whole)
        for one, other in zip(part, whole, strict=True):
            assert_within(one, other)
    else:
        assert part == whole


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        ({"selector": {"all": True}, "bogus": 1}, ("spec", "bogus")),
        ({"selector": {"all": True, "podselector": {}}}, ("spec", "selector", "podselector")),
        ({"selector": {"all": True}, "duration": "5 minutes"}, ("spec", "duration")),
        (
            {"selector": {"podSelector": {"matchLabels": {"app": "a b"}}}},
            ("spec", "selector", "podSelector", "matchLabels", "app"),
        ),
        ({"selector": {"all": True, "ports": [{"port": 0}]}}, ("spec", "selector", "ports", 0, "port")),
        (
            {"selector": {"all": True}, "signals": {"metrics": {"maxSeries": 10**9}}},
            ("spec", "signals", "metrics", "maxSeries"),
        ),
        ({}, ("spec", "selector")),
    ],
)
def test_an_error_names_the_field(spec: dict[str, Any], place: tuple[str | int, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        FlowObservation.model_validate({"spec": spec})
    assert [error["loc"] for error in caught.value.errors()] == [place]


def test_models_do_not_change() -> None:
    observation = FlowObservation.model_validate({"spec": {"selector": {"all": True}}})
    with pytest.raises(ValidationError, match="frozen"):
        setattr(observation.spec, "paused", True)  # noqa: B010  # what a type checker refuses, and running code must too


def planned(name: str, **other: Any) -> PlannedObservation:
    wire = {"namespace": "shop", "name": name, "uid": f"uid-{name}", "generation": 1, "namespaces": ["shop"]}
    return PlannedObservation.model_validate({**wire, "selector": {"all": True}, **other})


def test_a_plan_is_its_content() -> None:
    assert plan([planned("a"), planned("b")]) == plan([planned("b"), planned("a")])
    assert [observation.name for observation in plan([planned("b"), planned("a")]).observations] == ["a", "b"]
    hashes = {plan(each).plan_hash for each in ([], [planned("a")], [planned("b")], [planned("a", generation=2)])}
    assert len(hashes) == 4


def test_records_are_written_in_snake_case() -> None:
    wire = FlowRecord.model_json_schema(by_alias=True)
    assert set(FlowRecord.model_fields) == set(wire["properties"])
