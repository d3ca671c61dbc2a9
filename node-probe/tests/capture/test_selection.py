"""What no observation asks for is not stored; what one asks for carries its bit, by direction and server port."""

from collections.abc import Callable

import pytest

import frames
from capture.wires import Wire, flows, settle, take_all, totals
from weir_probe.capture.model import Capture, Selected
from weir_probe.streams.layout import RETIRED
from weir_probe.streams.tick import Ticker

pytestmark = pytest.mark.root
CLIENT, SERVER = 40_000, 8080


def segment(wire: Wire, flags: int, from_pod: bool, sport: int, dport: int, *, protocol: int = frames.TCP) -> bytes:
    source, destination = (wire.pod4, wire.host4) if from_pod else (wire.host4, wire.pod4)
    payload = frames.tcp(sport, dport, flags) if protocol == frames.TCP else frames.udp(sport, dport)
    return frames.ethernet(frames.ip(source, destination, protocol, payload))


def syn(wire: Wire, from_pod: bool, sport: int = CLIENT, dport: int = SERVER) -> bytes:
    return segment(wire, frames.SYN, from_pod, sport, dport)


def tcp_masks(capture: Capture) -> dict[tuple[int, int], int]:
    return {flow.ports: flow.observations for flow in flows(capture) if flow.protocol == frames.TCP}


def test_direction_is_the_openers(capture: Capture, wire: Wire) -> None:
    capture.attach(wire.host)
    capture.program([Selected(wire.host, opened_in=0b01, opened_out=0b10)], {}, 1)
    wire.up()
    wire.inject([syn(wire, True, 1001), segment(wire, frames.SYN | frames.ACK, True, SERVER, 1002)])
    wire.inject([syn(wire, False, 1003), segment(wire, frames.SYN | frames.ACK, False, SERVER, 1004)], from_pod=False)
    assert tcp_masks(capture) == {
        (1001, SERVER): 0b10,
        (SERVER, 1002): 0b01,  # the receiver of SYN+ACK opened it
        (SERVER, 1003): 0b01,
        (1004, SERVER): 0b10,
    }


def test_a_direction_that_nobody_asks_for_is_not_stored(capture: Capture, wire: Wire) -> None:
    capture.attach(wire.host)
    capture.program([Selected(wire.host, opened_in=1, opened_out=0)], {}, 1)
    wire.up()
    before = totals(capture).outcomes["not_selected"][0]
    wire.inject([syn(wire, True)] * 3)
    assert tcp_masks(capture) == {}
    assert totals(capture).outcomes["not_selected"][0] >= before + 3


def test_ports_are_the_servers(capture: Capture, wire: Wire) -> None:
    capture.attach(wire.host)
    selected = Selected(wire.host, opened_in=0b111, opened_out=0b111, by_port=0b011)
    capture.program([selected], {(frames.TCP, 8080): 0b01, (frames.TCP, 40_000): 0b10}, 1)
    wire.up()
    wire.inject([syn(wire, True, 40_000, 8080), syn(wire, True, 40_001, 9090)])
    wire.inject([segment(wire, frames.ACK, True, 40_000, 7070)])
    assert tcp_masks(capture) == {
        (40_000, 8080): 0b101,  # not the client's port, though it is named
        (40_001, 9090): 0b100,
        (40_000, 7070): 0b110,  # no SYN seen: either port may be the server's
    }


def test_ports_are_of_one_protocol(capture: Capture, wire: Wire) -> None:
    capture.attach(wire.host)
    capture.program([Selected(wire.host, 1, 1, by_port=1)], {(frames.UDP, SERVER): 1}, 1)
    wire.up()
    wire.inject([syn(wire, True), segment(wire, 0, True, CLIENT, SERVER, protocol=frames.UDP)])
    assert [(flow.protocol, flow.observations) for flow in flows(capture)] == [(frames.UDP, 1)]


def test_a_new_plan_reaches_running_flows(capture: Capture, wire: Wire) -> None:
    capture.attach(wire.host)
    capture.program([Selected(wire.host, 0b01, 0b01)], {}, 1)
    wire.up()
    wire.inject([syn(wire, True)])
    settle(capture)
    capture.program([Selected(wire.host, 0b10, 0b10)], {}, 2)
    wire.inject([segment(wire, frames.ACK, True, CLIENT, SERVER)])
    (flow,) = (flow for flow in flows(capture) if flow.protocol == frames.TCP)
    assert (flow.observations, flow.sent[0]) == (0b10, 2)


def test_a_flow_that_the_new_plan_leaves_out_is_retired(capture: Capture, wire: Wire) -> None:
    capture.attach(wire.host)
    take_all(capture, wire.host)
    wire.up()
    wire.inject([syn(wire, True)])
    settle(capture)
    capture.program([Selected(wire.host, 1, 0)], {}, 2)
    wire.inject([segment(wire, frames.ACK, True, CLIENT, SERVER)])
    (flow,) = (flow for flow in flows(capture) if flow.protocol == frames.TCP)
    assert (flow.state, flow.sent[0]) == (RETIRED, 1)


def test_an_interface_that_is_no_longer_selected_counts_nothing(capture: Capture, wire: Wire) -> None:
    capture.attach(wire.host)
    take_all(capture, wire.host)
    wire.up()
    capture.program([], {}, 2)
    stored = totals(capture).stored
    wire.inject([syn(wire, True)])
    assert totals(capture).stored == stored


def test_two_interfaces_count_one_flow_once(capture: Capture, wire: Wire) -> None:
    capture.attach(wire.host)
    capture.attach(wire.pod)
    take_all(capture, wire.host, wire.pod)
    wire.up()
    wire.inject([syn(wire, True), syn(wire, True)])
    (flow,) = (flow for flow in flows(capture) if flow.protocol == frames.TCP)
    assert flow.sent[0] == 2
    assert {flow.iface, flow.peer_iface} == {wire.host.id, wire.pod.id}
    assert {flow.observations, flow.peer_observations} == {0b01, 0b10}
    assert totals(capture).outcomes["duplicate"][0] >= 2


def test_the_peers_flows_go_on_when_the_counting_interface_leaves(
    capture: Capture, make_wire: Callable[[], Wire]
) -> None:
    """Two pods' wires see one flow (as when the host routes between them)."""
    first, second = make_wire(), make_wire()
    for wire in (first, second):
        capture.attach(wire.host)
        wire.up()
    take_all(capture, first.host, second.host)
    packet = syn(first, True)
    first.inject([packet])
    second.inject([packet], from_pod=False)
    settle(capture)
    capture.detach(first.host)
    take_all(capture, second.host, generation=2)
    Ticker(capture.slots, capture.exported, 1).retire_interface(first.host.id)
    second.inject([packet], from_pod=False)
    (flow,) = (flow for flow in flows(capture) if flow.protocol == frames.TCP)
    assert (flow.iface, flow.peer_iface, flow.observations) == (second.host.id, 0, 0b01)
    assert flow.received[0] == 2
