"""Which calls are logged, and for whom."""

from __future__ import annotations

import pytest

from counted.office import DNS, Office
from weir_probe.export.calls.counter import ALL_KEPT
from weir_probe.protocols.message import DOMAIN

MS = 1_000_000


@pytest.mark.parametrize(
    ("status", "took_ns", "logged"),
    [
        ("ok", 499 * MS, False),
        ("ok", 500 * MS, True),
        ("client_error", 1 * MS, True),
        ("server_error", 1 * MS, True),
        ("timeout", None, True),
        ("unknown", None, False),
        ("unknown", 700 * MS, True),
    ],
)
def test_errors_and_slow(status: str, took_ns: int | None, logged: bool) -> None:
    office = Office()
    office.counter.failed_or_slow = 0b10
    office.counter.slow_ns[1] = 500 * MS
    office.call(office.between(observations=0b11), status=status, took_ns=took_ns)
    assert office.count().tolist() == [0b11 if logged else 0b01]


def test_observations_that_want_no_log() -> None:
    office = Office()
    office.counter.logged = 0b100
    office.call(office.between(observations=0b011))
    office.call(office.between(observations=0b110))
    assert office.count().tolist() == [0b100]


def test_a_share_of_calls_is_the_same_for_all_who_see_them() -> None:
    """Two nodes see the same connections, one of them behind another address; three observations keep shares."""
    masks = []
    for client in ("10.0.0.1", "192.168.7.7"):
        office = Office(calls=16_384)
        office.counter.kept[:3] = ALL_KEPT // 10, ALL_KEPT // 2, ALL_KEPT
        between = office.between(client, observations=0b111)
        for number in range(4000):
            office.call(between, seq=1000 + 50 * number)
        masks.append(office.count().tolist())
    assert masks[0] == masks[1]
    assert set(masks[0]) == {0b100, 0b110, 0b111}  # who keeps fewer keeps some of what others keep
    tenth, half = (sum(mask >> bit & 1 for mask in masks[0]) for bit in (0, 1))
    assert 0.08 < tenth / 4000 < 0.12
    assert 0.47 < half / 4000 < 0.53


def test_shares_of_datagrams_are_drawn_by_what_they_ask() -> None:
    office = Office()
    office.counter.kept[0] = ALL_KEPT // 2
    between = office.between(proto=17, by_id=True)
    for number in range(1000):
        office.call(between, "A", protocol=DNS, id=7, seq=0, texts={DOMAIN: b"host%d.example" % number})
    assert 400 < len(office.count()) < 600


def test_none_and_all() -> None:
    office = Office()
    office.counter.kept[:2] = 0, ALL_KEPT
    between = office.between(observations=0b11)
    for number in range(500):
        office.call(between, seq=number)
    assert office.count().tolist() == [0b10] * 500
