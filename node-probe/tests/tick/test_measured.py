"""What flows were measured reaches the series: by difference, each way its own, with histograms and how they ended."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tick.simulated import FIN, Table
from weir_probe.export.series import BOUNDS_NS
from weir_probe.streams.layout import COUNTERS, SAMPLE, SEGMENT, TIMES
from weir_probe.streams.performance import CLOSE_TYPES, OPENING_STATES

LAYERS = 14 << 32 | 52


def samples(*told: dict[str, int]) -> npt.NDArray[Any]:
    made = np.zeros(len(told), SAMPLE)
    for at, fields in enumerate(told):
        for name, value in fields.items():
            made[name][at] = value
    return made


def tick(table: Table, *told: dict[str, int]) -> dict[str, int]:
    """The counters of the only series after a tick, by name."""
    taken = samples(*told)
    table.measures.apply(taken)
    table.aggregator.with_metrics = 1
    table.tick()
    table.aggregator.consume_times(taken)
    assert table.aggregator.series.used == 1
    return dict(zip(COUNTERS, table.aggregator.series.rows["counters"][0].tolist(), strict=True))


@pytest.mark.parametrize("side", [0, 1])
def test_each_way_is_the_workloads(side: int) -> None:
    table = Table()
    i = table.insert(side=side, opener=0)  # side 0 opened it: the workload is its client, or its server
    for _ in range(2):
        table.send(i, 0, 1, 166)
        table.send(i, 1, 2, 232)
        table.slots["headers"][i] += np.array([LAYERS, 2 * LAYERS], np.uint64)
        table.slots["retrans"][i] += np.array([3, 0], np.uint32)
        table.slots["retrans_opening"][i] += np.array([[1, 0], [0, 0]], np.uint32)
        told = tick(table)
    sent, received = ("tx", "rx") if side == 0 else ("rx", "tx")
    assert told == dict.fromkeys(COUNTERS, 0) | {
        f"l3_bytes_{sent}": 2 * 152,
        f"l3_bytes_{received}": 2 * 204,
        f"l4_bytes_{sent}": 2 * 100,
        f"l4_bytes_{received}": 2 * 100,
        f"retrans_{sent}": 6,
        "retrans_syn": 2,
    }


def test_layers_never_run_backwards() -> None:
    """A packet is in the one word when the tick reads, and in the other only later."""
    table = Table()
    i = table.insert()
    table.send(i, 0, 1, 66)
    table.slots["headers"][i, 0] = 2 * LAYERS  # another packet of 66 bytes without data
    assert tick(table)["l3_bytes_tx"] == 38
    table.send(i, 0, 1, 66)
    told = tick(table)
    assert (told["l3_bytes_tx"], told["l4_bytes_tx"]) == (104, 0)


def test_segments_out_of_sequence_are_told_apart_from_samples() -> None:
    table = Table()
    i = table.insert()
    table.send(i, 0, 3, 300)
    gap = {"slot": i, "kind": SEGMENT, "segments": 1, "seq": 200, "length": 50, "low": 0, "high": 100, "enters": 1}
    late = {"slot": i, "kind": SEGMENT, "segments": 1, "seq": 100, "length": 50, "low": 250, "high": 250}
    told = tick(table, gap, late, late)
    assert (told["ooo_tx"], told["retrans_tx"]) == (1, 1)


def test_times_fall_into_buckets() -> None:
    table = Table()
    i = table.insert()
    table.send(i, 0, 1, 100)
    art = TIMES.index("art")
    tick(table, *({"slot": i, "kind": art, "ns": ns} for ns in (BOUNDS_NS[0], BOUNDS_NS[0] + 1, 10**12)))
    row = table.aggregator.series.rows[0]
    assert row["buckets"][art].tolist() == [1, 1, *[0] * (len(BOUNDS_NS) - 2), 1]
    assert row["sum_ns"][art] == 2 * BOUNDS_NS[0] + 1 + 10**12
    assert row["buckets"].sum() == 3


def test_how_a_connection_ended_is_counted_once() -> None:
    table = Table()
    i = table.insert()
    table.slots["opening"][i] = OPENING_STATES.index("established")
    table.send(i, 0, 1, 100, FIN)
    table.send(i, 1, 1, 100, FIN)
    tick(table)
    table.now += 10
    for _ in range(3):
        tick(table)
    assert table.aggregator.series.rows["closed"][0].sum() == 1
    assert table.aggregator.series.rows["closed"][0][CLOSE_TYPES.index("finish")] == 1


def test_a_flow_that_is_left_for_the_next_tick_takes_all_back() -> None:
    table = Table()
    i = table.insert()
    table.send(i, 0, 1, 166)
    table.slots["headers"][i, 0] = LAYERS
    table.slots["syn"][i] = 1
    count = table.ticker.run(table.now, 300, 5, 60, table.now * 1_000_000_000)
    table.ticker.postpone(count - 1)
    told = tick(table)
    assert (told["l3_bytes_tx"], told["l4_bytes_tx"], told["syn"]) == (152, 100, 1)
