"""A flow begins once, ends once, and loses nothing in between."""

import numpy as np
import pytest

from tick.simulated import ACK, CLOSED_IDLE, FIN, IDLE, OTHER_IDLE, RST, SYN, UDP, Table
from weir_probe.streams.layout import EMPTY, EXPORTED, LIVE, RETIRED
from weir_probe.streams.tick import ENDED, NEW, Ticker


def test_begins_once_and_is_known_by_one_id() -> None:
    table = Table()
    table.send(table.insert(), 0, 1, 60)
    first, second = table.wait(1), table.wait(1)
    assert len(first.new) == 1
    assert not second.new
    assert first.deltas.keys() == second.deltas.keys()


@pytest.mark.parametrize(
    ("proto", "flags", "limit"),
    [
        (6, (SYN | ACK, SYN | ACK), IDLE),
        (6, (FIN | ACK, ACK), IDLE),
        (6, (FIN | ACK, FIN | ACK), CLOSED_IDLE),
        (6, (RST, ACK), CLOSED_IDLE),
        (6, (ACK, RST), CLOSED_IDLE),
        (UDP, (0, 0), OTHER_IDLE),
        (132, (FIN, FIN), OTHER_IDLE),
    ],
)
def test_is_retired_when_idle_for_so_long(proto: int, flags: tuple[int, int], limit: int) -> None:
    table = Table()
    i = table.insert(proto=proto)
    table.send(i, 0, 1, 60, flags[0])
    table.send(i, 1, 1, 60, flags[1])
    table.wait(limit - 1)
    assert table.slots["state"][i] == LIVE
    table.wait(1)
    assert table.slots["state"][i] == RETIRED
    assert table.wait(1).ended.total() == 1
    assert table.slots["state"][i] == EMPTY


def test_is_not_idle_by_a_clock_that_was_read_before_its_last_packet() -> None:
    table = Table()
    i = table.insert(proto=UDP)
    table.slots["last"][i] = table.now + 1
    table.tick()
    assert table.slots["state"][i] == LIVE


def test_counts_packets_that_found_it_before_it_was_retired() -> None:
    table = Table()
    i = table.insert(proto=UDP)
    table.send(i, 0, 1, 100)
    retiring = table.wait(OTHER_IDLE)
    table.send(i, 1, 2, 300)
    ending = table.wait(1)
    assert [*retiring.deltas.values()] == [[(1, 100), (0, 0)]]
    assert [*ending.deltas.values()] == [[(0, 0), (2, 300)]]
    assert ending.ended.total() == 1
    assert table.total(0) == (1, 100, 2, 300)


def test_a_port_used_again_is_another_flow() -> None:
    table = Table()
    old = table.insert()
    table.send(old, 0, 3, 300)
    (first,) = table.wait(1).new
    table.send(old, 0, 1, 40)
    table.replace(old)
    table.send(old, 1, 1, 60)  # on another CPU, which had found the slot
    new = table.insert()
    table.send(new, 0, 1, 66)
    seen = table.wait(1)
    assert seen.deltas[first] == [(1, 40), (1, 60)]
    assert not seen.ended
    (second,) = seen.new
    table.send(old, 0, 1, 1500)
    last = table.wait(1)
    assert last.deltas[first] == [(1, 1500), (0, 0)]
    assert dict(last.ended) == {first: 1}
    assert not table.wait(1).ended
    assert table.slots["state"][new] == LIVE
    assert second != first
    assert table.total(0) == (6, 300 + 40 + 1500 + 66, 1, 60)
    assert table.aggregator.totals["opened"][0] == 2
    assert table.aggregator.totals["live"][0] == 1


def test_a_flow_that_came_and_went_between_two_ticks_begins_and_ends() -> None:
    table = Table()
    i = table.insert()
    table.send(i, 0, 1, 60)
    table.replace(i)
    first, second, third = table.wait(1), table.wait(1), table.wait(1)
    assert (first.new.total(), first.ended.total()) == (1, 0)
    assert (second.new.total(), second.ended.total()) == (0, 1)
    assert not third.deltas


def test_words_wrap() -> None:
    table = Table()
    i = table.insert()
    most = ((1 << 24) - 1, (1 << 40) - 1)
    table.send(i, 0, *most)
    table.send(i, 1, (1 << 24) - 1, 7)
    table.wait(1)
    table.send(i, 0, 5, 500)
    table.send(i, 1, (1 << 24) - 2, (1 << 40) - 8)
    assert [*table.wait(1).deltas.values()] == [[(5, 500), ((1 << 24) - 2, (1 << 40) - 8)]]
    assert table.total(0) == (most[0] + 5, most[1] + 500, 2 * most[0] - 1, (1 << 40) - 1)


def test_a_slot_that_is_being_written_is_left_alone() -> None:
    table = Table()
    i = table.insert()
    table.slots["state"][i] = 1
    assert not table.tick().deltas
    table.slots["state"][i] = LIVE
    assert table.tick().new.total() == 1


def test_an_emptied_slot_remembers_nothing() -> None:
    table = Table()
    table.recorder.logged = 1
    i = table.insert()
    table.send(i, 0, 9, 900)
    table.wait(1)
    table.replace(i)
    table.wait(1)
    table.wait(1)
    assert table.exported[i].tobytes() == bytes(EXPORTED.itemsize)
    assert table.slots.view("<u8").reshape(len(table.slots), -1)[i, 4] == 0
    again = table.insert()
    assert again == i
    table.send(again, 0, 1, 60)
    assert [*table.wait(1).deltas.values()] == [[(1, 60), (0, 0)]]


