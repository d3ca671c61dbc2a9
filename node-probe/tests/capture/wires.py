"""Real wires for capture: a veth from the test's network namespace into a pod's; and a flow table as tests read it."""

import itertools
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from weir_probe.capture.afpacket import AfPacketCapture
from weir_probe.capture.model import HOST, Capture, Interface, NetNs, Selected
from weir_probe.capture.tc import in_netns
from weir_probe.streams.layout import BYTES_BITS, BYTES_MASK, LIVE, OUTCOMES

every_rung = pytest.mark.parametrize("capture", ["core", "bcc", "afpacket"], indirect=True)
#: An Ethertype for experiments (IEEE 802): counted as no IP.
MARKER = 0x88B5
_numbers = itertools.count(1)


def ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"


@dataclass
class Wire:
    """A veth between host and pod, down until `up`, so that what a capture sees is all that its counters count."""

    number: int = field(default_factory=lambda: next(_numbers))

    def __post_init__(self) -> None:
        self.name = f"wt{os.getpid() % 10_000_000}x{self.number}"
        self.path = f"/run/netns/{self.name}"
        net = os.getpid() % 200 * 50 + self.number % 50  # other processes of tests share the host's routes
        self.host4, self.pod4 = (f"10.{200 + net // 250}.{1 + net % 250}.{end}" for end in (1, 2))
        self.host6, self.pod6 = f"fd00:{net:x}::1", f"fd00:{net:x}::2"
        ip("netns", "add", self.name)
        try:
            ip("link", "add", self.name, "type", "veth", "peer", "name", "eth0", "netns", self.name)
            ip("addr", "add", f"{self.host4}/24", "dev", self.name)
            ip("addr", "add", f"{self.host6}/64", "dev", self.name, "nodad")
            ip("-n", self.name, "addr", "add", f"{self.pod4}/24", "dev", "eth0")
            ip("-n", self.name, "addr", "add", f"{self.pod6}/64", "dev", "eth0", "nodad")
            ip("-n", self.name, "link", "set", "lo", "up")
        except BaseException:
            self.remove()
            raise
        self.netns = NetNs(self.number, self.path)
        self.host = Interface(HOST, socket.if_nametoindex(self.name), self.name, False, 2 * self.number)
        index = in_netns(self.netns, lambda: socket.if_nametoindex("eth0"))
        self.pod = Interface(self.netns, index, "eth0", True, 2 * self.number + 1)

    def up(self) -> None:
        """The pod first: what the host sends before there is a carrier passes tc, but not the veth and its counters."""
        ip("-n", self.name, "link", "set", "eth0", "up")
        ip("link", "set", self.name, "up")
        # the kernel gives each side its queue a moment after the carrier is there; what is sent before is dropped
        deadline = time.monotonic() + 20
        while not all(map(self._has_queue, (("link",), ("-n", self.name, "link")))):
            assert time.monotonic() < deadline, f"{self.name} does not come up"
            time.sleep(0.01)

    def _has_queue(self, link: tuple[str, ...]) -> bool:
        device = "eth0" if "-n" in link else self.name
        done = subprocess.run(["ip", *link, "show", device], capture_output=True, text=True, check=True)
        return "state UP" in done.stdout

    @property
    def inode(self) -> int:
        """Of the pod's network namespace."""
        return Path(self.path).stat().st_ino

    def remove(self) -> None:
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, check=False)

    def in_pod(self, make: Callable[[], socket.socket]) -> socket.socket:
        return in_netns(self.netns, make)

    def counters(self) -> tuple[int, int]:
        """Packets and bytes of the host side, both directions."""

        def read(name: str) -> int:
            with open(f"/sys/class/net/{self.name}/statistics/{name}", encoding="ascii") as file:  # noqa: PTH123
                return int(file.read())

        return read("rx_packets") + read("tx_packets"), read("rx_bytes") + read("tx_bytes")

    def inject(self, frames: Sequence[bytes], from_pod: bool = True) -> None:
        """Send raw frames into the veth, and return when tc on its other side has seen them all."""
        near, far = ("eth0", self.name) if from_pod else (self.name, "eth0")
        near_ns, far_ns = (self.netns, HOST) if from_pod else (HOST, self.netns)
        with in_netns(far_ns, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)) as receiver:
            receiver.bind((far, MARKER))  # a handler of one protocol gets frames after tc
            receiver.settimeout(10)

            def send() -> None:
                # One CPU, one queue: the marker is the last to arrive.
                os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
                with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
                    raw.bind((near, 0))
                    for frame in (*frames, bytes(12) + MARKER.to_bytes(2) + bytes(46)):
                        raw.send(frame)

            in_thread(lambda: in_netns(near_ns, send))
            receiver.recv(100)


