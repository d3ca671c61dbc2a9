"""Flow records: when they are due, and that the records of a flow add up to it."""

import pytest

from tick.simulated import Record, Table

SECOND = 1_000_000_000
PACKETS, BYTES = 1 << 23, 1 << 39  # a record is early when a word holds so many


def logging(interval_s: int = 10) -> tuple[Table, int]:
    """A table with one flow that observation 0 logs."""
    table = Table()
    table.recorder.logged = 1
    table.recorder.interval_ns[0] = interval_s * SECOND
    i = table.insert()
    table.send(i, 0, 1, 60)
    table.tick()
    return table, i


def test_one_per_interval_and_one_at_the_end() -> None:
    table, i = logging(10)
    records: list[Record] = []
    for second in range(1, 36):
        table.send(i, second % 2, 1, second)
        if second == 34:
            table.replace(i)
        records += table.wait(1).records
    assert [record.sequence for record in records] == [1, 2, 3, 4]
    assert [record.ended for record in records] == [0, 0, 0, 1]
    assert len({record.flow_id for record in records}) == 1
    assert sum(record.traffic[0][1] + record.traffic[1][1] for record in records) == 60 + sum(range(1, 36))


def test_none_while_nothing_happens_but_an_end_is_told() -> None:
    table, i = logging(10)
    assert len(table.wait(10).records) == 1
    assert not any(table.wait(10).records for _ in range(5))
    table.replace(i)
    table.wait(1)
    (last,) = table.wait(1).records
    assert (last.sequence, last.ended, last.traffic) == (2, 1, [(0, 0), (0, 0)])


def test_the_shortest_interval_of_those_who_asked_counts() -> None:
    table, i = logging(10)
    table.recorder.logged = 0b111
    table.recorder.interval_ns[:3] = (60 * SECOND, 5 * SECOND, SECOND)
    table.slots["observations"][i] = 0b001
    table.seen_by(i, 2, 0b010)
    table.send(i, 0, 1, 60)
    assert not table.wait(4).records
    (record,) = table.wait(1).records
    assert record.observations == 0b011


def test_nobody_asks() -> None:
    table, i = logging(1)
    table.slots["observations"][i] = 0b10
    table.send(i, 0, 1, 60)
    assert not table.wait(5).records
    table.replace(i)
    table.wait(1)
    assert not table.wait(1).records


def test_what_was_before_somebody_asked_is_not_told() -> None:
    table, i = logging(1)
    table.recorder.logged = 0
    table.send(i, 0, 9, 900)
    table.wait(1)
    table.recorder.logged = 1
    table.send(i, 0, 1, 60)
    (record,) = table.wait(1).records
    assert record.traffic == [(1, 60), (0, 0)]


def test_the_other_interface_s_observations_count_only_while_there_is_one() -> None:
    table, i = logging(1)
    table.slots["observations"][i] = 0
    table.slots["peer_observations"][i] = 1
    table.send(i, 0, 1, 60)
    assert not table.wait(1).records


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(("packets", "octets"), [(PACKETS, 1), (1, BYTES)])
def test_a_large_one_comes_early(packets: int, octets: int, side: int) -> None:
    table, i = logging(3600)
    table.send(i, 1, 1, 60)
    table.send(i, side, packets, octets)
    (record,) = table.wait(1).records
    assert record.traffic[side] == (packets + 1, octets + 60)
    table.send(i, side, packets - 1, octets - 1)
    assert not table.wait(1).records
    table.send(i, side, packets, octets)
    (record,) = table.wait(1).records
    assert record.sequence == 2
    assert record.traffic[side] == (2 * packets - 1, 2 * octets - 1)
