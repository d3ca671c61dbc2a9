"""The series table: bounded for each observation, whole beyond its bound, without those that are gone."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weir_probe.export.series import OVERFLOW, SeriesTable, unpack

WORKLOADS = (1 << 27) - 2  # identities fit below OVERFLOW


def counted(table: SeriesTable) -> dict[tuple[int, int, int, int, int], tuple[int, ...]]:
    return {
        unpack(int(row["key"])): (*row["packets"].tolist(), *row["bytes"].tolist(), int(row["connections"]))
        for row in table.rows[: table.used]
    }


def table(limit: int) -> SeriesTable:
    series = SeriesTable()
    series.limits[:] = limit
    return series


@given(
    bit=st.integers(0, 63),
    role=st.integers(0, 1),
    protocol=st.integers(0, 4),
    local=st.integers(0, WORKLOADS),
    peer=st.integers(0, WORKLOADS),
)
def test_a_key_holds_all_of_its_parts(bit: int, role: int, protocol: int, local: int, peer: int) -> None:
    series = table(1)
    series.add(bit, role, protocol, local, peer, 3 << 40 | 5, 7 << 40 | 11, True, True)
    assert counted(series) == {(bit, role, protocol, local, peer): (3, 7, 5, 11, 1)}


def test_beyond_the_limit_one_series_for_each_protocol_takes_all() -> None:
    series = table(2)
    for peer in range(10):
        for protocol in (0, 1):
            series.add(3, 1, protocol, 5, peer, 1 << 40 | 100, 0, True, True)
    assert counted(series) == {
        (3, 1, 0, 5, 0): (1, 0, 100, 0, 1),
        (3, 1, 1, 5, 0): (1, 0, 100, 0, 1),
        (3, 0, 0, OVERFLOW, OVERFLOW): (9, 0, 900, 0, 9),
        (3, 0, 1, OVERFLOW, OVERFLOW): (9, 0, 900, 0, 9),
    }
    assert series.held[3] == 2
    assert series.overflowed[3] == 18


def test_a_series_that_is_there_is_used_when_the_table_is_full() -> None:
    series = table(1)
    for peer in (0, 1, 0):
        series.add(0, 0, 0, 5, peer, 1 << 40, 0, False, True)
    assert counted(series)[0, 0, 0, 5, 0][0] == 2
    assert series.overflowed[0] == 0  # nothing was opened there


def test_observations_have_limits_of_their_own() -> None:
    series = table(0)
    series.limits[1] = 1
    for bit in (0, 1):
        series.add(bit, 0, 0, 5, 6, 1 << 40, 0, True, True)
    assert {key[0]: key[3] for key in counted(series)} == {0: OVERFLOW, 1: 5}


def test_it_grows() -> None:
    series = table(100_000)
    for peer in range(5000):
        series.add(63, 1, 4, peer, WORKLOADS - peer, peer << 40 | 1, 0, True, True)
    found = counted(series)
    assert series.used == len(found) == 5000
    assert all(found[63, 1, 4, peer, WORKLOADS - peer] == (peer, 0, 1, 0, 1) for peer in range(5000))


def test_live_flows_are_counted_anew_in_each_tick() -> None:
    series = table(1)
    for _ in range(3):
        series.begin()
        series.add(0, 0, 0, 1, 2, 0, 0, False, True)
    assert series.rows["live"][0] == 1


@pytest.fixture
def full() -> Iterator[SeriesTable]:
    series = table(4)
    for bit in (0, 1):
        for local in (5, 6):
            for peer in (7, 8, 9):
                series.add(bit, 0, 0, local, peer, local << 40 | peer, 0, True, True)
    yield series


def test_a_workload_that_is_gone_takes_its_series_along(full: SeriesTable) -> None:
    before = counted(full)
    full.drop(lambda _bit, local: local == 5)
    after = counted(full)
    assert after == {key: counts for key, counts in before.items() if key[3] != 5}
    assert (0, 0, 0, OVERFLOW, OVERFLOW) in after
    assert full.held.tolist()[:2] == [1, 1]
    full.add(0, 0, 0, 20, 7, 1 << 40, 0, True, True)  # there is room again
    assert counted(full)[0, 0, 0, 20, 7] == (1, 0, 0, 0, 1)
    assert full.held[0] == 2


def test_an_observation_that_is_gone_takes_its_overflow_along(full: SeriesTable) -> None:
    full.drop(lambda bit, _local: bit == 0)
    assert {key[0] for key in counted(full)} == {1}
    assert full.held.tolist()[:2] == [0, 4]
    full.add(0, 0, 0, 5, 7, 1 << 40, 0, True, True)
    assert full.used == 6


def test_nothing_is_gone(full: SeriesTable) -> None:
    before = counted(full)
    full.drop(lambda *_: False)
    assert counted(full) == before
