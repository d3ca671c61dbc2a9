"""Blocks of a TPACKET_V3 ring, made here as the kernel makes them (linux/if_packet.h)."""

import mmap
import struct

import numpy as np
import pytest

from frames import SYN, TCP, ethernet, ip, tcp
from weir_probe.capture.tpacket import walk_block
from weir_probe.streams.engine import FlowEngine
from weir_probe.streams.layout import IFACE, LIVE
from weir_probe.streams.table import FlowTable

BLOCK = 4096
HOST, OUTGOING = 0, 4


def block(frames: list[tuple[bytes, int, int]]) -> bytes:
    """(bytes, length on the interface, packet type) as one block: descriptor, then a header per frame."""
    out = struct.pack("<IIIIIIQIIII", 1, 0, 1, len(frames), 48, 0, 0, 0, 0, 0, 0)
    for at, (data, length, kind) in enumerate(frames):
        size = (48 + 20 + 12 + 2 + len(data) + 15) & ~15
        following = 0 if at == len(frames) - 1 else size
        head = struct.pack("<IIIIIIHH", following, 5, at, len(data), length, 0, 82, 96)
        head += struct.pack("<IIHH8x", 0, 0, 0, 0)
        address = struct.pack("<HHiHBB8x", 17, 8, 3, 1, kind, 6)
        out += (head + address + bytes(14) + data).ljust(size, b"\0")
    return out.ljust(BLOCK, b"\0")


def engine(**fields: int) -> FlowEngine:
    ifaces = np.zeros(2, IFACE)
    ifaces["id"], ifaces["opened_out"] = [7, 8], 1
    for name, value in fields.items():
        ifaces[name] = value
    return FlowEngine(FlowTable(capacity=64), ifaces)


PACKET = ip("10.0.0.1", "10.0.0.2", TCP, tcp(5, 6, SYN))


def test_frames_of_a_block() -> None:
    frame = ethernet(PACKET)
    ring = np.frombuffer(bytes(BLOCK) + block([(frame, 70_000, HOST), (frame, 60, OUTGOING)]), np.uint8)
    made = engine()
    assert walk_block(ring, BLOCK, made, 1) == 2
    [flow] = made.table.slots[made.table.slots["state"] == LIVE]
    assert flow["traffic"].tolist() == [(2 << 40) + 70_060, 0]
    assert (flow["iface"], flow["workload_side"]) == (8, 0)
    assert (flow["first_ns"], flow["last"]) == (5_000_000_000, 5_000_000_001)


def test_direction_decides_whose_flow_it_is() -> None:
    """Sent by the host to the pod's interface: it reaches the workload, which did not open the flow."""
    ring = np.frombuffer(block([(ethernet(PACKET), 54, OUTGOING)]), np.uint8)
    made = engine()
    assert walk_block(ring, 0, made, 0) == 1
    assert made.outcomes[1].tolist() == [1, 54]


def test_an_interface_without_link_header() -> None:
    ring = np.frombuffer(block([(PACKET, 40, HOST)]), np.uint8)
    made = engine(raw_ip=1)
    walk_block(ring, 0, made, 0)
    assert made.table.slots["port"].max(axis=0).tolist() == [5, 6]


def test_time_may_be_shifted_to_another_clock() -> None:
    made = engine()
    made.clock_shift_ns = -4_000_000_000
    walk_block(np.frombuffer(block([(ethernet(PACKET), 54, HOST)]), np.uint8), 0, made, 0)
    assert made.table.slots["first_ns"].max() == 1_000_000_000


def test_the_ring_can_be_unmapped_afterwards() -> None:
    memory = mmap.mmap(-1, BLOCK)
    memory[:] = block([(ethernet(PACKET), 54, HOST)])
    made, ring = engine(), np.frombuffer(memory, np.uint8)
    walk_block(ring, 0, made, 0)
    del ring
    memory.close()  # BufferError while anyone holds it


def test_an_empty_block() -> None:
    made = engine()
    assert walk_block(np.frombuffer(block([]), np.uint8), 0, made, 0) == 0
    assert made.frames == 0


def test_a_row_that_is_not_there() -> None:
    with pytest.raises(IndexError, match="row 2"):
        walk_block(np.frombuffer(block([]), np.uint8), 0, engine(), 2)


@pytest.mark.parametrize("field", [12, 16, 48, 48 + 12, 48 + 24])
def test_a_damaged_block_ends_its_walk(field: int) -> None:
    """The count, the first offset, next offset, captured length, start of the frame: none leads out of the ring."""
    frame = ethernet(PACKET)
    ring = bytearray(block([(frame, 54, HOST)] * 3))
    ring[field : field + (2 if field == 72 else 4)] = b"\xff\xff\xff\xff"[: 2 if field == 72 else 4]
    made = engine()
    assert 0 <= walk_block(np.frombuffer(ring, np.uint8), 0, made, 0) <= 3
