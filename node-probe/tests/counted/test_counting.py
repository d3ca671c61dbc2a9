"""What calls are counted in, against a slow and obvious count of the same calls."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from counted.office import API, DATABASE, DNS, REDIS, WEB, Office
from weir_api.nodeprobe import LATENCY_BUCKETS
from weir_probe.export.calls.series import BOUNDS_S, REPORTED_NS
from weir_probe.export.peers import CLUSTER, EXTERNAL
from weir_probe.export.series import OVERFLOW
from weir_probe.protocols.message import STATUSES

CLIENT, SERVER = 0, 1


def test_a_call_of_a_workload_that_is_the_client() -> None:
    office = Office()
    office.call(office.between("10.0.0.1", "10.0.0.9"), "GET", took_ns=2_000_000, sizes=(30, 500))
    office.count()
    ((key, row),) = office.series().items()
    assert key == (0, CLIENT, WEB, DATABASE, ("GET", ""))
    assert [int(row[name]) for name in ("request_bytes", "response_bytes", "sum_ns")] == [30, 500, 2_000_000]
    assert row["buckets"].tolist() == [
        int(number == 6) for number in range(len(BOUNDS_S) + 1)
    ]  # 2^-9 s < 2 ms <= 2^-8 s


def test_both_ends_are_observed_on_this_node() -> None:
    office = Office()
    both = office.between(
        "10.0.0.1", "10.0.0.9", observations=0b01, peer_observations=0b10, workload=SERVER, ifaces=(2, 1)
    )
    office.call(both, status="server_error")
    office.count()
    assert office.requests() == {
        (0, SERVER, API, CLUSTER, ("GET", "")): {"server_error": 1},
        (1, CLIENT, WEB, API, ("GET", "")): {"server_error": 1},
    }
    assert office.counter.totals["errors"][:3].tolist() == [1, 1, 0]


def test_one_observation_of_both_ends_counts_a_call_once_in_total() -> None:
    office = Office()
    office.call(office.between(observations=1, peer_observations=1, ifaces=(1, 2)))
    office.count()
    assert office.counter.totals["calls"][0] == 1
    assert len(office.series()) == 2


def test_observations_of_a_peer_that_no_interface_has_any_more() -> None:
    office = Office()
    office.call(office.between(observations=1, peer_observations=0b10, ifaces=(1, 1)))
    office.call(office.between(observations=1, peer_observations=0b10, ifaces=(1, 0)))
    office.count()
    assert office.counter.totals["calls"][:2].tolist() == [2, 0]


def test_only_the_protocols_that_an_observation_includes() -> None:
    office = Office()
    office.counter.included[:] = 0b01
    office.counter.included[DNS] = 0b11
    between = office.between(observations=0b11)
    office.call(between, protocol=REDIS)
    office.call(between, "A", protocol=DNS)
    office.count()
    assert office.counter.totals["calls"][:2].tolist() == [2, 1]


def test_each_observation_names_the_workload_with_the_labels_that_it_asks_for() -> None:
    office = Office()
    labelled = 99
    office.behind[1, 1], office.set_of[2] = labelled, 1
    office.call(office.between(observations=0b101))
    office.count()
    assert [(key[0], key[2]) for key in office.series()] == [(0, WEB), (2, labelled)]


def test_a_connection_that_is_in_two_slots_counts_once_in_total_and_is_logged_once() -> None:
    office = Office()
    client, server = office.between(observations=0b11), office.between("10.0.0.1", "10.0.0.2", observations=0b01)
    office.counted_by[int(office.book.conversations["slot"][server])] = 0b01
    office.call(client)
    office.call(server)
    assert office.count().tolist() == [0b11]
    assert office.counter.totals["calls"][:2].tolist() == [1, 1]
    assert sum(sum(count.values()) for count in office.requests().values()) == 3


@dataclass(frozen=True)
class Call:
    type: str
    endpoint: str
    status: str
    took_ns: int | None
    sizes: tuple[int, int]
    between: int


BETWEEN: list[dict[str, Any]] = [
    {"observations": 0b001},
    {"observations": 0b110, "server": "8.8.8.8"},
    {"observations": 0b101, "workload": SERVER, "client": "10.0.0.9", "server": "10.0.0.1"},
    {"observations": 0b010, "peer_observations": 0b011, "ifaces": (1, 2), "server": "10.0.0.9"},
    {"observations": 0},
]
CALLS = st.lists(
    st.builds(
        Call,
        st.sampled_from(["GET", "SET", ""]),
        st.sampled_from(["", "/", "/users/{id}", "/users/{id}/é"]),
        st.sampled_from(STATUSES),
        st.one_of(st.none(), st.integers(1, 100_000_000_000)),
        st.tuples(st.integers(0, 1 << 40), st.integers(0, 1 << 40)),
        st.integers(0, len(BETWEEN) - 1),
    ),
    max_size=60,
)


@settings(deadline=None)
@given(CALLS, st.integers(0, 4), st.integers(1, 5))
def test_series_and_totals_are_what_a_slow_count_finds(calls: list[Call], limit: int, ticks: int) -> None:
    office = Office(max_series=limit)
    between = [office.between(**fields) for fields in BETWEEN]
    requests: dict[Any, Counter[str]] = defaultdict(Counter)
    latencies: dict[Any, list[int]] = defaultdict(list)
    octets: Counter[Any] = Counter()
    totals, errors, held = Counter[int](), Counter[int](), Counter[int]()
    for number, call in enumerate(calls):
        office.call(
            between[call.between], call.type, call.endpoint, status=call.status, took_ns=call.took_ns, sizes=call.sizes
        )
        if number % ticks == 0:
            office.count()
        for key in views(call):
            bit = key[0]
            if key not in requests:
                if held[bit] < limit:
                    held[bit] += 1
                else:
                    key = (bit, CLIENT, OVERFLOW, OVERFLOW, ("_OTHER", "_OTHER"))
            requests[key][call.status] += 1
            octets[key] += call.sizes[0] * 3 + call.sizes[1] * (call.took_ns is not None)
            if call.took_ns is not None:
                latencies[key].append(call.took_ns)
        for bit in {key[0] for key in views(call)}:
            totals[bit] += 1
            errors[bit] += call.status in {"client_error", "server_error", "timeout"}
    office.count()
    assert office.requests() == requests
    for key, row in office.series().items():
        assert row["request_bytes"] * 3 + row["response_bytes"] == octets[key]
        assert row["sum_ns"] == sum(latencies[key])
        counts = [0] * (len(BOUNDS_S) + 1)
        for took_ns in latencies[key]:
            counts[next((at for at, bound in enumerate(BOUNDS_S) if took_ns <= bound * 1e9), len(BOUNDS_S))] += 1
        assert row["buckets"].tolist() == counts
    assert office.flows.held[:3].tolist() == [held[bit] for bit in range(3)]
    assert office.counter.totals["calls"][:3].tolist() == [totals[bit] for bit in range(3)]
    assert office.counter.totals["errors"][:3].tolist() == [errors[bit] for bit in range(3)]
    beyond = [
        sum(sum(count.values()) for key, count in requests.items() if key[0] == bit and key[2] == OVERFLOW)
        for bit in range(3)
    ]
    assert office.counter.series.overflowed[:3].tolist() == beyond


def views(call: Call) -> list[tuple[int, int, int, int, tuple[str, str]]]:
    """The series that count a call, if they may: (bit, role, workload, peer, what)."""
    fields = BETWEEN[call.between]
    role = fields.get("workload", CLIENT)
    other = {"8.8.8.8": EXTERNAL}.get(fields.get("server", ""), DATABASE)
    what = (call.type, call.endpoint)
    found = [(bit, role, WEB, other, what) for bit in range(3) if fields["observations"] >> bit & 1]
    return found + [
        (bit, 1 - role, API, WEB, what) for bit in range(3) if fields.get("peer_observations", 0) >> bit & 1
    ]


@settings(deadline=None)
@given(st.lists(st.integers(0, 200_000_000_000)))
def test_reported_buckets(times_ns: list[int]) -> None:
    office = Office()
    between = office.between()
    for took_ns in times_ns:
        office.call(between, took_ns=max(1, took_ns))
    office.count()
    counts = office.counter.totals["latencies"][0].tolist()
    bounds = [0, *REPORTED_NS[:-1], 1 << 63]
    expected, _ = np.histogram([max(1, t) for t in times_ns], [bound + 1 for bound in bounds])
    assert len(counts) == LATENCY_BUCKETS
    assert counts == expected.tolist()
