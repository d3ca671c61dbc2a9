"""Which pods a selector selects, against Kubernetes' rules written out the slow way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from weir_api.selector import LabelRequirement, LabelSelector, Operator, Selector, Workload, selects, selects_labels

KEYS = st.sampled_from(["app", "tier", "shop.example/role"])
VALUES = st.sampled_from(["", "web", "api", "db"])
LABELS = st.dictionaries(KEYS, VALUES, max_size=3)


@st.composite
def requirements(draw: st.DrawFn) -> LabelRequirement:
    operator = draw(st.sampled_from(list(Operator)))
    valued = operator in (Operator.IN, Operator.NOT_IN)
    values = draw(st.lists(VALUES, min_size=1, max_size=3)) if valued else None
    return LabelRequirement(key=draw(KEYS), operator=operator, values=values)


SELECTORS = st.builds(
    LabelSelector,
    match_labels=st.none() | LABELS,
    match_expressions=st.none() | st.lists(requirements(), max_size=4),
)


def slow(selector: LabelSelector, labels: dict[str, str]) -> bool:
    """The reference page's sentences, one each."""
    verdicts = []
    for key, value in (selector.match_labels or {}).items():
        verdicts.append((key, value) in labels.items())
    for each in selector.match_expressions or []:
        if each.operator is Operator.IN:
            verdicts.append(any((each.key, value) in labels.items() for value in each.values or []))
        elif each.operator is Operator.NOT_IN:
            verdicts.append(all((each.key, value) not in labels.items() for value in each.values or []))
        elif each.operator is Operator.EXISTS:
            verdicts.append(each.key in labels)
        else:
            verdicts.append(each.key not in labels)
    return all(verdicts)


@given(SELECTORS, LABELS)
def test_labels(selector: LabelSelector, labels: dict[str, str]) -> None:
    assert selects_labels(selector, labels) == slow(selector, labels)


def test_empty_selects_everything() -> None:
    assert selects_labels(LabelSelector(), {})
    assert selects_labels(LabelSelector(match_labels={}, match_expressions=[]), {"app": "web"})


WEB = Workload(
    namespace="shop",
    name="web-5d9c-x2x4z",
    labels={"app": "web"},
    owners=frozenset({("Pod", "web-5d9c-x2x4z"), ("ReplicaSet", "web-5d9c"), ("Deployment", "web")}),
)


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ({"all": True}, True),
        ({"podSelector": {}}, True),
        ({"podSelector": {"matchLabels": {"app": "web"}}}, True),
        ({"podSelector": {"matchLabels": {"app": "api"}}}, False),
        ({"workloads": [{"kind": "Deployment", "name": "web"}]}, True),
        ({"workloads": [{"kind": "ReplicaSet", "name": "web-5d9c"}]}, True),
        ({"workloads": [{"kind": "Pod", "name": "web-5d9c-x2x4z"}]}, True),
        ({"workloads": [{"kind": "StatefulSet", "name": "web"}]}, False),
        ({"workloads": [{"kind": "Deployment", "name": "api"}, {"kind": "Deployment", "name": "web"}]}, True),
        ({}, False),
    ],
)
def test_pods(selector: dict[str, object], selected: bool) -> None:
    model = Selector.model_validate(selector)
    assert selects(model, frozenset({"shop", "other"}), WEB) is selected
    assert not selects(model, frozenset({"other"}), WEB), "a pod of a namespace that is not asked about"
    assert not selects(model, frozenset(), WEB)


@pytest.mark.parametrize("value", ["-web", "web-", "we b", "a" * 64, "wéb", "web\n", "{}"])
def test_label_values_that_are_none(value: str) -> None:
    with pytest.raises(ValidationError, match="matchLabels"):
        LabelSelector.model_validate({"matchLabels": {"app": value}})


@pytest.mark.parametrize("key", ["", "-app", "/app", "Example.com/app", "a/b/c", "app\n", "a" * 64, "x/" + "a" * 64])
def test_label_keys_that_are_none(key: str) -> None:
    with pytest.raises(ValidationError, match="matchLabels"):
        LabelSelector.model_validate({"matchLabels": {key: "web"}})
