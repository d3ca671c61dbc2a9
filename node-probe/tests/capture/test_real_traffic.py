"""Real connections that lose packets: what is measured equals what the kernel's TCP and its interfaces say."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from capture.road import PORT, Road, road
from capture.wires import take_all, totals
from weir_probe.capture import ladder
from weir_probe.capture.model import Capture, CaptureError, Settings
from weir_probe.streams.layout import BYTES_BITS, LIVE, LOST, TIMES
from weir_probe.streams.measures import Measures

__all__ = ["road"]

pytestmark = pytest.mark.root


class Watched:
    """A road with a capture on it, which is read as the tick does it."""

    def __init__(self, road: Road, capture: Capture) -> None:
        self.road, self.capture = road, capture
        self.measures = Measures(capture.measured)

    def read(self) -> None:
        self.measures.apply(self.capture.samples())

    def flows(self) -> npt.NDArray[np.intp]:
        """Slots of connections to the server."""
        slots = self.capture.slots
        return np.flatnonzero((slots["state"] >= LIVE) & (slots["proto"] == 6) & (slots["port"] == PORT).any(axis=1))

    def retransmitted(self) -> tuple[int, int]:
        """Segments that client and server sent again."""
        self.read()
        both = self.capture.slots["retrans"] + self.capture.measured["retrans"]
        client, server = both[self.flows()].sum(axis=0).tolist()
        return client, server

    def missed(self) -> dict[str, int]:
        """What the machine was too busy for, which is counted so."""
        counts = self.capture.losses() | self.capture.unmeasured()
        return {reason: counts[reason] for reason in ("ring_full", "contended") if counts.get(reason)}

    def told(self) -> bool:
        """Whether both have told all: AF_PACKET reads its ring when it gets to it, and a timer may send once more."""
        if self.missed():
            pytest.skip(f"the machine was too busy: {self.missed()}")
        return self.retransmitted() == self.road.retransmitted()

    def settle(self) -> None:
        deadline = time.monotonic() + 10
        while not self.told() and time.monotonic() < deadline:
            time.sleep(0.05)


@pytest.fixture(params=["core", "afpacket"])
def watched(road: Road, request: pytest.FixtureRequest) -> Iterator[Watched]:
    try:
        capture = ladder.open_capture(Settings(rung=request.param, slots=65_536))
    except CaptureError as error:
        pytest.skip(f"this machine refuses the rung {request.param}: {error}")
    cpus = os.sched_getaffinity(0)
    try:
        capture.attach(road.near)
        take_all(capture, road.near)
        if capture.rung == "core":  # one that is taken from a virtual machine within a packet makes others "contended"
            os.sched_setaffinity(0, {min(cpus)})
        yield Watched(road, capture)
    finally:
        os.sched_setaffinity(0, cpus)
        capture.close()


#: How many connections, and what each sends.
ONE, MANY = (1, 4_000_000), (10_000, 6_000)
#: By GSO that is some 60 packets, of which a loss of one in 17 may spare all; of these it spares none.
ONE_BY_GSO = (1, 16_000_000)


def lose(road: Road, how: str, connections: int) -> None:
    if how == "nftables":
        road.lose_one_in(17)
    elif connections == 1:
        road.narrow("300mbit", burst="32kb", limit="64kb")
    else:
        road.narrow("1gbit", burst="128kb", limit="192kb")


def agree(watched: Watched) -> None:
    """Segments sent again, packets and bytes, to the last one."""
    watched.settle()
    assert not any(watched.capture.unmeasured().values())
    seen = totals(watched.capture)
    assert watched.told()
    assert seen.seen() == watched.road.counters()
    assert all(seen.outcomes[reason] == (0, 0) for reason in LOST)


@pytest.mark.parametrize(
    ("loss", "gso", "sack"),
    [("nftables", "on", 1), ("nftables", "off", 1), ("nftables", "on", 0), ("tbf", "on", 1), ("tbf", "off", 0)],
)
def test_a_long_connection_that_loses_packets(watched: Watched, loss: str, gso: str, sack: int) -> None:
    road = watched.road
    road.run(road.client, "ethtool", "-K", "eth0", "gso", gso, "tso", gso)
    road.run(road.client, "sysctl", "-qw", f"net.ipv4.tcp_sack={sack}")  # without: RFC 6582
    connections, size = ONE_BY_GSO if gso == "on" else ONE
    lose(road, loss, connections)
    road.connect(connections, size, watched.read)
    agree(watched)
    assert watched.retransmitted()[0] > 0
    slots = watched.capture.slots[watched.flows()]
    packets = (slots["traffic"] >> np.uint64(BYTES_BITS)).sum()
    assert packets + slots["merged"].sum() >= size / 1460, "each segment counts"
    counts = watched.capture.measured["count"][watched.flows()].sum(axis=0)
    assert counts[TIMES.index("rtt")] == 1


def test_what_the_interface_merges_counts_as_it_was_sent(watched: Watched) -> None:
    """GRO makes one packet of several before it is captured; the interface's counters are of before."""
    road = watched.road
    road.run(road.client, "ethtool", "-K", "eth0", "gso", "off", "tso", "off")
    road.run(road.router, "ethtool", "-K", "near", "gro", "on")
    # then it has a queue of 256 packets (VETH_RING_SIZE) before it, which must not lose any
    road.run(road.server, "sysctl", "-qw", "net.ipv4.tcp_rmem=4096 65536 131072")
    connections, size = ONE
    lose(road, "nftables", connections)
    road.connect(connections, size, watched.read)
    watched.settle()
    assert watched.retransmitted() == road.retransmitted()
    assert watched.retransmitted()[0] > 0
    merged = int(watched.capture.slots["merged"][watched.flows()].sum())
    assert merged > 0
    assert totals(watched.capture).seen()[0] + merged == road.counters()[0]


@pytest.mark.parametrize("loss", ["nftables", "tbf"])
def test_ten_thousand_connections_that_lose_packets(watched: Watched, loss: str) -> None:
    connections, size = MANY
    lose(watched.road, loss, connections)
    together = 300 if watched.capture.rung == "afpacket" else connections  # its ring holds less than all of them send
    watched.road.connect(connections, size, watched.read, together=together)
    agree(watched)
    assert len(watched.flows()) == connections
    assert watched.retransmitted()[0] > 100
