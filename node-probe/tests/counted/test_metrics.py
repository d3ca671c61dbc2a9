"""Metrics of calls, read by Prometheus' own parsers."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, exposition
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse
from prometheus_client.registry import Collector

from counted.office import API, COLUMN, DATABASE, WEB, Office
from weir_probe.export.calls.endpoints import printable
from weir_probe.export.calls.metrics import CallReadings, named, of_calls
from weir_probe.export.calls.series import BOUNDS_S
from weir_probe.export.names import Names
from weir_probe.export.peers import CLASSES, Identity
from weir_probe.protocols.registry import PROTOCOLS

LABELS = (
    *("observation_namespace", "observation", "namespace", "workload_kind", "workload"),
    *("peer_class", "peer_namespace", "peer_kind", "peer_workload", "protocol", "role"),
)
LABELLED = DATABASE + 1  # web, with a label of its pods
TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"


class Scraped(Collector):
    """What a scrape of an office gives."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.names = Names([])
        numbers = range(len(CLASSES), DATABASE + 1)
        last = [self.names.number(Identity("workload", "shop", "Deployment", f"w{number}")) for number in numbers][-1]
        assert last == DATABASE
        labels = (("pod_app", "checkout"),)
        assert self.names.number(Identity("workload", "shop", "Deployment", "w11", labels=labels)) == LABELLED

    def collect(self) -> list[Metric]:
        series = self.office.counter.series
        rows = series.rows[: series.used].copy()
        readings = CallReadings(
            rows=rows,
            names=named(rows, series.endpoints),
            titles=[spec.titles for spec in PROTOCOLS],
            overflowed={0: int(series.overflowed[0])},
            lost={"book_full": 3},
            records={"written": 5},
        )
        return list(of_calls(readings, {0: ("shop", "checkout")}, self.names, LABELS))

    def registry(self) -> CollectorRegistry:
        registry = CollectorRegistry()
        registry.register(self)
        return registry


def scrape(office: Office) -> dict[str, Metric]:
    text = exposition.generate_latest(Scraped(office).registry()).decode()
    return {family.name: family for family in parse(text)}


def open_metrics(office: Office) -> tuple[str, dict[str, Metric]]:
    """The page as Prometheus asks for it when it wants exemplars, and what it says."""
    text: str = openmetrics.generate_latest(Scraped(office).registry()).decode()  # type: ignore[no-untyped-call]
    return text, {family.name: family for family in parse_openmetrics(text)}  # type: ignore[no-untyped-call]


def test_rate_errors_and_duration() -> None:
    office = Office()
    between = office.between()
    for took_ns in (1_000_000, 3_000_000):
        office.call(between, "GET", "/users/{id}", took_ns=took_ns, sizes=(100, 1000))
    office.call(between, "GET", "/users/{id}", status="timeout", took_ns=None)
    office.count()
    families = scrape(office)
    calls = {sample.labels["status"]: sample.value for sample in families["weir_calls"].samples}
    assert calls == {"ok": 2, "timeout": 1}
    (labels,) = {
        tuple((name, value) for name, value in sorted(sample.labels.items()) if name not in {"status", "le"})
        for family in ("weir_calls", "weir_call_duration_seconds")
        for sample in families[family].samples
    }
    assert dict(labels) == {
        "observation_namespace": "shop",
        "observation": "checkout",
        "namespace": "shop",
        "workload_kind": "Deployment",
        "workload": f"w{WEB}",
        "peer_class": "workload",
        "peer_namespace": "shop",
        "peer_kind": "Deployment",
        "peer_workload": f"w{DATABASE}",
        "protocol": "Redis",
        "role": "client",
        "type": "GET",
        "endpoint": "/users/{id}",
    }
    duration = families["weir_call_duration_seconds"].samples
    assert {s.name.rpartition("_")[2]: s.value for s in duration if "le" not in s.labels} == {"count": 2, "sum": 0.004}
    buckets = {float(s.labels["le"]): s.value for s in duration if "le" in s.labels}
    assert [bound for bound in buckets if bound != float("inf")] == list(BOUNDS_S)
    assert [buckets[2.0**exponent] for exponent in (-11, -10, -9, -8)] == [0, 0, 1, 2]
    assert families["weir_call_request_bytes"].samples[0].value == 210
    assert families["weir_call_response_bytes"].samples[0].value == 2000


def test_the_overflow_series_has_neither_workload_nor_endpoint() -> None:
    office = Office(max_series=1)
    office.call(office.between(), "GET", "/a")
    office.call(office.between(ifaces=(2, 0)), "GET", "/b")
    office.count()
    families = scrape(office)
    beyond = [s.labels for s in families["weir_calls"].samples if s.labels["workload"] == "overflow"]
    assert [(s["endpoint"], s["role"], s["protocol"]) for s in beyond] == [("_OTHER", "", "Redis")]
    assert families["weir_observation_overflowed_calls"].samples[0].value == 1
    assert API != WEB


def test_series_carry_the_labels_that_their_observation_asks_for() -> None:
    office = Office()
    office.behind[1, 1], office.set_of[0] = LABELLED, 1
    office.call(office.between(), "GET")
    office.count()
    (sample,) = scrape(office)["weir_calls"].samples
    assert (sample.labels["workload"], sample.labels["pod_app"]) == ("w11", "checkout")


def test_an_exemplar_names_the_trace_of_a_call_in_its_bucket() -> None:
    office = Office()
    office.call(office.between(), took_ns=3_000_000, texts={COLUMN["trace_id"]: TRACE})
    office.count()
    family = open_metrics(office)[1]["weir_call_duration_seconds"]
    ((bound, exemplar),) = [(float(s.labels["le"]), s.exemplar) for s in family.samples if s.exemplar is not None]
    assert (exemplar.labels, exemplar.value) == ({"trace_id": TRACE.decode()}, 0.003)
    assert bound == 2.0**-8
    assert str(exemplar.timestamp) == "1700000001.000000000"
    plain = exposition.generate_latest(Scraped(office).registry()).decode()
    assert TRACE.decode() not in plain


@settings(deadline=None)
@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(min_size=1, max_size=60))
def test_whatever_the_network_says_both_formats_are_valid(type_: bytes, endpoint: bytes, trace: bytes) -> None:
    office = Office()
    texts = {COLUMN["type"]: type_, COLUMN["endpoint"]: endpoint, COLUMN["trace_id"]: trace}
    office.call(office.between(), texts=texts)
    office.count()
    (sample,) = scrape(office)["weir_calls"].samples
    assert (sample.labels["type"], sample.labels["endpoint"]) == (printable(type_[:40]), printable(endpoint))
    text, families = open_metrics(office)
    assert "weir_calls" in families
    assert text.replace("\n", "").isprintable()