def in_thread(work: Callable[[], None]) -> None:
    """What a thread does to itself (its CPUs) ends with it."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


@dataclass(frozen=True)
class Totals:
    """What a capture has seen, wherever it put it."""

    stored: tuple[int, int]
    outcomes: dict[str, tuple[int, int]]

    def seen(self, *without: str) -> tuple[int, int]:
        parts = [self.stored, *(counts for name, counts in self.outcomes.items() if name not in without)]
        return sum(packets for packets, _ in parts), sum(size for _, size in parts)


def settle(capture: Capture) -> None:
    """Let the AF_PACKET reader drain its rings."""
    if isinstance(capture, AfPacketCapture):
        while capture.waiting():
            time.sleep(0.01)


def totals(capture: Capture) -> Totals:
    settle(capture)
    words = capture.slots["traffic"][capture.slots["state"] >= LIVE]
    stored = int((words >> np.uint64(BYTES_BITS)).sum()), int((words & np.uint64(BYTES_MASK)).sum())
    counts = capture.outcomes().tolist()
    return Totals(stored, {name: (packets, size) for name, (packets, size) in zip(OUTCOMES, counts, strict=True)})


@dataclass(frozen=True)
class Flow:
    """A slot, read: `sent` and `received` are (packets, bytes) as the workload behind the interface sees them."""

    protocol: int
    ports: tuple[int, int]  # of the workload, of its peer
    sent: tuple[int, int]
    received: tuple[int, int]
    opened_by_workload: bool
    observations: int
    peer_observations: int
    iface: int
    peer_iface: int
    state: int


def totals_and_counters(capture: Capture, wire: Wire) -> tuple[Totals, tuple[int, int]]:
    """Both of one moment: read between two packets (IPv6 sends reports of its own whenever it likes)."""
    for _ in range(50):
        before = wire.counters()
        seen = totals(capture)
        if wire.counters() == before:
            return seen, before
    raise AssertionError(f"{wire.name} is never quiet")


def flows(capture: Capture) -> list[Flow]:
    settle(capture)
    found = []
    for slot in capture.slots[capture.slots["state"] >= LIVE]:
        here = int(slot["workload_side"])
        words = [int(word) for word in slot["traffic"]]
        counts = [(word >> BYTES_BITS, word & BYTES_MASK) for word in words]
        ports = [int(port) for port in slot["port"]]
        found.append(
            Flow(
                int(slot["proto"]),
                (ports[here], ports[1 - here]),
                counts[here],
                counts[1 - here],
                int(slot["opener"]) == here,
                int(slot["observations"]),
                int(slot["peer_observations"]),
                int(slot["iface"]),
                int(slot["peer_iface"]),
                int(slot["state"]),
            )
        )
    return found


def take_all(capture: Capture, *interfaces: Interface, generation: int = 1) -> None:
    """Observation n takes every flow of the n-th interface."""
    capture.program([Selected(face, 1 << n, 1 << n) for n, face in enumerate(interfaces)], {}, generation)


@pytest.fixture(autouse=True)
def needs_root(request: pytest.FixtureRequest) -> None:
    """Skips what cannot be without."""
    if request.node.get_closest_marker("root") and os.geteuid() != 0:
        pytest.skip("needs root: network namespaces, packet sockets, eBPF")


@pytest.fixture
def make_wire() -> Iterator[Callable[[], Wire]]:
    """Makes wires, and removes them."""
    made: list[Wire] = []

    def make() -> Wire:
        made.append(Wire())
        return made[-1]

    yield make
    for wire in made:
        wire.remove()
