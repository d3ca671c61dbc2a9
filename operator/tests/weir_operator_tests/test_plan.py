"""From observations, pods and namespaces to the plan of each node."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weir_api.flowobservation import CallLogMode, CallLogs, Protocols, Redaction
from weir_api.nodeprobe import MAX_OBSERVATIONS, PlannedCalls, PlannedObservation
from weir_api.selector import Selector
from weir_operator.reconcile.plan import Placement, Planner, carried, effective_namespaces, place, planned
from weir_operator.reconcile.resources import Namespace, Observation, Pod, read_pod

from .objects import ALL, NOW, observation, pod, raw_pod

ALL_PODS = Selector(all=True)
SHOP: dict[str, dict[str, str]] = {"shop": {}}


def placed(
    of: Observation, pods: list[Pod], nodes: tuple[str, ...] = ("n1", "n2", "n3")
) -> tuple[Observation, Placement]:
    assert of.spec is not None
    return of, place(of.spec.selector, {of.namespace: {}}, pods, nodes)


def test_only_nodes_with_matching_pods_get_a_plan() -> None:
    checkout = observation(spec={"selector": {"podSelector": {"matchLabels": {"app": "checkout"}}}})
    everything = observation("everything")
    pods = [pod("a", "n1"), pod("b", "n2"), pod("c", "n2", labels={"app": "other"}), pod("d", "n3", namespace="bank")]
    plans = Planner().compile([placed(checkout, pods), placed(everything, pods)])
    assert {node: [o.name for o in spec.observations] for node, spec in plans.specs.items()} == {
        "n1": ["checkout", "everything"],
        "n2": ["checkout", "everything"],
    }
    assert plans.specs["n1"].plan_hash == plans.specs["n2"].plan_hash
    assert not plans.refused


def test_pods_of_unknown_nodes_are_left_out() -> None:
    _, placement = placed(observation(), [pod("a", "n1"), pod("b", "gone")])
    assert placement.pods == 1
    assert set(placement.shares) == {"n1"}


@pytest.mark.parametrize(
    ("phase", "deleted", "kept", "running"),
    [
        ("Pending", False, True, False),
        ("Running", False, True, True),
        ("Running", True, True, False),
        ("Succeeded", False, False, False),
        ("Failed", False, False, False),
    ],
)
def test_which_pods_count(phase: str, deleted: bool, kept: bool, running: bool) -> None:
    going = {"deletionTimestamp": "2030-01-01T00:00:00Z"} if deleted else {}
    read = read_pod(raw_pod("a", phase=phase, **going))
    assert (read is not None) is kept
    assert read is None or read.running is running


def test_a_pod_that_no_node_has_does_not_count() -> None:
    assert read_pod(raw_pod("a", node=None, phase="Pending")) is None


def test_namespace_selector_reaches_the_namespaces_it_selects() -> None:
    spec = {"selector": {"all": True, "namespaceSelector": {"matchLabels": {"team": "a"}}}}
    platform = observation(spec=spec, namespace="weir-system")
    assert platform.spec is not None
    teams = {"shop": "a", "bank": "b", "cart": "a", "weir-system": ""}
    everywhere = {name: Namespace({"team": team}) for name, team in teams.items()}
    namespaces = effective_namespaces(platform, platform.spec.selector, everywhere)
    assert namespaces == {"shop", "cart"}
    pods = [pod("a", "n1"), pod("b", "n2", namespace="cart"), pod("c", "n2", namespace="bank"), pod("d", "n2")]
    placement = place(platform.spec.selector, {name: {} for name in namespaces}, pods, ["n1", "n2"])
    plans = Planner().compile([(platform, placement)])
    # each node is told of those namespaces only that it has pods of
    assert plans.specs["n1"].observations[0].namespaces == ["shop"]
    assert plans.specs["n2"].observations[0].namespaces == ["cart", "shop"]


def test_a_plan_tells_what_metrics_carry_of_namespaces() -> None:
    asked = ["pod/version", "namespace/team", "namespace-annotation/cost-centre"]
    carrying = observation(spec={"selector": {"all": True}, "signals": {"metrics": {"labels": asked}}})
    assert carrying.spec is not None
    planner = Planner()

    def compiled(shop: Namespace) -> PlannedObservation:
        described = carried(carrying.spec, ["shop"], {"shop": shop}) if carrying.spec else {}
        placement = place(ALL_PODS, described, [pod("a", "n1")], ["n1"])
        return planner.compile([(carrying, placement)]).specs["n1"].observations[0]

    told = compiled(Namespace({"team": "a", "other": "x"}, {"cost-centre": "7" * 500}))
    assert told.labels == asked
    assert told.namespace_labels == {"shop": {"namespace/team": "a", "namespace-annotation/cost-centre": "7" * 128}}
    # a namespace that was labelled anew makes a new plan
    assert compiled(Namespace({"team": "b"})).namespace_labels == {"shop": {"namespace/team": "b"}}
    assert compiled(Namespace()).namespace_labels == {}


def test_the_oldest_get_the_places_of_a_node() -> None:
    pods = [pod("a", "n1"), pod("b", "n2")]
    only_n2 = {"selector": {"workloads": [{"kind": "Pod", "name": "b"}]}}
    young = [
        observation(f"o{number:03}", created=NOW + timedelta(seconds=number)) for number in range(MAX_OBSERVATIONS)
    ]
    youngest = observation("aaa", created=NOW + timedelta(hours=1))
    oldest = observation("zzz", only_n2, created=NOW - timedelta(days=1))
    plans = Planner().compile([placed(o, pods) for o in [youngest, *young, oldest]])
    assert [len(spec.observations) for spec in plans.specs.values()] == [MAX_OBSERVATIONS, MAX_OBSERVATIONS]
    assert plans.refused == {youngest.key: ("n1", "n2"), young[-1].key: ("n2",)}


def test_flow_logs_that_are_off_are_not_planned() -> None:
    off = observation(spec=ALL | {"signals": {"flowLogs": {"mode": "Off"}}})
    on = observation(spec=ALL | {"signals": {"flowLogs": {"mode": "All", "interval": "5s"}, "metrics": {"l4": False}}})
    assert planned(off, SHOP).flow_logs is None
    logs = planned(on, SHOP).flow_logs
    assert logs is not None
    assert logs.interval == "5s"
    assert (planned(off, SHOP).metrics, planned(on, SHOP).metrics) == (True, False)


def test_calls_that_nothing_is_asked_of_are_not_planned() -> None:
    off = observation(spec=ALL | {"signals": {"callLogs": {"mode": "Off"}}, "sampling": {}})
    assert planned(off, SHOP).calls is None
    counted = planned(observation(spec=ALL | {"signals": {"metrics": {"l7": True}}}), SHOP).calls
    assert counted == PlannedCalls(metrics=True)
    logged = observation(
        spec=ALL
        | {
            "signals": {"callLogs": {"mode": "ErrorsAndSlow", "slowerThan": "500ms"}},
            "protocols": {"include": ["redis"]},
            "redaction": {"headers": ["x-key"]},
            "sampling": {"callsPercent": 25},
        }
    )
    assert logged.spec is not None
    assert planned(logged, SHOP).calls == PlannedCalls(
        logs=CallLogs(mode=CallLogMode.ERRORS_AND_SLOW, slower_than="500ms"),
        protocols=Protocols(include=["redis"]),
        redaction=Redaction(headers=["x-key"]),
        logged_percent=25,
    )


@given(st.permutations([f"o{number}" for number in range(6)]), st.permutations(["a", "b", "c", "d"]))
def test_the_order_in_which_things_came_makes_no_difference(names: list[str], pods: list[str]) -> None:
    def hashes(names: list[str], pods: list[str]) -> dict[str, str]:
        on_nodes = [pod(name, f"n{1 + index % 2}") for index, name in enumerate(sorted(pods))]
        on_nodes.sort(key=lambda p: pods.index(p.workload.name))
        plans = Planner().compile([placed(observation(name), on_nodes) for name in names])
        return {node: spec.plan_hash for node, spec in plans.specs.items()}

    assert hashes(names, pods) == hashes(sorted(names), sorted(pods))


def test_a_new_generation_makes_a_new_plan() -> None:
    planner, pods = Planner(), [pod("a")]
    one = planner.compile([placed(observation(generation=1), pods)]).specs["n1"]
    two = planner.compile([placed(observation(generation=2), pods)]).specs["n1"]
    assert one.plan_hash != two.plan_hash
    assert two.observations[0].generation == 2


@settings(deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["a", "b", "c", "d"]),
            st.tuples(st.integers(1, 2), st.frozensets(st.tuples(st.sampled_from("123"), st.sampled_from("xy")))),
        ),
        max_size=6,
    )
)
def test_compiling_what_has_changed_gives_what_compiling_all_gives(
    steps: list[dict[str, tuple[int, frozenset[tuple[str, str]]]]],
) -> None:
    """Observations of several generations come, go and move over nodes and namespaces; some stay as they are."""
    planner = Planner()
    held: dict[object, tuple[Observation, Placement]] = {}
    for step in steps:
        now: dict[object, tuple[Observation, Placement]] = {}
        for name, (generation, where) in step.items():
            of = observation(name, ALL, generation=generation, created=NOW - timedelta(seconds=ord(name)))
            pods = [pod(f"{node}{space}", f"n{node}", namespace=space) for node, space in where]
            assert of.spec is not None
            placement = place(of.spec.selector, {"x": {}, "y": {}}, pods, ["n1", "n2", "n3"])
            before = held.get(name)
            now[name] = of, before[1] if before is not None and before[1] == placement else placement
        held = now
        assert planner.compile(held.values()) == Planner().compile(held.values())


def test_the_interval_between_reports_is_in_every_plan_and_not_in_its_hash() -> None:
    planner, of = Planner(), placed(observation(), [pod("a", "n1"), pod("b", "n2")])
    often, seldom = planner.compile([of], 10), planner.compile([of], 30)
    assert {spec.report_interval_s for spec in often.specs.values()} == {10}
    assert {spec.report_interval_s for spec in seldom.specs.values()} == {30}
    assert often.specs["n1"].plan_hash == seldom.specs["n1"].plan_hash
