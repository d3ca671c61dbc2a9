"""One semantics: the same frames give the same slots in the kernel's program and in the engine of user space."""

import random
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import frames
from capture.wires import Wire, settle
from weir_probe.capture import syscall
from weir_probe.capture.model import Capture, Selected
from weir_probe.streams.engine import FlowEngine
from weir_probe.streams.layout import IFACE, LIVE, SLOT
from weir_probe.streams.table import FlowTable

pytestmark = pytest.mark.root
FRAMES = 3000
PORTS = {(frames.TCP, 80): 0b01, (frames.UDP, 53): 0b01, (frames.SCTP, 7): 0b10}
PEERS = {(bytes(10) + b"\xff\xff" + bytes([10, 9, 0, 0]), 112): 0b1000, (ip_address("fd00::2").packed, 128): 0b1000}
HOSTS = (("10.9.0.1", "10.9.0.2", "10.8.255.1"), ("fd00::1", "fd00::2", "fe80::ffff"))
MAPPED = bytes(10) + b"\xff\xff"
Played = list[tuple[bytes, bool]]  # a frame, and whether the host sends it


def play(seed: int, count: int) -> Played:
    """Frames of few flows, so that they meet: handshakes and resets, fragments in any order, extension headers, tags,
    and frames that are cut short or nonsense."""
    chosen = random.Random(seed)
    found: Played = []

    def transport(version: int) -> tuple[int, bytes]:
        data = bytes(chosen.randrange(60))
        sport, dport = chosen.choice([(80, 1000), (1000, 80), (53, 53), (7, 2000), (2000, 1000)])
        flags = chosen.choice([2, 18, 16, 17, 16, 4, 24])
        return chosen.choice(
            [
                (frames.TCP, frames.tcp(sport, dport, flags, data)),
                (frames.UDP, frames.udp(sport, dport, data)),
                (frames.SCTP, frames.sctp(sport, dport, data)),
                (frames.UDPLITE, frames.udp(sport, dport, data)),
                (frames.DCCP, frames.udp(sport, dport, data)),
                (frames.ICMP, frames.echo(chosen.choice([0, 8]))) if version == 4 else (
                    frames.ICMPV6, frames.echo(chosen.choice([128, 129]))),
                (47, data),
            ]
        )  # fmt: skip

    while len(found) < count:
        version = chosen.choice([4, 6])
        source, destination = chosen.sample(HOSTS[version == 6], 2)
        protocol, payload = transport(version)
        if version == 6 and chosen.random() < 0.2:
            for header in chosen.sample([0, 43, 60, 60], 2):
                payload, protocol = frames.extension(protocol, 8 * chosen.randrange(1, 4)) + payload, header
        if version == 6 and chosen.random() < 0.05:
            payload, protocol = frames.authentication(protocol) + payload, 51
        packet = frames.ip(source, destination, protocol, payload)
        parts = [packet]
        if chosen.random() < 0.2:
            parts = frames.fragments(packet, 16, chosen.randrange(20))
            chosen.shuffle(parts)
        for part in parts:
            frame = frames.ethernet(part, tags=(0x8100,) * chosen.choice([0, 0, 0, 1, 2, 5]))
            if chosen.random() < 0.05:
                frame = frame[: chosen.randrange(14, len(frame) + 1)]
            if chosen.random() < 0.02:
                frame = frame[:14] + chosen.randbytes(len(frame) - 14)
            found.append((frame, chosen.random() < 0.5))
    return found


def runs(frame: bytes) -> bool:
    """Whether BPF_PROG_TEST_RUN takes the frame: of an IP frame it wants the whole fixed header."""
    least = {b"\x08\x00": 20, b"\x86\xdd": 40}.get(frame[12:14], 0)
    return len(frame) >= 14 + least


#: Times, and what says where in memory the flow is.
UNLIKE = ("last", "first_ns", "last_ns", "syn_ns", "synack_ns", "held_ns", "marks", "index", "pad")
ALL = tuple(name for name in SLOT.names or () if name not in UNLIKE)


def summary(slots: npt.NDArray[Any], fields: tuple[str, ...] = ALL) -> set[tuple[bytes, ...]]:
    """Occupied slots without clocks; of the played hosts only, for IPv6 talks on a real wire by itself."""
    ours = {ip_address(host).packed for host in HOSTS[1]} | {MAPPED + ip_address(host).packed for host in HOSTS[0]}
    taken = slots[slots["state"] >= LIVE]
    return {
        tuple(slot[name].tobytes() for name in fields)
        for slot in taken
        if {slot["addr"][side].tobytes() for side in (0, 1)} <= ours
    }


def selected(wire: Wire) -> Selected:
    return Selected(wire.host, opened_in=0b1101, opened_out=0b1110, by_port=0b0011, by_peer=0b1000)


def engine_of(wire: Wire) -> FlowEngine:
    table = np.zeros(1, IFACE)
    entry = selected(wire)
    for name in ("opened_in", "opened_out", "by_port", "by_peer"):
        table[name] = getattr(entry, name)
    table["ifindex"], table["id"], table["generation"] = wire.host.ifindex, wire.host.id, 1
    engine = FlowEngine(FlowTable(capacity=65_536), table)
    for (protocol, port), mask in PORTS.items():
        engine.port_masks.set(protocol, port, mask)
    engine.peer_masks.replace(PEERS)
    return engine


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rung", ["core", "bcc"])
def test_the_kernels_program_and_the_engine(
    open_rung: Callable[..., Capture], wire: Wire, rung: str, seed: int
) -> None:
    capture, engine = open_rung(rung), engine_of(wire)
    capture.program([selected(wire)], PORTS, 1, PEERS)
    fds = capture.fds()
    for frame, outgoing in filter(lambda played: runs(played[0]), play(seed, FRAMES)):
        program = fds["program:0:weir_egress" if outgoing else "program:0:weir_ingress"]
        syscall.test_run(program, frame, ifindex=wire.host.ifindex)
        engine.observe(frame, len(frame), 1, 0, outgoing)
    assert capture.outcomes().tolist() == engine.outcomes.tolist()
    assert summary(capture.slots) == summary(engine.table.slots)
    capture.flush_fragments(0)
    engine.flush_fragments()
    counts = ("addr", "port", "proto", "traffic")  # of datagrams without a first fragment, the kernel forgets the order
    assert summary(capture.slots, counts) == summary(engine.table.slots, counts)
    assert len(summary(engine.table.slots)) > 50


def test_all_rungs_side_by_side_on_one_wire(open_rung: Callable[..., Capture], wire: Wire) -> None:
    captures = [open_rung(rung) for rung in ("core", "bcc", "afpacket")]
    for capture in captures:
        capture.attach(wire.host)
        capture.program([selected(wire)], PORTS, 1, PEERS)
    wire.up()
    played = play(9, FRAMES)
    wire.inject([frame for frame, outgoing in played if not outgoing])
    wire.inject([frame for frame, outgoing in played if outgoing], from_pod=False)
    for capture in captures:
        settle(capture)
        capture.detach(wire.host)
    core, bcc, afpacket = (set(summary(capture.slots)) for capture in captures)
    assert len(core) > 50
    assert core ^ bcc == set()
    assert core ^ afpacket == set()
