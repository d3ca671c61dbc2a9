"""Objects are read whatever is in them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weir_api.nodeprobe import plan
from weir_operator.reconcile.plan import planned
from weir_operator.reconcile.resources import MANAGED_BY, read_observation, read_probe, timestamp

from .objects import ALL, observation, pod, probe

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["selector", "signals", "duration", "paused", "budget", "observations", "conditions", "planHash"]
)
META = {"namespace": "shop", "name": "x", "uid": "u", "generation": 1}


@settings(deadline=None)
@given(st.dictionaries(FIELDS, JSON), st.dictionaries(FIELDS, JSON))
def test_nothing_in_spec_or_status_is_an_exception(spec: dict[str, Any], status: dict[str, Any]) -> None:
    raw = {"metadata": META, "spec": spec, "status": status}
    read = read_observation(raw)
    assert (read.spec is None) == bool(read.problems)
    assert all(str(problem).startswith("spec") for problem in read.problems)
    held = read_probe(raw)
    assert (held.report is None) == (not status or bool(held.unreadable))


def test_conditions_of_another_version_are_left_out() -> None:
    good = {"type": "Ready", "status": "True", "reason": "R", "message": "", "observedGeneration": 1}
    good["lastTransitionTime"] = "2030-01-01T00:00:00Z"
    read = observation(status={"conditions": [{"type": "Old"}, good, "nonsense"], "gone": 1})
    assert [c.type for c in read.conditions] == ["Ready"]
    assert read.written is None


def test_a_spec_is_parsed_again_only_when_it_changed() -> None:
    raw = {"metadata": META, "spec": dict(ALL)}
    first = read_observation(raw)
    assert read_observation(raw, first).spec is first.spec
    assert read_observation({**raw, "metadata": META | {"generation": 2}}, first).spec is not first.spec
    assert read_observation({**raw, "metadata": META | {"uid": "v"}}, first).spec is not first.spec


def test_a_plan_that_somebody_else_changed_is_known_as_such() -> None:
    spec = plan([planned(observation(), {"shop": {}})]).wire()
    meta = {"name": "n1", "uid": "u", "generation": 1, "labels": dict(MANAGED_BY)}
    assert read_probe({"metadata": meta, "spec": spec}).plan_hash == spec["planHash"]
    spec["observations"][0]["maxSeries"] = 5
    assert read_probe({"metadata": meta, "spec": spec}).plan_hash == ""
    assert read_probe({"metadata": meta, "spec": {"observations": 5}}).plan_hash == ""


MEASURED = {"uid": "u", "generation": 1}
PEER = {"name": "shop/web", "bytesPerSecond": 1.0}
TOO_MUCH: dict[str, dict[str, Any]] = {
    "observations": {"observations": [MEASURED] * 65},
    "issues": {"issues": [{"reason": "R", "message": ""}] * 11},
    "peers": {"observations": [{**MEASURED, "topPeers": [PEER] * 11}]},
    "a name": {"observations": [{**MEASURED, "topPeers": [{**PEER, "name": "x" * 257}]}]},
    "a message": {"issues": [{"reason": "R", "message": "x" * 513}]},
    "a rate whose sum is infinite": {"observations": [{**MEASURED, "bytesPerSecond": 1e308}]},
    "a count whose sum is no int64": {"observations": [{**MEASURED, "series": 2**62}]},
}


@pytest.mark.parametrize("status", TOO_MUCH.values(), ids=TOO_MUCH)
def test_a_report_beyond_its_bounds_is_not_read(status: dict[str, Any]) -> None:
    assert read_probe({"metadata": META, "status": status}).unreadable.startswith("status.")


def test_pods_of_workloads_are_known_by_their_owners() -> None:
    owner = {"kind": "ReplicaSet", "name": "web-abc", "controller": True}
    read = pod("web-abc-1", labels={"pod-template-hash": "abc"}, ownerReferences=[owner])
    assert read.workload.owners == {("Pod", "web-abc-1"), ("ReplicaSet", "web-abc"), ("Deployment", "web")}


def test_times() -> None:
    assert timestamp("2030-01-01T00:00:00Z") == datetime(2030, 1, 1, tzinfo=UTC)
    assert timestamp(None) == timestamp("yesterday") == datetime(1970, 1, 1, tzinfo=UTC)
    assert probe("n1").created.tzinfo is not None
