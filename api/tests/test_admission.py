"""What is refused: contradictions, and every field that this version does not honour."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from weir_api.admission import HONOURED, contradictions, not_supported_yet
from weir_api.docs import Row, rows, supported
from weir_api.flowobservation import FlowObservationSpec

SELECT_ALL: dict[str, Any] = {"selector": {"all": True}}


def spec(**fields: Any) -> FlowObservationSpec:
    return FlowObservationSpec.model_validate({**SELECT_ALL, **fields})


def fields_of(problems: list[Any]) -> list[str]:
    return [problem.field for problem in problems]


def test_a_plain_spec_has_no_problem() -> None:
    plain = spec(
        selector={
            "podSelector": {
                "matchLabels": {"app": "web"},
                "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}],
            },
            "ports": [{"port": 80}],
            "direction": "Ingress",
        },
        signals={"metrics": {"l4": True, "maxSeries": 100}, "flowLogs": {"mode": "All", "interval": "10s"}},
        duration="10m",
        paused=True,
    )
    assert contradictions(plain) == []
    assert not_supported_yet(plain) == []


@pytest.mark.parametrize(
    "selector",
    [
        {},
        {"all": False},
        {"all": True, "podSelector": {}},
        {"podSelector": {}, "workloads": [{"kind": "Pod", "name": "a"}]},
        {"all": False, "podSelector": {}},
    ],
)
def test_exactly_one_way_to_select(selector: dict[str, Any]) -> None:
    assert fields_of(contradictions(spec(selector=selector))) == ["spec.selector"]


@pytest.mark.parametrize(
    ("selector", "field"),
    [
        ({"all": True, "peers": {}}, "spec.selector.peers"),
        ({"all": True, "namespaceSelector": {}, "peers": {"podSelector": {}}}, "spec.selector.peers.namespaces"),
        (
            {"all": True, "namespaceSelector": {}, "peers": {"workloads": [{"kind": "Pod", "name": "a"}]}},
            "spec.selector.peers.namespaces",
        ),
        ({"all": True, "namespaceSelector": {}, "peers": {"cidrs": ["10.0.0.0/8"]}}, None),
        ({"all": True, "namespaceSelector": {}, "peers": {"namespaces": ["a"], "podSelector": {}}}, None),
        ({"all": True, "peers": {"podSelector": {}}}, None),
        ({"all": True, "peers": {"namespaces": ["a"]}}, None),
    ],
)
def test_peers_that_can_be_looked_for(selector: dict[str, Any], field: str | None) -> None:
    assert fields_of(contradictions(spec(selector=selector))) == ([field] if field else [])


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("10.0.0.1/8", r"has host bits set.*; write 10\.0\.0\.0/8"),
        ("2001:db8::1/32", r"; write 2001:db8::/32"),
        ("10.0.0/8", r"; write it as 10\.0\.0\.0/8 or 2001:db8::/32"),
        ("10.0.0.0/33", r"; write it as"),
        ("everyone", r"; write it as"),
    ],
)
def test_a_range_that_is_none_is_refused_with_the_one_that_is_meant(text: str, fix: str) -> None:
    with pytest.raises(ValidationError, match=fix) as refused:
        spec(selector={"all": True, "peers": {"cidrs": ["10.0.0.0/8", text]}})
    assert refused.value.errors()[0]["loc"] == ("selector", "peers", "cidrs", 1)


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


@pytest.mark.parametrize(
    "expressions",
    [
        [expression("app", "DoesNotExist")],
        [expression("app", "NotIn", "web")],
        [expression("app", "In", "api", "db")],
        [expression("tier", "Exists"), expression("tier", "DoesNotExist")],
        [expression("tier", "In", "a", "b"), expression("tier", "In", "c")],
        [expression("tier", "In", "a", "b"), expression("tier", "NotIn", "a"), expression("tier", "NotIn", "b")],
    ],
)
def test_labels_that_no_pod_can_have(expressions: list[dict[str, Any]]) -> None:
    labels = {"matchLabels": {"app": "web"}, "matchExpressions": expressions}
    (problem,) = contradictions(spec(selector={"podSelector": labels}))
    assert problem.field == "spec.selector.podSelector"
    assert expressions[0]["key"] in problem.message
    (problem,) = contradictions(spec(selector={"all": True, "namespaceSelector": labels}))
    assert problem.field == "spec.selector.namespaceSelector"


@pytest.mark.parametrize(
    "expressions",
    [
        [expression("app", "NotIn", "api")],
        [expression("app", "Exists"), expression("app", "In", "web", "api")],
        [expression("tier", "NotIn", "a"), expression("tier", "DoesNotExist")],
    ],
)
def test_labels_that_a_pod_can_have(expressions: list[dict[str, Any]]) -> None:
    labels = {"matchLabels": {"app": "web"}, "matchExpressions": expressions}
    assert contradictions(spec(selector={"podSelector": labels})) == []


@pytest.mark.parametrize(
    "wrong",
    [
        expression("a", "In"),
        expression("a", "NotIn"),
        expression("a", "Exists", "x"),
        expression("a", "DoesNotExist", "x"),
    ],
)
def test_values_belong_to_in_and_not_in(wrong: dict[str, Any]) -> None:
    labels = {"matchExpressions": [expression("b", "Exists"), wrong]}
    (problem,) = contradictions(spec(selector={"podSelector": labels}))
    assert problem.field == "spec.selector.podSelector.matchExpressions[1].values"


@pytest.mark.parametrize("duration", ["0s", "0ms", "3651d", "99999999999999999999999999999d"])
def test_duration_bounds(duration: str) -> None:
    assert fields_of(contradictions(spec(duration=duration))) == ["spec.duration"]


@pytest.mark.parametrize("interval", ["0s", "999ms", "25h"])
def test_flow_log_interval_bounds(interval: str) -> None:
    problems = contradictions(spec(signals={"flowLogs": {"mode": "All", "interval": interval}}))
    assert fields_of(problems) == ["spec.signals.flowLogs.interval"]


def test_duration_and_schedule_exclude_each_other() -> None:
    both = spec(duration="1h", schedule={"cron": "0 3 * * *", "duration": "1h"})
    assert fields_of(contradictions(both)) == ["spec.schedule"]


CALL_LOGS = {"mode": "All"}
SLOW_ONES = {"mode": "ErrorsAndSlow"}


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"signals": {"callLogs": {"mode": "All", "slowerThan": "1s"}}}, "signals.callLogs.slowerThan"),
        ({"signals": {"callLogs": {"slowerThan": "1s"}}}, "signals.callLogs.slowerThan"),
        ({"signals": {"callLogs": SLOW_ONES | {"slowerThan": "0s"}}}, "signals.callLogs.slowerThan"),
        ({"signals": {"callLogs": SLOW_ONES | {"slowerThan": "2d"}}}, "signals.callLogs.slowerThan"),
        ({"sampling": {"callsPercent": 10}}, "sampling.callsPercent"),
        ({"sampling": {"callsPercent": 10}, "signals": {"metrics": {"l7": True}}}, "sampling.callsPercent"),
        ({"protocols": {"include": ["redis"]}}, "protocols"),
        ({"redaction": {"headers": ["x-key"]}}, "redaction"),
        ({"signals": {"callLogs": CALL_LOGS}, "protocols": {"detect": False}}, "protocols.detect"),
        ({"signals": {"callLogs": CALL_LOGS}, "protocols": {"include": []}}, "protocols.include"),
        (
            {
                "signals": {"callLogs": CALL_LOGS},
                "protocols": {"include": ["dns"], "ports": [{"port": 1, "protocol": "redis"}]},
            },
            "protocols.ports[0]",
        ),
        (
            {
                "signals": {"metrics": {"l7": True}},
                "protocols": {"ports": [{"port": 1, "protocol": "redis"}, {"port": 1, "protocol": "dns"}]},
            },
            "protocols.ports[1]",
        ),
    ],
)
def test_what_would_have_no_effect_on_calls(fields: dict[str, Any], wrong: str) -> None:
    assert fields_of(contradictions(spec(**fields))) == [f"spec.{wrong}"]


def test_calls_as_they_can_be_asked_for() -> None:
    wanted = spec(
        signals={"metrics": {"l7": True}, "callLogs": SLOW_ONES | {"slowerThan": "500ms"}},
        protocols={"detect": False, "include": ["redis"], "ports": [{"port": 6380, "protocol": "redis"}]},
        redaction={"headers": ["x-key"], "queryParameters": ["token"]},
        sampling={"callsPercent": 10},
    )
    assert contradictions(wanted) == []
    assert not_supported_yet(wanted) == []


def test_a_problem_reads_as_field_and_fix() -> None:
    assert str(not_supported_yet(spec(budget={}))[0]) == (
        "spec.budget: not supported yet by this version; remove the field"
    )


# --- every field is honoured or refused -----------------------------------------------------------------------------

#: A value that is not the default, for a field that the types alone do not tell one.
VALUES: dict[str, Any] = {
    "spec.selector.peers.cidrs": ["10.0.0.0/8"],
    "spec.signals.metrics.l4": False,
    "spec.signals.metrics.labels": ["pod/app"],
    "spec.selector.workloads[].kind": "Pod",
    "spec.schedule.cron": "0 3 * * *",
}


def value_of(row: Row) -> Any:
    """Something that the field may hold, other than its default."""
    if row.path in VALUES:
        return VALUES[row.path]
    if row.constraints.startswith("one of"):
        choices = [choice.strip(" `") for choice in row.constraints.removeprefix("one of ").split(",")]
        return next(choice for choice in choices if f'"{choice}"' not in row.default)
    plain: dict[str, Any] = {
        "boolean": True,
        "integer": 7,
        "number": 7,
        "string": "web",
        "duration": "7s",
        "map of strings": {"app": "web"},
        "list of strings": ["web"],
        "list of integers": [7],
        "object": {},
        "list of objects": [],
    }
    return plain[row.type]


def with_field(path: str, known: dict[str, Row]) -> dict[str, Any]:
    """A spec in which the field is set, with what its parents require and nothing else."""
    root: dict[str, Any] = {}
    place, node = "", root
    parts = path.split(".")
    for depth, part in enumerate(parts):
        name = part.removesuffix("[]")
        place = f"{place}.{name}" if place else name
        if depth == len(parts) - 1:
            node[name] = value_of(known[place])
            break
        child: dict[str, Any] = {}
        node[name] = [child] if part.endswith("[]") else child
        place = place + part[len(name) :]
        for row in known.values():
            if row.required and row.path.rpartition(".")[0] == place and row.path != path:
                child[row.path.rpartition(".")[2]] = value_of(row)
        node = child
    return root["spec"]  # type: ignore[no-any-return]  # JSON


KNOWN = {
    f"spec.{row.path}": replace(row, path=f"spec.{row.path}") for row in rows(FlowObservationSpec, "flowobservation.md")
}
PARENTS = {path.rpartition(".")[0].removesuffix("[]") for path in KNOWN}
LEAVES = sorted(path for path in KNOWN if path not in PARENTS)


def test_the_walk_finds_all_fields() -> None:
    assert {path.split(".")[1].removesuffix("[]") for path in LEAVES} == {
        field.alias or name for name, field in FlowObservationSpec.model_fields.items()
    }
    for path in HONOURED:
        assert f"spec.{path}" in KNOWN


@pytest.mark.parametrize("path", LEAVES)
def test_every_field_is_honoured_or_refused(path: str) -> None:
    wanted = with_field(path, KNOWN)
    wanted.setdefault("selector", {})
    model = FlowObservationSpec.model_validate(wanted)
    refused = fields_of(not_supported_yet(model))
    plain = path.replace("[]", "")
    if supported(path) == "yes":
        assert refused == [], f"{path} is said to be honoured, and refused"
    else:
        assert any(plain == field or plain.startswith(f"{field}.") for field in refused), f"{path} is silently ignored"


@pytest.mark.parametrize(
    "off",
    [
        {"signals": {"metrics": {"l7": False, "labels": []}}},
        {"signals": {"callLogs": {"mode": "Off"}, "traces": {"enabled": False}, "packets": {}, "policyAudit": {}}},
        {"tls": {"plaintext": False}, "thresholds": [], "sampling": {}},
    ],
)
def test_what_is_off_is_not_refused(off: dict[str, Any]) -> None:
    assert not_supported_yet(spec(**off)) == []
