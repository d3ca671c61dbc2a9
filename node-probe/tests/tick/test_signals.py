"""What signals leave in the rows of their flows, and in the counters by reason."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from weir_probe.export import reasons
from weir_probe.export.reasons import ReasonTable, What, read
from weir_probe.export.recorder import RECORD
from weir_probe.export.series import OVERFLOW
from weir_probe.export.signals import members, told
from weir_probe.plan.containers import Containers
from weir_probe.streams.signals import (
    DROPPED,
    FINAL,
    KNOWN,
    OWNER,
    REASONS,
    RESET_RECEIVED,
    RESET_SENT,
    RETRANSMITTED,
    SIGNAL,
    SIGNALLED,
    Signalled,
)


def signal(kind: int, slot: int = 0, **fields: int | bytes) -> npt.NDArray[Any]:
    made = np.zeros(1, SIGNAL)
    made["kind"], made["slot"] = kind, slot
    for name, value in fields.items():
        made[name] = np.frombuffer(value.ljust(16, b"\0"), np.uint8) if isinstance(value, bytes) else value
    return made


def heard(*signals: npt.NDArray[Any]) -> tuple[Signalled, npt.NDArray[Any]]:
    """Rows of four flows after these signals; and the signals, as they are counted."""
    every = np.concatenate(signals)
    rows = Signalled(np.zeros(4, SIGNALLED), np.zeros(4, np.uint8))
    rows.apply(every)
    return rows, every


def record(rows: Signalled, *, opener: int = 0, ended: bool = True) -> dict[str, Any]:
    """What the record of flow 0 has of it."""
    written = np.zeros(1, RECORD)
    written["ended"] = ended
    for name in ("dropped", "drop_reason", "retransmitted"):
        written[name] = rows.rows[name][:1]
    columns = told(written, rows.rows, np.array([[opener, 1 - opener]]), Containers())
    return dict(json.loads("{" + next(members(columns, slice(0, 1))).removeprefix(",") + "}"))


def test_each_end_has_its_owner() -> None:
    rows, _ = heard(
        signal(OWNER, side=1, pid=7, cgroup=40, command=b"nginx"),
        signal(OWNER, side=0, pid=8, cgroup=41, command=b'a"\xff'),
    )
    expected = {"src_pid": 8, "src_command": 'a"�', "src_cgroup": 41, "dst_pid": 7, "dst_command": "nginx"}
    assert record(rows) == {**expected, "dst_cgroup": 40}
    assert record(rows, opener=1)["src_pid"] == 7


def test_statistics_come_with_the_last_record() -> None:
    last = signal(FINAL, side=0, acked=10, received=20, srtt_us=30, min_rtt_us=0xFFFFFFFF, retrans=1, lost=2, cwnd=10)
    rows, _ = heard(last)
    assert record(rows, ended=False) == {}
    assert record(rows) == {
        "src_bytes_acked": 10,
        "src_bytes_received": 20,
        "src_srtt_us": 30,
        "src_retrans": 1,
        "src_lost": 2,
        "src_cwnd": 10,
    }


def test_a_reset_that_both_ends_tell_of_counts_once() -> None:
    sent, received = signal(RESET_SENT, side=1, reason=1), signal(RESET_RECEIVED, side=1, state=2)
    rows, counted = heard(sent, received)
    assert counted["kind"].tolist() == [RESET_SENT, KNOWN]
    assert record(rows) == {"reset_by": "dst", "reset_state": "NONE", "reset_reason": "NO_SOCKET"}
    _, counted = heard(sent, signal(RESET_RECEIVED, side=0), signal(RESET_RECEIVED, slot=1, side=1))
    assert counted["kind"].tolist() == [RESET_SENT, RESET_RECEIVED, RESET_RECEIVED], "another's, and of another flow"


def test_drops_beyond_the_first_reasons_are_other() -> None:
    rows, _ = heard(*(signal(DROPPED, reason=2 + n % (REASONS + 2), count=1) for n in range(3 * (REASONS + 2))))
    drops = record(rows)["drops"]
    assert list(drops.values()) == [3] * REASONS + [6]
    assert next(iter(drops)) == "NOT_SPECIFIED"
    assert list(drops)[-1] == "other"


def test_a_slot_that_is_another_flows_is_empty() -> None:
    rows, _ = heard(signal(OWNER, pid=7), signal(RETRANSMITTED, slot=1, count=3), signal(OWNER, slot=99))
    rows.forget(np.array([0, 2], np.uint32))
    assert not rows.rows[0].tobytes().strip(b"\0")
    assert rows.rows["retransmitted"][1].tolist() == [3, 0]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(1, 9))))
def test_counters_add_up(rows: list[tuple[int, int, int]]) -> None:
    table = ReasonTable()
    expected: dict[tuple[int, int], int] = {}
    for key, reason, count in rows:
        table.add(key << 27, DROPPED << 56 | reason, count)
        expected[key << 27, reason] = expected.get((key << 27, reason), 0) + count
    assert {(key, what.reason): count for key, what, count in read(table.rows[: table.used])} == expected


def test_counters_are_bounded_and_none_is_missing() -> None:
    table = ReasonTable()
    bit, tcp = 5 << 58, 2 << 54
    for number in range(reasons.LIMIT + 100):
        table.add(bit | tcp | 1 << 57 | number << 27, DROPPED << 56 | number % 7, 1)
    rows = list(read(table.rows[: table.used]))
    assert sum(count for _, _, count in rows) == reasons.LIMIT + 100
    assert len(rows) == reasons.LIMIT + 7
    overflow = bit | tcp | OVERFLOW << 27 | OVERFLOW
    assert {what for key, what, _ in rows if key == overflow} == {What(DROPPED, 0, 0, n) for n in range(7)}


def test_counters_of_workloads_that_left_are_dropped() -> None:
    table = ReasonTable()
    for local in range(300):
        table.add(local << 27, DROPPED << 56, 1)
    table.drop(lambda _bit, local: local % 2 == 0)
    assert table.used == 150
    table.add(1 << 27, DROPPED << 56, 5)
    assert table.used == 150
    assert {count for key, _, count in read(table.rows[: table.used]) if key == 1 << 27} == {6}
