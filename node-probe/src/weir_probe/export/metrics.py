"""The probe's Prometheus metrics: read from the agent's tables at scrape time, one sample per series in use."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy.typing as npt
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from weir_api.nodeprobe import IdentityReport
from weir_probe.export.names import Names
from weir_probe.export.series import OVERFLOW, PROTOCOLS, ROLES, unpack

_SERIES_LABELS: Final = (
    "observation_namespace",
    "observation",
    "namespace",
    "workload_kind",
    "workload",
    "peer_class",
    "peer_namespace",
    "peer_kind",
    "peer_workload",
    "protocol",
    "role",
)
_DIRECTIONS: Final = ("transmit", "receive")


@dataclass(frozen=True)
class Readings:
    """What a scrape tells, taken at one moment."""

    rows: npt.NDArray[Any]  # series.SERIES, those in use
    observations: Mapping[int, tuple[str, str]]  # bit: namespace, name
    overflowed: Mapping[int, int]  # bit: flows opened in an overflow series
    outcomes: Mapping[str, tuple[int, int]]  # every packet seen by what became of it: packets, bytes
    lost: Mapping[str, int]  # packets that never reached the parser, by reason
    records: Mapping[str, int]  # flow records by result
    live_flows: int
    interfaces: int
    rung: str
    version: str
    tick_seconds: float
    kernel_ns_per_packet: float | None
    identity: IdentityReport
    identity_bytes: int  # received from the feed
    identity_connections: int


class FlowMetrics(Collector):
    """Collects `read()`; names the numbers by `names`."""

    def __init__(self, read: Callable[[], Readings], names: Names) -> None:
        self._read = read
        self._names = names

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is depends on the plan."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """One scrape."""
        readings = self._read()
        yield from self._of_flows(readings)
        yield from _of_probe(readings)

    def _of_flows(self, readings: Readings) -> Iterator[Metric]:
        directed = (*_SERIES_LABELS, "direction")
        packets = CounterMetricFamily("weir_flow_packets", "Packets of observed flows.", labels=directed)
        octets = CounterMetricFamily(
            "weir_flow_bytes", "Bytes of observed flows, link-layer headers included.", labels=directed
        )
        connections = CounterMetricFamily(
            "weir_connections", "Flows that were seen for the first time.", labels=_SERIES_LABELS
        )
        live = GaugeMetricFamily("weir_live_flows", "Flows in the flow table.", labels=_SERIES_LABELS)
        for row in readings.rows:
            bit, role, protocol, local, peer = unpack(int(row["key"]))
            if bit not in readings.observations:
                continue
            here, there = self._names.identity(local), self._names.identity(peer)
            labels = (
                *readings.observations[bit],
                here.namespace,
                here.kind,
                here.name or here.class_,
                there.class_,
                there.namespace,
                there.kind,
                there.name,
                PROTOCOLS[protocol],
                "" if local == OVERFLOW else ROLES[role],
            )
            for index, direction in enumerate(_DIRECTIONS):
                packets.add_metric((*labels, direction), int(row["packets"][index]))
                octets.add_metric((*labels, direction), int(row["bytes"][index]))
            connections.add_metric(labels, int(row["connections"]))
            live.add_metric(labels, int(row["live"]))
        yield from (packets, octets, connections, live)
        overflow = CounterMetricFamily(
            "weir_observation_overflowed_flows",
            "Flows that were counted in the overflow series, because maxSeries was reached.",
            labels=_SERIES_LABELS[:2],
        )
        for bit, count in readings.overflowed.items():
            overflow.add_metric(readings.observations[bit], count)
        yield overflow


def _of_probe(readings: Readings) -> Iterator[Metric]:
    yield InfoMetricFamily(
        "weir_probe", "How packets are captured.", value={"rung": readings.rung, "version": readings.version}
    )
    packets = CounterMetricFamily(
        "weir_probe_packets", "Packets that the hooks saw, by what became of them.", labels=["outcome"]
    )
    octets = CounterMetricFamily(
        "weir_probe_bytes", "Bytes that the hooks saw, by what became of them.", labels=["outcome"]
    )
    for outcome, (count, size) in readings.outcomes.items():
        packets.add_metric([outcome], count)
        octets.add_metric([outcome], size)
    lost = CounterMetricFamily(
        "weir_probe_lost_packets", "Packets lost before they could be parsed.", labels=["reason"]
    )
    for reason, count in readings.lost.items():
        lost.add_metric([reason], count)
    records = CounterMetricFamily("weir_probe_flow_records", "Flow records by what became of them.", labels=["result"])
    for result, count in readings.records.items():
        records.add_metric([result], count)
    yield from (packets, octets, lost, records)
    yield GaugeMetricFamily("weir_probe_table_flows", "Flows in the flow table.", value=readings.live_flows)
    yield GaugeMetricFamily("weir_probe_interfaces", "Interfaces that are watched.", value=readings.interfaces)
    yield GaugeMetricFamily(
        "weir_probe_tick_seconds", "How long the last pass over the flow table took.", value=readings.tick_seconds
    )
    yield from _of_identity(readings)
    if readings.kernel_ns_per_packet is not None:
        yield GaugeMetricFamily(
            "weir_probe_kernel_seconds_per_packet",
            "Time in the capture's programs per packet, measured now and then.",
            value=readings.kernel_ns_per_packet / 1e9,
        )


def _of_identity(readings: Readings) -> Iterator[Metric]:
    """The feed that names peers."""
    told = readings.identity
    for name, help_text, value in (
        ("connected", "1 while the interest feed answers.", int(told.connected)),
        ("addresses", "Addresses that are asked for.", told.addresses),
        ("unanswered_addresses", "Addresses that are asked for and not answered.", told.unanswered),
        ("owners", "Pods, Services and Nodes that have the addresses.", told.identities),
        ("selectors", "Observations whose peers are asked for.", told.selectors),
    ):
        yield GaugeMetricFamily(f"weir_probe_identity_{name}", help_text, value=value)
    for name, help_text, value in (
        ("beyond_limit_flows", "Flows whose address found no room to be asked for.", told.beyond_limit),
        ("received_bytes", "Bytes of the feed's messages.", readings.identity_bytes),
        ("connections", "Connections to the feed that were made.", readings.identity_connections),
    ):
        yield CounterMetricFamily(f"weir_probe_identity_{name}", help_text, value=value)