def test_another_process_goes_on_where_the_last_one_stopped() -> None:
    table = Table()
    stays, goes = table.insert(), table.insert(proto=UDP)
    table.send(stays, 0, 1, 60)
    table.send(goes, 0, 1, 70)
    table.wait(OTHER_IDLE)  # `goes` is retired
    table.send(stays, 0, 2, 200)
    successor = Ticker(table.slots, table.exported, 1 << 50)
    count = successor.run(table.now, IDLE, CLOSED_IDLE, OTHER_IDLE, table.now * 1_000_000_000)
    rows = successor.rows[:count]
    assert rows["slot"].tolist() == [stays, goes]
    assert (rows["event"] & (NEW | ENDED)).tolist() == [0, ENDED]
    assert rows["delta"].tolist() == [[2 << 40 | 200, 0], [0, 0]]
    new = table.insert()
    successor.run(table.now, IDLE, CLOSED_IDLE, OTHER_IDLE, table.now * 1_000_000_000)
    assert table.exported["flow_id"][new] == 1 << 50


def test_an_interface_that_is_let_go_ends_its_flows() -> None:
    table = Table()
    mine, other = table.insert(iface=1), table.insert(iface=2)
    table.send(mine, 0, 1, 60)
    table.wait(1)
    assert table.ticker.retire_interface(1) == 1
    table.send(mine, 0, 1, 1500)  # the hook was running
    table.wait(1)
    table.wait(1)
    assert table.slots["state"][mine] == EMPTY
    assert table.slots["state"][other] == LIVE
    assert table.total(0) == (2, 1560, 0, 0)


def test_an_interface_that_is_let_go_hands_over_what_another_one_counts_for_someone() -> None:
    table = Table()
    shared, unasked = table.insert(), table.insert()
    table.seen_by(shared, 2, 0b10)
    table.seen_by(unasked, 2, 0)
    assert table.ticker.retire_interface(1) == 1
    assert table.slots["state"][shared] == LIVE
    assert (table.slots["iface"][shared], table.slots["observations"][shared]) == (0, 0)
    assert table.slots["state"][unasked] == RETIRED


def test_the_interface_that_only_sees_a_flow_is_let_go() -> None:
    table = Table()
    i = table.insert()
    table.seen_by(i, 2, 0b10)
    assert table.ticker.retire_interface(2) == 0
    assert (table.slots["peer_iface"][i], table.slots["peer_observations"][i]) == (0, 0)
    assert table.slots["iface"][i] == 1


def test_observations_that_are_no_more_leave_the_slots_that_no_packet_visited() -> None:
    table = Table()
    old, new = table.insert(observations=0b101), table.insert(observations=0b101)
    for i in (old, new):
        table.seen_by(i, 2, 0b110)
    table.slots["generation"][new] = table.slots["peer_generation"][new] = 7
    table.ticker.clear_observations(0b011, 7)
    assert table.slots["observations"][[old, new]].tolist() == [0b001, 0b101]
    assert table.slots["peer_observations"][[old, new]].tolist() == [0b010, 0b110]


def test_a_silent_flow_rests_and_is_live() -> None:
    table = Table(known={"10.0.0.1": 5})
    i = table.insert()
    table.send(i, 0, 1, 60)
    rows = [len(table.wait(1).deltas) for _ in range(4)]
    assert rows == [1, 1, 0, 0], "a row while it is new, once more to see that nothing comes, and none from then on"
    assert int(table.aggregator.totals[0]["live"]) == 1
    assert table.ticker.every(0)["slot"].tolist() == [i]
    table.send(i, 1, 2, 120)
    assert list(table.wait(1).deltas.values()) == [[(0, 0), (2, 120)]]


def test_flows_everywhere_in_a_large_table() -> None:
    """Its slots are read some at a time: flows rest, send and end on both sides of a seam."""
    table = Table(10_000)
    chosen = [0, 1, 4095, 4096, 4097, 8191, 8192, 9999]
    table.slots["state"] = RETIRED  # so that `insert` leaves them
    table.slots["state"][chosen] = EMPTY
    flows = [table.insert(ports=(40000 + n, 80)) for n in range(len(chosen))]
    assert flows == chosen
    table.slots["state"][np.setdiff1d(np.arange(10_000), chosen)] = EMPTY
    for i in flows:
        table.send(i, 0, 1, 60)
    for _ in range(3):
        table.wait(1)
    assert table.ticker.quiet["slot"][: table.ticker.resting].tolist() == chosen
    for i in (1, 4096, 9999):
        table.send(i, 1, 2, 120)
    table.replace(4095)
    tick = table.wait(1)
    assert [moved for moved in tick.deltas.values() if any(moved[1])] == 3 * [[(0, 0), (2, 120)]]
    assert sorted(tick.slots) == chosen
    assert table.ticker.resting == 4
    assert int(table.aggregator.totals[0]["live"]) == len(chosen)
    assert sum(table.wait(1).ended.values()) == 1
    assert sorted(table.wait(1).slots) == sorted(set(chosen) - {4095})


def test_a_flow_that_rests_is_roused_now_and_then() -> None:
    """So that the address of its peer is not forgotten."""
    table = Table(known={"10.0.0.1": 5})
    table.send(table.insert(), 0, 1, 60)
    assert sum(len(table.wait(1).deltas) for _ in range(66)) in (2 + 2, 2 + 3)


def test_a_flow_that_rests_ends_in_time() -> None:
    table = Table()
    i = table.insert()
    table.send(i, 0, 1, 60)
    for _ in range(IDLE + 2):
        last = table.wait(1)
        if last.ended:
            break
    assert table.now - 1000 == IDLE + 1
    assert table.ticker.resting == 0
