"""Flows whose peer is being asked for: they wait, and everything they counted is the owner's."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from tick.simulated import Table
from weir_api.feed import Identity as Owner
from weir_api.feed import IdentityKind
from weir_api.selector import Workload
from weir_probe.export.names import Names
from weir_probe.export.peers import EXTERNAL, Identity, default_classes, pack
from weir_probe.plan.pods import LocalPod

WEB = 5
FAR = "10.9.0.1"
A = Owner(kind=IdentityKind.POD, namespace="shop", name="a-1", owner_kind="Deployment", owner_name="a", addresses=[FAR])
B = Owner(kind=IdentityKind.POD, namespace="shop", name="b-1", owner_kind="Deployment", owner_name="b", addresses=[FAR])


class Node:
    """A flow table whose flows are named by `names`, which asks the test."""

    def __init__(self, wait_s: float = 1000.0) -> None:
        self.names = Names(default_classes([]), asks=True, wait_s=wait_s)
        self.table = Table(64)
        self.table.aggregator.with_metrics = 1
        self.table.aggregator.peers = self.names.table
        self.table.behind[0, 1] = WEB
        for number in range(10):
            self.names.number(Identity("workload", "test", "Pod", f"filler-{number}"))

    def flow(self, port: int = 40000, far: str = FAR) -> int:
        return self.table.insert("10.0.0.1", far, ports=(port, 80))

    def tick(self) -> None:
        self.table.tick()
        self.names.after_tick()

    def learn(self, who: Owner | None, far: str = FAR) -> None:
        self.names.learn(pack(ip_address(far)), who)

    def by_peer(self) -> dict[str, int]:
        """Packets sent, by peer."""
        found: dict[str, int] = {}
        for key, counts in self.table.series().items():
            name = str(self.names.identity(key[4]))
            found[name] = found.get(name, 0) + counts[0]
        return found

    @property
    def stored(self) -> int:
        return int(self.table.aggregator.stored[0])


def test_a_flow_waits_for_its_peers_name_and_all_is_the_peers() -> None:
    node = Node()
    i = node.flow()
    for _ in range(3):
        node.table.send(i, 0, 1, 100)
        node.tick()
    assert node.names.met == [pack(ip_address(FAR))]
    assert (node.by_peer(), node.stored, node.table.aggregator.waiting) == ({}, 0, 1)
    node.learn(A)
    node.tick()
    assert (node.by_peer(), node.stored) == ({"shop/a": 3}, 3)
    assert node.table.total(0)[0] == 3
    assert int(node.table.aggregator.totals["opened"][0]) == 1, "it began once"


def test_a_flow_that_ends_while_it_waits_keeps_its_slot_until_it_is_read() -> None:
    node = Node()
    i = node.flow()
    node.table.send(i, 0, 2, 200)
    node.table.replace(i)
    for _ in range(4):
        assert not node.table.tick().ended
        node.names.after_tick()
    node.learn(A)
    assert node.table.wait(1).ended
    assert node.by_peer() == {"shop/a": 2}


def test_without_an_answer_it_counts_for_its_class_after_a_while() -> None:
    node = Node(wait_s=0.0)
    node.table.send(node.flow(), 0, 1, 100)
    node.table.send(node.flow(far="203.0.113.5"), 0, 1, 100)
    node.tick()
    assert node.by_peer() == {}
    node.tick()
    assert node.by_peer() == {"cluster": 1, "external": 1}
    node.learn(A)
    node.table.send(0, 0, 5, 500)
    node.tick()
    assert node.by_peer() == {"cluster": 1, "external": 1, "shop/a": 5}


def test_nobody_is_an_answer() -> None:
    node = Node()
    node.table.send(node.flow(), 0, 1, 100)
    node.tick()
    node.learn(None)
    node.tick()
    assert node.by_peer() == {"cluster": 1}


@pytest.mark.parametrize("gone_first", [True, False])
def test_an_address_that_another_pod_takes_while_flows_live(gone_first: bool) -> None:
    node = Node()
    old = node.flow()
    node.tick()
    node.learn(A)
    node.table.send(old, 0, 1, 100)
    node.tick()
    if gone_first:
        node.learn(None)
        node.table.send(old, 0, 10, 1000)  # to whom it was: nobody else has it
        young = node.flow(port=40001)
        node.table.send(young, 0, 100, 1000)
        node.tick()
        assert node.by_peer() == {"shop/a": 11}
    else:
        young = node.flow(port=40001)
        node.table.send(young, 0, 100, 1000)
    assert node.names.counted(pack(ip_address(FAR)))
    if not gone_first:
        node.tick()  # what was counted before the change is the former owner's
        assert node.by_peer() == {"shop/a": 101}
    node.learn(B)
    node.table.send(old, 0, 1000, 1000)
    node.tick()
    expected = {"shop/a": 11, "shop/b": 1100} if gone_first else {"shop/a": 101, "shop/b": 1000}
    assert node.by_peer() == expected


def test_when_nobody_comes_after_the_owner_its_flows_are_nobodys() -> None:
    node = Node(wait_s=0.0)
    i = node.flow()
    node.tick()
    node.learn(A)
    node.table.send(i, 0, 1, 100)
    node.tick()
    node.learn(None)
    node.table.send(i, 0, 10, 100)
    node.tick()
    node.table.send(i, 0, 100, 100)
    node.tick()
    assert node.by_peer() == {"shop/a": 11, "cluster": 100}


def test_an_impatient_tick_counts_what_waits() -> None:
    node = Node()
    node.table.send(node.flow(), 0, 1, 100)
    node.tick()
    node.table.aggregator.patient = False
    node.tick()
    assert node.by_peer() == {"cluster": 1}


def test_addresses_of_this_nodes_links_and_flows_that_nobody_observes_are_not_asked_for() -> None:
    node = Node()
    node.table.send(node.flow(far="169.254.1.1"), 0, 1, 100)
    node.table.insert("10.0.0.1", "10.9.0.7", observations=0)
    node.tick()
    assert node.names.met == []
    assert node.by_peer() == {"node": 1}


def test_an_address_that_no_flow_has_any_more_is_forgotten_and_asked_for_anew() -> None:
    node = Node()
    i = node.flow()
    node.tick()
    node.learn(A)
    node.tick()
    node.table.replace(i)
    node.table.wait(1)
    node.table.wait(1)
    node.names.met.clear()
    node.names.forget(node.table.ticker.tick + 1)
    assert node.names.dropped == [pack(ip_address(FAR))]
    assert node.names.table.used == 0
    node.learn(B)  # comes too late
    node.table.send(node.flow(), 0, 1, 100)
    node.tick()
    assert node.names.met == [pack(ip_address(FAR))]
    node.learn(B)
    node.tick()
    assert node.by_peer()["shop/b"] == 1


def test_what_finds_no_room_is_counted_and_keeps_its_class() -> None:
    node = Node()
    node.names.table = node.table.aggregator.peers = type(node.names.table)(default_classes([]), 2, asks=True)
    for n in range(4):
        node.table.send(node.flow(far=f"10.9.0.{n}"), 0, 1, 100)
    node.tick()
    node.tick()
    assert (node.names.table.used, node.names.table.refused) == (2, 2)
    assert node.by_peer() == {"cluster": 2}


def test_a_pod_of_this_node_needs_no_asking_and_leaves_its_address_to_be_asked_for() -> None:
    node = Node()
    api = LocalPod(Workload("shop", "api-1", {}), "u1", ("Deployment", "api"), (FAR,))
    node.names.set_pods([api])
    i = node.flow()
    node.table.send(i, 0, 1, 100)
    node.tick()
    assert (node.by_peer(), node.names.met) == ({"shop/api": 1}, [])
    node.names.set_pods([])
    node.table.send(i, 0, 10, 100)
    node.tick()
    assert (node.by_peer(), node.names.met) == ({"shop/api": 11}, [pack(ip_address(FAR))])
    node.learn(A)
    node.table.send(i, 0, 100, 100)
    node.tick()
    assert node.by_peer() == {"shop/api": 11, "shop/a": 100}


def test_services_and_nodes_have_names() -> None:
    node = Node()
    service = Owner(kind=IdentityKind.SERVICE, namespace="shop", name="api", addresses=["10.96.0.1"])
    worker = Owner(kind=IdentityKind.NODE, name="node-2", addresses=["203.0.113.7"])
    for address, who in (("10.96.0.1", service), ("203.0.113.7", worker)):
        node.table.send(node.flow(far=address), 0, 1, 100)
        node.tick()
        node.learn(who, address)
    node.tick()
    assert node.by_peer() == {"shop/service/api": 1, "node/node-2": 1}


def test_indices_of_names_that_nothing_holds_are_used_again() -> None:
    node = Node()
    for number in range(5000):
        node.names.number(Identity("workload", "shop", "Pod", f"p{number}"))
    for _ in range(2):
        node.names.tidy({20})
    assert node.names.number(Identity("workload", "shop", "Pod", "fresh")) < 5013
    assert node.names.identity(20) == Identity("workload", "shop", "Pod", "p7")
    assert node.names.identity(EXTERNAL) == Identity("external")
