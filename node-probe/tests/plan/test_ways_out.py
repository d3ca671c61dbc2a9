"""Which interfaces of a pod are watched from inside: those by which packets leave it, each packet once."""

import pytest

from weir_probe.plan.interfaces import compare
from weir_probe.plan.links import Inner, ways_out

VETH = Inner(2, "eth0", "veth", elsewhere=True)
MACVLAN = Inner(3, "net1", "macvlan", elsewhere=True)
CARD = Inner(4, "net2", "", elsewhere=False)
BOND = Inner(5, "bond0", "bond", elsewhere=False)
VLAN = Inner(6, "eth0.5", "vlan", elsewhere=False)
TUNNEL = Inner(7, "wg0", "wireguard", elsewhere=False, raw_ip=True)


@pytest.mark.parametrize(
    ("inside", "watched_outside", "expected"),
    [
        ([VETH], {2}, []),
        ([VETH], set(), [VETH]),
        ([VETH, MACVLAN, CARD], {2}, [MACVLAN, CARD]),
        ([VETH, VLAN, TUNNEL], {2}, []),  # what they carry passes eth0 once more
        ([MACVLAN, CARD, BOND], set(), [MACVLAN, CARD]),
        ([TUNNEL], set(), [TUNNEL]),  # the only way out
        ([], set(), []),
    ],
)
def test_what_is_watched(inside: list[Inner], watched_outside: set[int], expected: list[Inner]) -> None:
    assert ways_out(inside, watched_outside) == expected


@pytest.mark.parametrize(
    ("inside", "ends", "passed_by"),
    [
        ({"eth0": (5, 7)}, [(7, 5)], False),
        ({"eth0": (5, 7)}, [(9, 6)], False),  # the node's end was read later
        ({"eth0": (6, 7)}, [(7, 5)], True),  # received more than that end was given
        ({"eth0": (5, 8)}, [(7, 5)], True),
        ({"eth0": (5, 7), "tunl0": (9, 9)}, [(7, 5)], False),  # the kernel's own, nobody's
        ({"eth0": (5, 7), "net1": (9, 9)}, [(7, 5)], False),  # has no end on the node to compare with
        ({}, [], False),
    ],
)
def test_packets_that_pass_the_nodes_end_by(
    inside: dict[str, tuple[int, int]], ends: list[tuple[int, int]], passed_by: bool
) -> None:
    assert compare(inside, ends).passed_by is passed_by
