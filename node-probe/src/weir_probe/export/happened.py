"""Prometheus metrics of what kernel signals told: drops, resets, retransmissions, each by its reason or state."""

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric

from weir_probe.capture.signals import drop_reason, reset_reason
from weir_probe.export.reasons import What
from weir_probe.export.signals import state_name
from weir_probe.streams.signals import DROPPED, RESET_RECEIVED, RESET_SENT, RETRANSMITTED

_DIRECTIONS: Final = ("transmit", "receive")


class Happened:
    """Rows of reasons.REASON under the labels of their series."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self._drops = CounterMetricFamily(
            "weir_dropped_packets",
            "Packets of observed flows that the node's kernel dropped, by its reason.",
            labels=(*labels, "direction", "reason"),
        )
        self._resets = CounterMetricFamily(
            "weir_tcp_resets",
            "RST that an observed workload sent (transmit) or received; no reason: its sender is not observed.",
            labels=(*labels, "direction", "reason", "state"),
        )
        self._retransmits = CounterMetricFamily(
            "weir_tcp_kernel_retransmitted_segments",
            "Segments that the kernel's TCP sent again, by the state of the socket.",
            labels=(*labels, "direction", "state"),
        )

    def add(self, labels: tuple[str, ...], what: What, count: int) -> None:
        """One row."""
        kind, direction, state, reason = what
        way = _DIRECTIONS[direction]
        if kind == DROPPED:
            self._drops.add_metric((*labels, way, drop_reason(reason)), count)
        elif kind == RETRANSMITTED:
            self._retransmits.add_metric((*labels, way, state_name(state)), count)
        elif kind == RESET_SENT:
            self._resets.add_metric((*labels, way, reset_reason(reason), state_name(state)), count)
        elif kind == RESET_RECEIVED:
            self._resets.add_metric((*labels, way, "", state_name(state)), count)

    def families(self) -> Iterator[Metric]:
        """All metrics."""
        yield from (self._drops, self._resets, self._retransmits)
