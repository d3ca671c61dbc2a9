"""The probe's Prometheus metrics: read from the agent's tables at scrape time, one sample per series in use."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy.typing as npt
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from weir_api.nodeprobe import IdentityReport, SignalsReport
from weir_probe.export.calls.metrics import CallReadings, of_calls
from weir_probe.export.happened import Happened
from weir_probe.export.names import Names
from weir_probe.export.reasons import read
from weir_probe.export.series import BIT_SHIFT, BOUNDS_NS, OVERFLOW, PROTOCOLS, ROLES, unpack
from weir_probe.streams.layout import COUNTERS, TIMES
from weir_probe.streams.performance import CLOSE_TYPES

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
#: Metrics of what layout.COUNTERS names, in its order; those by direction take two of it.
_DIRECTED: Final = (
    ("weir_flow_network_bytes", "Bytes of the IP packets of observed flows."),
    ("weir_flow_payload_bytes", "Bytes that TCP and UDP carried in observed flows."),
    ("weir_tcp_retransmitted_segments", "TCP segments with data that was seen before; repeated SYN and SYN+ACK."),
    ("weir_tcp_out_of_order_segments", "TCP segments with new data below the highest seen."),
    ("weir_tcp_zero_windows", "TCP segments with a window of 0 after the handshake."),
)
_UNDIRECTED: Final = (
    ("weir_tcp_retransmitted_syns", "TCP SYN that were repeated."),
    ("weir_tcp_retransmitted_synacks", "TCP SYN+ACK that were repeated."),
    ("weir_tcp_syns", "TCP segments with SYN alone."),
    ("weir_tcp_synacks", "TCP segments with SYN and ACK."),
    ("weir_tcp_fins", "TCP segments with FIN."),
)
#: Histograms of layout.TIMES, in its order.
_TIMED: Final = (
    ("weir_tcp_client_rtt_seconds", "From a SYN+ACK to the handshake's ACK."),
    ("weir_tcp_server_rtt_seconds", "From the SYN to a SYN+ACK."),
    ("weir_system_response_seconds", "From a request to its acknowledgement: of TCP, and ICMP echo."),
    ("weir_application_response_seconds", "From a request to the first data of its response: of TCP and UDP."),
    ("weir_tcp_client_idle_seconds", "From a response to the client's next request."),
    ("weir_tcp_handshake_seconds", "From the SYN to the handshake's ACK."),
)
_BOUNDS: Final = [*(f"{bound / 1e9:g}" for bound in BOUNDS_NS), "+Inf"]
assert len(COUNTERS) == 2 * len(_DIRECTED) + len(_UNDIRECTED)
assert len(TIMES) == len(_TIMED)


@dataclass(frozen=True)
class Readings:
    """What a scrape tells, taken at one moment."""

    rows: npt.NDArray[Any]  # series.SERIES, those in use
    reasons: npt.NDArray[Any]  # reasons.REASON, those in use
    observations: Mapping[int, tuple[str, str]]  # bit: namespace, name
    overflowed: Mapping[int, int]  # bit: flows opened in an overflow series
    outcomes: Mapping[str, tuple[int, int]]  # every packet seen by what became of it: packets, bytes
    lost: Mapping[str, int]  # packets that never reached the parser, by reason
    unmeasured: Mapping[str, int]  # what was counted but not measured, by reason
    records: Mapping[str, int]  # flow records by result
    untranslated: int  # connections that the kernel's tracking was not asked about
    signals: SignalsReport | None
    calls: CallReadings
    live_flows: int
    interfaces: int
    rung: str
    version: str
    tick_seconds: float
    kernel_ns_per_packet: float | None
    gap_seconds: float | None
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
        yield from of_calls(readings.calls, readings.observations, self._names, _SERIES_LABELS)
        yield from _of_probe(readings)

    def _of_flows(self, readings: Readings) -> Iterator[Metric]:
        series = [row for row in readings.rows if int(row["key"]) >> BIT_SHIFT in readings.observations]
        locals_ = {unpack(int(row["key"]))[3] for row in series}
        #: what pods and namespaces are asked for; a series has those of its observation, and the others empty
        carried = sorted({name for local in locals_ for name, _ in self._names.identity(local).labels})
        undirected = (*_SERIES_LABELS, *carried)
        directed = (*undirected, "direction")
        packets = CounterMetricFamily("weir_flow_packets", "Packets of observed flows.", labels=directed)
        octets = CounterMetricFamily(
            "weir_flow_bytes", "Bytes of observed flows, link-layer headers included.", labels=directed
        )
        connections = CounterMetricFamily(
            "weir_connections", "Flows that were seen for the first time.", labels=undirected
        )
        live = GaugeMetricFamily("weir_live_flows", "Flows in the flow table.", labels=undirected)
        performance = _Performance(undirected)
        happened = Happened(undirected)
        for row in series:
            labels = self._labels(int(row["key"]), readings, carried)
            for index, direction in enumerate(_DIRECTIONS):
                packets.add_metric((*labels, direction), int(row["packets"][index]))
                octets.add_metric((*labels, direction), int(row["bytes"][index]))
            connections.add_metric(labels, int(row["connections"]))
            live.add_metric(labels, int(row["live"]))
            performance.add(labels, row)
        for key, what, count in read(readings.reasons):
            if key >> BIT_SHIFT in readings.observations:
                happened.add(self._labels(key, readings, carried), what, count)
        yield from (packets, octets, connections, live, *performance.families(), *happened.families())
        overflow = CounterMetricFamily(
            "weir_observation_overflowed_flows",
            "Flows that were counted in the overflow series, because maxSeries was reached.",
            labels=_SERIES_LABELS[:2],
        )
        for bit, count in readings.overflowed.items():
            overflow.add_metric(readings.observations[bit], count)
        yield overflow

    def _labels(self, key: int, readings: Readings, carried: Sequence[str]) -> tuple[str, ...]:
        """Of a series, by its key."""
        bit, role, protocol, local, peer = unpack(key)
        here, there = self._names.identity(local), self._names.identity(peer)
        has = dict(here.labels)
        return (
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
            *(has.get(name, "") for name in carried),
        )


class _Performance:
    """What flows were measured, of all series. No TCP metrics without TCP, and no times that none took."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        directed = (*labels, "direction")
        self._directed = [CounterMetricFamily(name, text, labels=directed) for name, text in _DIRECTED]
        self._undirected = [CounterMetricFamily(name, text, labels=labels) for name, text in _UNDIRECTED]
        self._timed = [HistogramMetricFamily(name, text, labels=labels) for name, text in _TIMED]
        self._closed = CounterMetricFamily(
            "weir_tcp_closed_connections",
            "TCP connections that ended, by how.",
            labels=(*labels, "close_type"),
        )

    def add(self, labels: tuple[str, ...], row: npt.NDArray[Any]) -> None:
        """A series (series.SERIES) under its labels."""
        counters = row["counters"].tolist()
        tcp = PROTOCOLS[unpack(int(row["key"]))[2]] == "tcp"
        for number, directed in enumerate(self._directed):
            if tcp or not directed.name.startswith("weir_tcp"):
                for index, direction in enumerate(_DIRECTIONS):
                    directed.add_metric((*labels, direction), counters[2 * number + index])
        if tcp:
            for undirected, count in zip(self._undirected, counters[2 * len(_DIRECTED) :], strict=True):
                undirected.add_metric(labels, count)
            for close_type, count in zip(CLOSE_TYPES, row["closed"].tolist(), strict=True):
                if count:
                    self._closed.add_metric((*labels, close_type), count)
        for timed, buckets, sum_ns in zip(self._timed, row["buckets"].cumsum(axis=1), row["sum_ns"], strict=True):
            if buckets[-1]:
                timed.add_metric(labels, list(zip(_BOUNDS, buckets.tolist(), strict=True)), int(sum_ns) / 1e9)

    def families(self) -> Iterator[Metric]:
        """All metrics."""
        yield from (*self._directed, *self._undirected, self._closed, *self._timed)


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
    unmeasured = CounterMetricFamily(
        "weir_probe_unmeasured",
        "Packets and samples of packets that were counted but not measured.",
        labels=["reason"],
    )
    for reason, count in readings.unmeasured.items():
        unmeasured.add_metric([reason], count)
    records = CounterMetricFamily("weir_probe_flow_records", "Flow records by what became of them.", labels=["result"])
    for result, count in readings.records.items():
        records.add_metric([result], count)
    yield from (packets, octets, lost, unmeasured, records)
    yield CounterMetricFamily(
        "weir_probe_untranslated_connections",
        "Connections to what may be a Service, of which there was no time to ask who answers them.",
        value=readings.untranslated,
    )
    yield GaugeMetricFamily("weir_probe_table_flows", "Flows in the flow table.", value=readings.live_flows)
    yield GaugeMetricFamily("weir_probe_interfaces", "Interfaces that are watched.", value=readings.interfaces)
    yield GaugeMetricFamily(
        "weir_probe_tick_seconds", "How long the last pass over the flow table took.", value=readings.tick_seconds
    )
    if readings.signals is not None:
        yield from _of_signals(readings.signals)
    yield from _of_identity(readings)
    if readings.kernel_ns_per_packet is not None:
        yield GaugeMetricFamily(
            "weir_probe_kernel_seconds_per_packet",
            "Time in the capture's programs per packet, measured now and then.",
            value=readings.kernel_ns_per_packet / 1e9,
        )
    if readings.gap_seconds is not None:
        yield GaugeMetricFamily(
            "weir_probe_capture_gap_seconds",
            "For how long nothing was captured before this probe began, after the one before it.",
            value=readings.gap_seconds,
        )


def _of_signals(signals: SignalsReport) -> Iterator[Metric]:
    """What the kernel's TCP tells beside the packets."""
    active = GaugeMetricFamily("weir_probe_signals", "Kernel signals: 1 in use, 0 refused.", labels=["signal"])
    for name in signals.active:
        active.add_metric([name], 1)
    for refused in signals.refused:
        active.add_metric([refused.signal], 0)
    yield active
    yield CounterMetricFamily("weir_probe_lost_signals", "Kernel signals that found no room.", value=signals.lost)
    yield CounterMetricFamily(
        "weir_probe_unmatched_signals", "Kernel signals that were of no flow in the table.", value=signals.unmatched
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
