"""The operator's own metrics, and those of each observation as its status has them."""

from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from weir_api.conditions import ConditionStatus
from weir_operator.cluster.mirror import Key
from weir_operator.reconcile.status import Outcome

_LABELS: Final = ("namespace", "observation")
_OBSERVATION: Final = {
    "weir_observation_ready": "1 when the observation's condition Ready is True, else 0.",
    "weir_observation_matched_pods": "Pods that the observation's selector matches.",
    "weir_observation_requests_per_second": "Application calls per second over all nodes. Absent: not measured.",
    "weir_observation_flows_per_second": "New flows per second over all nodes. Absent: not measured.",
    "weir_observation_bytes_per_second": "Bytes (L2) per second over all nodes. Absent: not measured.",
    "weir_observation_loss_ratio": "Packets lost of packets seen, on the nodes with matched pods. Absent: none seen.",
}


#: One value for each metric of `_OBSERVATION`, in its order.
_Row = tuple[float | None, ...]


def _row(outcome: Outcome) -> _Row:
    status = outcome.status
    ready = any(c.type == "Ready" and c.status is ConditionStatus.TRUE for c in status.conditions)
    summary = status.summary
    return (
        float(ready),
        status.matched.pods if status.matched else 0,
        summary.requests_per_second if summary else None,
        summary.flows_per_second if summary else None,
        summary.bytes_per_second if summary else None,
        outcome.loss_ratio,
    )


class _Observations(Collector):
    """Made anew at every scrape, so that the series of a deleted observation are gone with it."""

    def __init__(self) -> None:
        self.rows: Mapping[Key, _Row] = {}

    def collect(self) -> Iterable[Metric]:
        for column, (name, text) in enumerate(_OBSERVATION.items()):
            family = GaugeMetricFamily(name, text, labels=_LABELS)
            for key, row in sorted(self.rows.items()):
                value = row[column]
                if value is not None:
                    family.add_metric(key, value)
            yield family


class Metrics:
    """Every metric of the operator, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._observations = _Observations()
        self._registry.register(self._observations)
        self.reconcile_seconds = Histogram(
            "weir_operator_reconcile_duration_seconds",
            "Time one reconciliation took, writes included.",
            registry=self._registry,
        )
        self.reconcile_errors = Counter(
            "weir_operator_reconcile_errors",
            "Steps of a reconciliation that failed and will be tried again, by reason.",
            ["reason"],
            registry=self._registry,
        )
        self.leader = Gauge(
            "weir_operator_leader", "1 when this replica holds the Lease and writes, else 0.", registry=self._registry
        )
        self.node_probes = Gauge(
            "weir_operator_node_probes",
            "NodeProbes that the operator keeps: nodes with a plan.",
            registry=self._registry,
        )
        self._api_requests = Counter(
            "weir_operator_api_requests",
            "Requests to the API server by verb and status code; code 0: no answer.",
            ["verb", "code"],
            registry=self._registry,
        )
        self._events_lost = Counter(
            "weir_operator_events_lost",
            "Events that were not posted, by reason: queue_full, refused, unreachable.",
            ["reason"],
            registry=self._registry,
        )

        self.identity_clients = Gauge(
            "weir_operator_identity_clients", "Connections to the identity feed.", registry=self._registry
        )
        self.identity_addresses = Gauge(
            "weir_operator_identity_addresses",
            "Different addresses that clients of the identity feed want to know.",
            registry=self._registry,
        )
        self.identity_selectors = Gauge(
            "weir_operator_identity_selectors",
            "Different selectors of peers that clients of the identity feed want to know.",
            registry=self._registry,
        )
        self._identity_messages = Counter(
            "weir_operator_identity_messages", "News sent to clients of the identity feed.", registry=self._registry
        )
        self._identity_bytes = Counter(
            "weir_operator_identity_bytes",
            "Bytes of News sent to clients of the identity feed, before TLS.",
            registry=self._registry,
        )
        self._identity_reviews = Counter(
            "weir_operator_identity_reviews",
            "Tokens that the API server was asked about, by result: 200, 401, 403, 503.",
            ["code"],
            registry=self._registry,
        )
        self._identity_dropped = Counter(
            "weir_operator_identity_dropped",
            "Connections to the identity feed that were refused or ended by the operator, by reason.",
            ["reason"],
            registry=self._registry,
        )

    def identity_told(self, size: int) -> None:
        """A News of so many bytes was sent."""
        self._identity_messages.inc()
        self._identity_bytes.inc(size)

    def identity_reviewed(self, status: int) -> None:
        """The API server was asked about a token."""
        self._identity_reviews.labels(str(status)).inc()

    def identity_dropped(self, reason: str) -> None:
        """A client of the identity feed was refused, or its connection ended."""
        self._identity_dropped.labels(reason).inc()

    def count_request(self, verb: str, code: int) -> None:
        """A request to the API server was answered, or not (code 0)."""
        self._api_requests.labels(verb, str(code)).inc()

    def lose_event(self, reason: str) -> None:
        """An Event could not be posted."""
        self._events_lost.labels(reason).inc()

    def publish(self, outcomes: Mapping[Key, Outcome]) -> None:
        """The observations as they are now; those that are not given have no series any more."""
        self._observations.rows = {key: _row(outcome) for key, outcome in outcomes.items()}

    def render(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self._registry)
