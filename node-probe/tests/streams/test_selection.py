"""Which flows the plan selects, and which of two interfaces counts them: as bpf/flow.h says."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from frames import ACK, ICMP, RST, SYN, TCP, UDP, echo, ethernet, fragments, ip, tcp, udp
from weir_probe.streams.engine import FlowEngine
from weir_probe.streams.layout import IFACE, LIVE, OUTCOMES, RETIRED
from weir_probe.streams.table import FlowTable

POD, PEER = "10.0.0.1", "10.0.0.2"
A, B, C = 0, 1, 2  # rows of the interface table; their ids are 11, 12, 13


class Node:
    """An engine with three host-side pod interfaces that no observation asks for yet."""

    def __init__(self, slots: int = 64) -> None:
        self.ifaces = np.zeros(3, IFACE)
        self.ifaces["id"] = [11, 12, 13]
        self.ifaces["generation"] = 1
        self.engine = FlowEngine(FlowTable(capacity=slots), self.ifaces)
        self.now = 1000

    def select(self, row: int, opened_in: int = 0, opened_out: int = 0, by_port: int = 0) -> Node:
        for name, mask in (("opened_in", opened_in), ("opened_out", opened_out), ("by_port", by_port)):
            self.ifaces[name][row] = mask
        return self

    def leaves(self, row: int, packet: bytes) -> None:
        """The pod behind this interface sends: ingress at the host's side."""
        self.see(row, packet, outgoing=False)

    def arrives(self, row: int, packet: bytes) -> None:
        self.see(row, packet, outgoing=True)

    def see(self, row: int, packet: bytes, outgoing: bool) -> None:
        self.now += 1
        frame = ethernet(packet)
        self.engine.observe(frame, len(frame), self.now, row, outgoing)

    @property
    def flows(self) -> npt.NDArray[np.void]:
        slots: npt.NDArray[np.void] = self.engine.table.slots
        live: npt.NDArray[np.void] = slots[slots["state"] == LIVE]
        return live

    @property
    def counted(self) -> int:
        slots = self.engine.table.slots
        return int((slots["traffic"] >> 40).sum())

    @property
    def outcomes(self) -> dict[str, int]:
        packets = self.engine.outcomes[:, 0].tolist()
        return {name: count for name, count in zip(OUTCOMES, packets, strict=True) if count}


def request(flags: int = SYN, port: int = 80) -> bytes:
    return ip(POD, PEER, TCP, tcp(40000, port, flags))


def response(flags: int = SYN | ACK, port: int = 80) -> bytes:
    return ip(PEER, POD, TCP, tcp(port, 40000, flags))


def test_nothing_asked_nothing_counted() -> None:
    node = Node()
    node.leaves(A, request())
    assert len(node.flows) == 0
    assert node.outcomes == {"not_selected": 1}


@pytest.mark.parametrize("pod_side", [0, 1])
@pytest.mark.parametrize(("opened_in", "opened_out", "selected"), [(1, 0, 0), (0, 2, 2), (1, 2, 2)])
def test_flows_that_the_workload_opens(pod_side: int, opened_in: int, opened_out: int, selected: int) -> None:
    """Inside the pod, egress leaves the workload; at the host's side, ingress does."""
    node = Node().select(A, opened_in, opened_out)
    node.ifaces["pod_side"] = pod_side
    node.see(A, request(), outgoing=bool(pod_side))
    node.see(A, response(), outgoing=not pod_side)
    assert node.flows["observations"].tolist() == ([selected] if selected else [])
    assert (node.counted, node.outcomes) == ((2, {}) if selected else (0, {"not_selected": 2}))


def test_flows_that_a_peer_opens() -> None:
    node = Node().select(A, opened_in=1, opened_out=2)
    node.arrives(A, ip(PEER, POD, TCP, tcp(5000, 80, SYN)))
    [flow] = node.flows
    assert flow["observations"] == 1
    assert (flow["iface"], flow["generation"], flow["first_ns"], flow["last"]) == (11, 1, 1001, 1001)
    assert flow["addr"][flow["opener"]][1] >> 32 == int.from_bytes(bytes([10, 0, 0, 2]), "little")
    assert flow["workload_side"] == 1 - flow["opener"]


def test_a_port_is_the_servers_where_the_syn_was_seen() -> None:
    node = Node().select(A, opened_out=3, by_port=2)
    node.engine.port_masks.set(TCP, 80, 2)
    node.leaves(A, request())
    node.leaves(A, request(port=81))
    node.leaves(A, ip(POD, PEER, TCP, tcp(80, 9999, SYN)))
    assert sorted(node.flows["observations"].tolist()) == [1, 1, 3]
    node.engine.port_masks.clear()
    node.leaves(A, ip(POD, PEER, TCP, tcp(1, 80, SYN)))
    assert sorted(node.flows["observations"].tolist()) == [1, 1, 1, 3]


@pytest.mark.parametrize("packet", [request(ACK), response(ACK), ip(POD, PEER, UDP, udp(80, 9999))])
def test_a_port_is_either_where_the_opener_is_a_guess(packet: bytes) -> None:
    node = Node().select(A, opened_out=2, by_port=2)
    for protocol in (TCP, UDP):
        node.engine.port_masks.set(protocol, 80, 2)
    node.leaves(A, packet)
    assert node.flows["observations"].tolist() == [2]


def test_icmp_has_no_port_to_select_by() -> None:
    node = Node().select(A, opened_out=2, by_port=2)
    node.leaves(A, ip(POD, PEER, ICMP, echo(8)))
    assert node.outcomes == {"not_selected": 1}


