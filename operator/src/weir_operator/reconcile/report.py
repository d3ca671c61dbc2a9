"""What the operator needs of a probe's report, in records a tenth as large as the contract's models.

Thousands of reports are held at a time, and some hundred come in a second. What is not read here (hooks, interfaces,
the probe's own conditions) is neither checked nor kept. What is read is bounded here and nowhere before: the API server
stores reports as they are, and a node that was taken over may write anything.
"""

import sys
from typing import Annotated, Any, Final

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass

from weir_api.base import Time
from weir_api.flowobservation import Downgrade
from weir_api.nodeprobe import LATENCY_BUCKETS, MAX_OBSERVATIONS, Issue

_CONFIG: Final = ConfigDict(alias_generator=to_camel, populate_by_name=True)
#: Peers and observations have the same names in thousands of reports.
_Shared = Annotated[str, Field(max_length=256), AfterValidator(sys.intern)]
#: Sums over 8,192 nodes stay within the int64 that a FlowObservation's status has; a probe that sees ten million
#: packets a second counts so far in three years.
_Count = Annotated[int, Field(ge=0, le=1 << 50)]
_Amount = Annotated[float, Field(ge=0, le=1e15)]


@dataclass(frozen=True, slots=True, config=_CONFIG)
class PeerRate:
    """A peer, its bytes per second (L2) and its live flows."""

    name: _Shared
    bytes_per_second: _Amount
    flows: _Count = 0


@dataclass(frozen=True, slots=True, config=_CONFIG)
class Latencies:
    """Counts in buckets, from bucket `first` on; see weir_api.nodeprobe.LatencyReport."""

    first: Annotated[int, Field(ge=0, lt=LATENCY_BUCKETS)]
    counts: Annotated[tuple[_Count, ...], Field(max_length=LATENCY_BUCKETS)]


@dataclass(frozen=True, slots=True, config=_CONFIG)
class Calls:
    """The calls of an observation on a node."""

    requests_per_second: _Amount = 0
    errors_per_second: _Amount = 0
    latency: Latencies | None = None
    overflowed: _Count = 0


@dataclass(frozen=True, slots=True, config=_CONFIG)
class Measured:
    """What one observation measured on a node; see weir_api.nodeprobe.ObservationReport."""

    uid: _Shared
    generation: _Count
    matched_pods: _Count = 0
    attached_pods: _Count = 0
    host_network_pods: _Count = 0
    window_s: _Amount = 0
    flows_per_second: _Amount = 0
    packets_per_second: _Amount = 0
    bytes_per_second: _Amount = 0
    segments_per_second: _Amount = 0
    retransmits_per_second: _Amount = 0
    drops: _Count | None = None
    series: _Count = 0
    overflowed_flows: _Count = 0
    calls: Calls | None = None
    top_peers: Annotated[tuple[PeerRate, ...], Field(max_length=10)] = ()
    effective: Annotated[tuple[Downgrade, ...], Field(max_length=16)] = ()
    issues: Annotated[tuple[Issue, ...], Field(max_length=5)] = ()

    @property
    def overflowed(self) -> int:
        """Flows and calls that are counted in an overflow series."""
        return self.overflowed_flows + (self.calls.overflowed if self.calls is not None else 0)


@dataclass(frozen=True, slots=True, config=_CONFIG)
class Packets:
    """A count of packets."""

    packets: _Count = 0


@dataclass(frozen=True, slots=True, config=_CONFIG)
class PacketCounts:
    """What the hooks of a node saw, and what of it was lost, since its probe started."""

    seen: Packets = Packets()
    lost: Annotated[tuple[Packets, ...], Field(max_length=32)] = ()


@dataclass(frozen=True, slots=True, config=_CONFIG)
class Cost:
    """Thousandths of a core, and kernel time per packet where it is measured."""

    cpu_millis: _Amount = 0
    ns_per_packet: _Amount | None = None


@dataclass(frozen=True, slots=True, config=_CONFIG)
class Report:
    """A NodeProbe's status."""

    plan_hash: _Shared | None = None
    heartbeat_time: Time | None = None
    counters: PacketCounts | None = None
    overhead: Cost | None = None
    observations: Annotated[tuple[Measured, ...], Field(max_length=MAX_OBSERVATIONS)] = ()
    issues: Annotated[tuple[Issue, ...], Field(max_length=10)] = ()


_REPORT: Final = TypeAdapter(Report)


def read_report(raw: Any) -> Report:
    """A report from a NodeProbe's status. Raises pydantic.ValidationError.

    Probes are upgraded node by node: one that is newer than this operator may report more than it knows of.
    """
    return _REPORT.validate_python(raw, extra="ignore")
