"""Metrics of calls: rate, errors and duration for each (workload, peer, endpoint)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy.typing as npt
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Exemplar, Timestamp

from weir_probe.export.calls.endpoints import Endpoints
from weir_probe.export.calls.series import BOUNDS_S, unpack
from weir_probe.export.names import Names
from weir_probe.export.series import OVERFLOW, ROLES
from weir_probe.protocols.message import STATUSES

#: What an exemplar can hold whatever its sender wrote (OpenMetrics 1.0: 128 characters with the label's name).
_TRACE_ID: Final = re.compile(r"[0-9A-Za-z._-]+")
_BOUNDS: Final = [*(f"{bound!r}" for bound in BOUNDS_S), "+Inf"]


@dataclass(frozen=True)
class CallReadings:
    """What a scrape tells of calls, taken at one moment."""

    rows: npt.NDArray[Any]  # series.CALL_SERIES, those in use
    names: Mapping[int, tuple[str, str]]  # endpoint: type, endpoint
    titles: Sequence[Sequence[str]]  # of the protocols, by variant
    overflowed: Mapping[int, int]  # bit: calls that were counted in an overflow series
    lost: Mapping[str, int]  # what should have become calls, by reason
    records: Mapping[str, int]  # call records by result


def named(rows: npt.NDArray[Any], endpoints: Endpoints) -> dict[int, tuple[str, str]]:
    """Type and endpoint of what some series (series.CALL_SERIES) are of."""
    return {number: endpoints.name(number) for number in {int(what) & 0xFFFFFFFF for what in rows["what"]}}


def of_calls(
    readings: CallReadings, observations: Mapping[int, tuple[str, str]], names: Names, labels: Sequence[str]
) -> Iterator[Metric]:
    """All metrics of calls. `labels` are those that series of flows have."""
    series = [(row, *unpack(int(row["whose"]), int(row["what"]))) for row in readings.rows]
    series = [row for row in series if row[1] in observations]
    #: what pods and namespaces are asked for; a series has those of its observation, and the others empty
    carried = sorted({name for row in series for name, _ in names.identity(row[4]).labels})
    called = (*labels, "type", "endpoint", *carried)
    calls = CounterMetricFamily("weir_calls", "Application calls.", labels=(*called, "status"))
    duration = HistogramMetricFamily(
        "weir_call_duration_seconds",
        "From a request's first byte to its response's, of calls that had a response.",
        labels=called,
    )
    requests = CounterMetricFamily("weir_call_request_bytes", "Bytes of the messages of requests.", labels=called)
    responses = CounterMetricFamily("weir_call_response_bytes", "Bytes of the messages of responses.", labels=called)
    for row, bit, role, protocol, local, peer, endpoint in series:
        here, there = names.identity(local), names.identity(peer)
        titles = readings.titles[protocol >> 8]
        values = (
            *observations[bit],
            here.namespace,
            here.kind,
            here.name or here.class_,
            there.class_,
            there.namespace,
            there.kind,
            there.name,
            titles[min(protocol & 0xFF, len(titles) - 1)],
            "" if local == OVERFLOW else ROLES[role],
            *readings.names[endpoint],
            *(dict(here.labels).get(name, "") for name in carried),
        )
        for status, count in zip(STATUSES, row["requests"].tolist(), strict=True):
            if count:
                calls.add_metric((*values, status), count)
        requests.add_metric(values, int(row["request_bytes"]))
        responses.add_metric(values, int(row["response_bytes"]))
        buckets = row["buckets"].cumsum().tolist()
        if buckets[-1]:
            duration.add_metric(values, _with_exemplar(row, buckets), int(row["sum_ns"]) / 1e9)
    yield from (calls, duration, requests, responses)
    overflow = CounterMetricFamily(
        "weir_observation_overflowed_calls",
        "Calls that were counted in an overflow series, because maxSeries was reached.",
        labels=labels[:2],
    )
    for bit, count in readings.overflowed.items():
        overflow.add_metric(observations[bit], count)
    lost = CounterMetricFamily(
        "weir_probe_lost_calls", "What should have become calls, and did not.", labels=["reason"]
    )
    for reason, count in readings.lost.items():
        lost.add_metric([reason], count)
    records = CounterMetricFamily("weir_probe_call_records", "Call records by what became of them.", labels=["result"])
    for result, count in readings.records.items():
        records.add_metric([result], count)
    yield from (overflow, lost, records)


def _with_exemplar(row: npt.NDArray[Any], buckets: Sequence[int]) -> list[Any]:
    """Bound and count of each bucket; one has the trace of a call in it, which OpenMetrics tells."""
    counted: list[Any] = list(zip(_BOUNDS, buckets, strict=True))
    trace = row["trace_id"][: row["trace_size"]].tobytes().decode("ascii", "replace")
    if _TRACE_ID.fullmatch(trace):
        seconds, nanoseconds = divmod(int(row["exemplar_at"]), 1_000_000_000)
        took_s = int(row["exemplar_ns"]) / 1e9
        exemplar = Exemplar({"trace_id": trace}, took_s, Timestamp(seconds, nanoseconds))
        place = next((at for at, bound in enumerate(BOUNDS_S) if took_s <= bound), len(BOUNDS_S))
        counted[place] = (*counted[place], exemplar)
    return counted
