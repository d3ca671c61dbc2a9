"""Whose traffic it is: which workload, which role, which peer, in which direction."""

from ipaddress import ip_address

import pytest

from tick.simulated import Table
from weir_probe.export.peers import CLUSTER, EXTERNAL, KEPT, words

WEB, API = 11, 12
CLIENT, SERVER = 0, 1


def shop(**known: int) -> Table:
    """Interface 1 is of WEB (10.0.0.1), interface 2 of API (10.0.0.2)."""
    table = Table(known={"10.0.0.1": WEB, "10.0.0.2": API, **known})
    table.aggregator.with_metrics = 0b11
    table.behind[0, 1:3] = (WEB, API)
    return table


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("opener", [0, 1])
def test_sent_and_received_are_the_workloads_whichever_side_it_is(side: int, opener: int) -> None:
    table = shop()
    ends = ("10.0.0.1", "203.0.113.9")
    i = table.insert(ends[side], ends[1 - side], side=side, opener=opener)
    table.send(i, side, 2, 200)
    table.send(i, 1 - side, 3, 3000)
    table.tick()
    assert table.total(0) == (2, 200, 3, 3000)
    role = CLIENT if opener == side else SERVER
    assert table.series() == {(0, role, 0, WEB, EXTERNAL): (2, 200, 3, 3000, 1, 1)}


@pytest.mark.parametrize(("number", "index"), [(6, 0), (17, 1), (1, 2), (58, 2), (132, 3), (47, 4), (0, 4), (255, 4)])
def test_protocols(number: int, index: int) -> None:
    table = shop()
    table.insert(proto=number)
    table.tick()
    assert [key[2] for key in table.series()] == [index]


def test_a_flow_between_two_observed_workloads_is_one_flow_of_the_observation_and_a_series_of_each() -> None:
    table = shop()
    i = table.insert(observations=1)
    table.seen_by(i, 2, 1)
    table.send(i, 0, 2, 200)
    table.send(i, 1, 3, 3000)
    table.tick()
    assert table.total(0) == (2, 200, 3, 3000)
    assert table.series() == {
        (0, CLIENT, 0, WEB, API): (2, 200, 3, 3000, 1, 1),
        (0, SERVER, 0, API, WEB): (3, 3000, 2, 200, 1, 1),
    }


def test_the_other_end_s_observation_sees_it_from_the_other_end() -> None:
    table = shop()
    i = table.insert(observations=0b01)
    table.seen_by(i, 2, 0b10)
    table.send(i, 0, 2, 200)
    table.send(i, 1, 3, 3000)
    table.tick()
    assert table.total(0) == (2, 200, 3, 3000)
    assert table.total(1) == (3, 3000, 2, 200)


def test_an_interface_that_took_the_flow_over_is_not_counted_twice() -> None:
    table = shop()
    i = table.insert(observations=0b01)
    table.seen_by(i, 2, 0b10)
    table.send(i, 0, 1, 100)
    table.tick()
    table.ticker.retire_interface(1)
    table.send(i, 1, 1, 50)
    table.tick()
    assert table.total(1) == (1, 50, 1, 100)
    assert table.series()[1, SERVER, 0, API, WEB][:4] == (1, 50, 1, 100)
    table.taken_over(i)
    table.send(i, 1, 1, 7)
    table.tick()
    assert table.total(1) == (2, 57, 1, 100)
    assert table.series()[1, SERVER, 0, API, WEB] == (2, 57, 1, 100, 1, 1)
    assert len(table.series()) == 2


def test_the_peer_of_before_is_not_the_peer_after_the_flow_was_taken_over() -> None:
    table = shop()
    i = table.insert(observations=1)
    table.seen_by(i, 2, 1)
    table.tick()  # remembers the peer by its address, API
    table.ticker.retire_interface(1)
    table.taken_over(i)
    table.send(i, 0, 1, 100)
    table.tick()
    assert table.series()[0, SERVER, 0, API, WEB][2:4] == (1, 100)


def test_a_peer_is_who_has_the_address_now() -> None:
    table = shop()
    i = table.insert(b="10.0.0.9")
    table.send(i, 0, 1, 100)
    table.tick()
    table.aggregator.peers.enter(*words(ip_address("10.0.0.9")), API, KEPT)
    table.aggregator.peers.version += 1
    table.send(i, 0, 1, 10)
    table.tick()
    assert table.series()[0, CLIENT, 0, WEB, CLUSTER] == (1, 100, 0, 0, 1, 0)
    assert table.series()[0, CLIENT, 0, WEB, API] == (1, 10, 0, 0, 0, 1)


def test_an_observation_without_metrics_has_totals_and_no_series() -> None:
    table = shop()
    table.aggregator.with_metrics = 0
    table.send(table.insert(), 0, 1, 100)
    table.tick()
    assert table.total(0) == (1, 100, 0, 0)
    assert not table.series()


def test_a_flow_that_nobody_asks_for_is_stored_and_no_more() -> None:
    table = shop()
    table.send(table.insert(observations=0), 0, 1, 100)
    table.tick()
    assert table.aggregator.stored.tolist() == [1, 100]
    assert not table.series()
    assert table.total(0) == (0, 0, 0, 0)
    assert not table.aggregator.totals["opened"].any()
