"""Labels that an observation asks for are in its series, and in nobody else's."""

from dataclasses import replace

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from export.test_metrics_documented import nothing_read
from tick.simulated import Table
from weir_api.nodeprobe import PlannedObservation
from weir_api.selector import Selector, Workload
from weir_probe.export.behind import Behind
from weir_probe.export.metrics import FlowMetrics
from weir_probe.export.names import Names
from weir_probe.plan.pods import LocalPod

ASKED = ["pod/version", "namespace/team", "pod-annotation/owner", "pod/absent"]
LABELS = ("pod_label_version", "namespace_label_team", "pod_annotation_owner", "pod_label_absent")


def web(version: str, uid: str = "u1") -> LocalPod:
    return LocalPod(
        Workload("shop", f"web-{uid}", {"version": version, "tier": "x"}),
        uid,
        ("Deployment", "web"),
        annotations={"owner": 'a"b\n\\c'},
    )


def asks(name: str, labels: list[str], team: str = "red") -> PlannedObservation:
    return PlannedObservation(
        namespace="shop",
        name=name,
        uid=name,
        generation=1,
        namespaces=["shop"],
        selector=Selector(all=True),
        labels=labels,
        namespace_labels={"shop": {"namespace/team": team}} if labels else {},
    )


class Node:
    """Interface 1 and 2 are of two pods of one Deployment; observation 0 asks for no labels, observation 1 for some."""

    def __init__(self) -> None:
        self.names = Names([])
        self.behind = Behind(self.names)
        self.table = Table()
        self.table.aggregator.with_metrics = 0b11
        self.observe(asks("plain", []), asks("carrying", ASKED))
        self.put(1, web("1"))
        self.put(2, web("2", "u2"))

    def observe(self, *observations: PlannedObservation) -> None:
        self.behind.observe(observations, {"plain": 0, "carrying": 1})
        self._share()

    def put(self, interface: int, pod: LocalPod) -> None:
        self.behind.put(interface, pod)
        self._share()

    def set_pods(self, *pods: LocalPod) -> None:
        self.behind.set_pods(pods)
        self._share()

    def _share(self) -> None:
        self.table.behind[:] = self.behind.identities[: len(self.table.behind)]
        self.table.set_of[:] = self.behind.set_of

    def flow(self, address: str, interface: int) -> None:
        self.table.send(self.table.insert(address, "203.0.113.9", observations=0b11, iface=interface), 0, 1, 100)
        self.table.tick()

    def packets(self) -> dict[tuple[str, ...], float]:
        """By observation and the labels that it asks for: what was sent, as Prometheus reads it."""
        series = self.table.aggregator.series
        readings = replace(
            nothing_read(),
            rows=series.rows[: series.used],
            observations={0: ("shop", "plain"), 1: ("shop", "carrying")},
        )
        registry = CollectorRegistry()
        registry.register(FlowMetrics(lambda: readings, self.names))
        text = generate_latest(registry).decode()
        return {
            (sample.labels["observation"], *(sample.labels.get(name, "") for name in LABELS)): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "weir_flow_packets_total" and sample.labels["direction"] == "transmit"
        }


def test_pods_of_one_workload_are_told_apart_where_it_is_asked_for() -> None:
    node = Node()
    node.flow("10.0.0.1", 1)
    node.flow("10.0.0.2", 2)
    owner = 'a"b\n\\c'
    assert node.packets() == {
        ("plain", "", "", "", ""): 2,
        ("carrying", "1", "red", owner, ""): 1,
        ("carrying", "2", "red", owner, ""): 1,
    }


def test_a_label_that_changes_begins_a_series_and_the_one_before_stays_as_it_was() -> None:
    node = Node()
    node.flow("10.0.0.1", 1)
    node.set_pods(web("3"), web("2", "u2"))
    node.flow("10.0.0.3", 1)
    versions = {key[1]: packets for key, packets in node.packets().items() if key[0] == "carrying"}
    assert versions == {"1": 1, "3": 1}


def test_a_namespace_that_is_labelled_anew() -> None:
    node = Node()
    node.observe(asks("plain", []), asks("carrying", ASKED, team="blue"))
    node.flow("10.0.0.1", 1)
    assert [key[2] for key in node.packets() if key[0] == "carrying"] == ["blue"]


def test_series_of_labels_that_no_pod_has_any_more_are_known_to_be_gone() -> None:
    node = Node()
    before = node.behind.set_pods([web("1"), web("2", "u2")])
    after = node.behind.set_pods([web("2"), web("2", "u2")])
    assert {node.names.identity(number).labels[:1] for number in before - after} == {(("pod_label_version", "1"),)}
