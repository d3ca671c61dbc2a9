"""Calls with a peer whose name is being asked for wait in the book, and are counted once."""

from __future__ import annotations

from ipaddress import ip_address

from counted.office import WEB, Office
from weir_probe.export.peers import CLUSTER, UNKNOWN, words

PEER = "10.9.9.9"


def asked() -> Office:
    office = Office(asks=True)
    office.peers.enter(*words(ip_address(PEER)), UNKNOWN | CLUSTER, 1)
    return office


def test_a_call_waits_for_its_peer() -> None:
    office = asked()
    office.call(office.between(server=PEER), "GET")
    office.call(office.between(), "SET")
    assert len(office.count()) == 1
    assert office.counter.waiting == 1
    assert [key[4][0] for key in office.series()] == ["SET"]
    office.peers.enter(*words(ip_address(PEER)), 77, 2)
    assert len(office.count()) == 1
    assert office.requests()[0, 0, WEB, 77, ("GET", "")] == {"ok": 1}
    assert office.counter.totals["calls"][0] == 2
    assert len(office.count()) == 0
    assert office.book.calls_left == len(office.book.calls)


def test_without_patience_it_counts_for_the_class_of_the_address() -> None:
    office = asked()
    office.call(office.between(server=PEER))
    office.counter.patient = False
    office.count()
    assert [key[3] for key in office.series()] == [CLUSTER]


def test_calls_that_wait_leave_the_room_of_those_that_do_not() -> None:
    office = asked()
    waits, goes = office.between(server=PEER), office.between()
    for _ in range(5):
        office.call(waits)
        for _ in range(3000):
            office.call(goes)
        office.count()
    assert office.counter.waiting == 5
    assert office.book.losses.sum() == 0
    assert office.counter.totals["calls"][0] == 15_000