@pytest.mark.parametrize(("protocol", "port"), [(ICMP, 1), (TCP, -1), (TCP, 65536), (256, 1), (-1, 1)])
def test_ports_that_there_are_not(protocol: int, port: int) -> None:
    with pytest.raises(ValueError, match=r"port"):
        Node().engine.port_masks.set(protocol, port, 1)


def test_the_second_interface_of_a_flow_is_its_peers() -> None:
    """Both pods are on this node: the packet leaves one by A and reaches the other by B."""
    node = Node().select(A, opened_out=1).select(B, opened_in=2)
    for packet, sender, receiver in ((request(), A, B), (response(), B, A), (request(ACK), A, B)):
        node.leaves(sender, packet)
        node.arrives(receiver, packet)
    [flow] = node.flows
    assert (flow["iface"], flow["peer_iface"]) == (11, 12)
    assert (flow["observations"], flow["peer_observations"], flow["peer_generation"]) == (1, 2, 1)
    assert (node.counted, node.outcomes) == (3, {"duplicate": 3})


def test_only_the_peers_interface_asks() -> None:
    node = Node().select(B, opened_in=2)
    for _ in range(2):
        node.leaves(A, request())
        node.arrives(B, request())
    [flow] = node.flows
    assert (flow["iface"], flow["peer_iface"], flow["observations"], flow["peer_observations"]) == (12, 11, 2, 0)
    assert (node.counted, node.outcomes) == (2, {"not_selected": 1, "duplicate": 1})


def test_a_third_interface_is_a_duplicate_only() -> None:
    node = Node().select(A, opened_out=1).select(B, opened_in=2).select(C, 4, 4)
    for row in (A, B, C):
        node.see(row, request(), outgoing=row != A)
    [flow] = node.flows
    assert (flow["peer_iface"], flow["peer_observations"]) == (12, 2)
    assert node.outcomes == {"duplicate": 2}


def test_the_next_interface_takes_a_flow_that_none_counts() -> None:
    node = Node().select(A, opened_out=1).select(B, opened_in=2)
    node.leaves(A, request())
    node.arrives(B, request())
    node.engine.table.slots["iface"][:] = 0  # A is gone
    node.see(C, request(), outgoing=True)  # asks for nothing
    node.arrives(B, request(ACK))
    [flow] = node.flows
    assert (flow["iface"], flow["peer_iface"], flow["observations"]) == (12, 0, 2)
    assert flow["workload_side"] == 1 - flow["opener"]
    assert (node.counted, node.outcomes) == (2, {"duplicate": 1, "not_selected": 1})


def test_a_new_plan_is_followed_at_the_next_packet() -> None:
    node = Node().select(A, opened_out=1)
    node.leaves(A, request())
    node.select(A, opened_out=6)
    node.ifaces["generation"][A] = 2
    node.leaves(A, request(ACK))
    [flow] = node.flows
    assert (flow["observations"], flow["generation"]) == (6, 2)
    node.select(A)
    node.ifaces["generation"][A] = 3
    node.leaves(A, request(ACK))
    assert len(node.flows) == 0
    assert RETIRED in node.engine.table.slots["state"]
    assert (node.counted, node.outcomes) == (2, {"not_selected": 1})


def test_the_peer_keeps_a_flow_that_its_own_interface_no_longer_asks_for() -> None:
    node = Node().select(A, opened_out=1).select(B, opened_in=2)
    node.leaves(A, request())
    node.arrives(B, request())
    node.select(A)
    node.ifaces["generation"] = 2
    node.arrives(B, request(ACK))
    node.leaves(A, request(ACK))
    [flow] = node.flows
    assert (flow["observations"], flow["peer_observations"], node.counted) == (0, 2, 2)


def test_a_reused_port_is_inserted_beside_the_retired_slot() -> None:
    node = Node().select(A, opened_out=1)
    node.leaves(A, request())
    node.arrives(A, response(RST))
    node.leaves(A, request())
    slots = node.engine.table.slots
    assert sorted(slots["state"][slots["state"] > 0].tolist()) == [LIVE, RETIRED]
    assert node.counted == 3


def test_a_full_table_is_counted() -> None:
    node = Node(slots=8).select(A, opened_out=1)
    for port in range(100):
        node.leaves(A, request(port=port))
    assert node.counted + node.outcomes["table_full"] == 100
    assert node.engine.outcomes[4].tolist() == [node.outcomes["table_full"], 54 * node.outcomes["table_full"]]


def test_fragments_on_two_interfaces_are_counted_once() -> None:
    node = Node().select(A, opened_out=1).select(B, opened_in=2)
    parts = fragments(ip(POD, PEER, UDP, udp(5, 6, bytes(100))), 32, 1)
    for part in parts[::-1]:
        node.leaves(A, part)
        node.arrives(B, part)
    assert node.counted == len(parts)
    assert node.outcomes == {"duplicate": len(parts)}


def test_fragments_that_wait_expire_with_time() -> None:
    node = Node().select(A, opened_out=1)
    parts = fragments(ip(POD, PEER, UDP, udp(5, 6, bytes(100))), 32, 1)
    node.leaves(A, parts[1])
    node.engine.expire_fragments(node.now + 30_000_000_000)
    assert node.counted == 0
    node.engine.expire_fragments(node.now + 30_000_000_001)
    assert node.flows["port"].tolist() == [[0, 0]]
    assert node.counted == 1


def test_no_room_for_a_fragment_is_a_loss() -> None:
    node = Node().select(A, opened_out=1)
    node.engine = FlowEngine(node.engine.table, node.ifaces, fragments=1)
    for ident in (1, 2):
        node.leaves(A, fragments(ip(POD, PEER, UDP, udp(5, 6, bytes(100))), 32, ident)[1])
    node.engine.flush_fragments()
    assert (node.counted, node.outcomes) == (1, {"fragments_full": 1})
