"""What of pods and namespaces metrics carry: what an entry may say, and what it becomes."""

import pytest
from pydantic import TypeAdapter, ValidationError

from weir_api.admission import contradictions
from weir_api.flowobservation import FlowObservationSpec
from weir_api.metric_labels import MetricLabel, prometheus_name, values


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ("pod/app.kubernetes.io/version", "pod_label_app_kubernetes_io_version"),
        ("namespace/team", "namespace_label_team"),
        ("pod-annotation/example.com/Cost_Centre", "pod_annotation_example_com_Cost_Centre"),
        ("namespace-annotation/owner", "namespace_annotation_owner"),
    ],
)
def test_an_entry_is_a_label_of_prometheus(entry: str, name: str) -> None:
    assert prometheus_name(TypeAdapter(MetricLabel).validate_python(entry)) == name


@pytest.mark.parametrize("entry", ["app", "node/zone", "pod/", "pod/-x", "pod/a b", "pod-label/x", "pod/Up.per/x"])
def test_what_is_no_entry_is_refused(entry: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(MetricLabel).validate_python(entry)


def test_values_stand_where_the_entry_says() -> None:
    entries = ["pod/a", "pod-annotation/a", "pod/absent"]
    assert values(entries, {"a": "label"}, {"a": "n" * 1000}) == {"pod/a": "label", "pod-annotation/a": "n" * 128}


def test_two_entries_that_become_one_label_are_a_contradiction() -> None:
    labels = ["pod/a.b", "pod/version", "pod/a-b"]
    spec = FlowObservationSpec.model_validate({"selector": {"all": True}, "signals": {"metrics": {"labels": labels}}})
    (problem,) = contradictions(spec)
    assert str(problem) == (
        "spec.signals.metrics.labels[2]: pod/a-b and pod/a.b are both the label pod_label_a_b in Prometheus; "
        "keep one of them"
    )
