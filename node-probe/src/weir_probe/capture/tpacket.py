# cython: annotation_typing=False
"""Walks the blocks of a TPACKET_V3 ring (linux/if_packet.h): no sockets here, the ring is memory.

Every position comes from the ring itself and is read through a Cursor: a damaged block ends its walk, nothing more.
"""

from typing import Final

import cython  # type: ignore[import-untyped]  # Cython's stubs are not under this name
import numpy as np
import numpy.typing as npt

from weir_probe.streams.engine import FlowEngine
from weir_probe.streams.intake import Intake
from weir_probe.wire import linktypes
from weir_probe.wire.cursor import Cursor

#: sockaddr_ll.sll_pkttype of a frame that the host sends.
PACKET_OUTGOING: Final = 4

_OUTGOING = PACKET_OUTGOING
_ETHERNET, _RAW = linktypes.ETHERNET, linktypes.RAW
_SECOND_NS = 1_000_000_000
# struct tpacket_block_desc
_NUM_PKTS, _FIRST_PACKET = 12, 16
# struct tpacket3_hdr; a struct sockaddr_ll follows it, aligned to 16
_NEXT, _SEC, _NSEC, _SNAPLEN, _LEN, _MAC, _HEADER = 0, 4, 8, 12, 16, 24, 48
_PKTTYPE = _HEADER + 10
_GSO_SIZE = 6  # in front of the frame: struct virtio_net_hdr's gso_size


def walk_block(  # noqa: PLR0917 -- a C call
    ring: npt.NDArray[np.uint8],
    block_offset: int,
    engine: FlowEngine,
    iface_index: int,
    intake: Intake | None = None,
    segmented: bool = False,
) -> int:
    """Let `engine` account every frame of the block at `block_offset`, all seen on row `iface_index` of its interfaces,
    and `intake` have what they carry. `segmented`: a struct virtio_net_hdr is before each frame.

    Returns the frames walked; the caller gives the block back to the kernel. The GIL is released meanwhile.
    IndexError: there is no such row.
    """
    if not 0 <= iface_index < len(engine.ifaces):
        raise IndexError(f"interface row {iface_index} is not within the table's {len(engine.ifaces)}")
    cursor = Cursor()
    cursor.bind(ring.data)
    engine.packet.gso_size = 0
    engine.bind(ring.data)
    takes = intake is not None and intake.mask != 0
    with cython.nogil:
        walked = _walk(cursor, block_offset, engine, iface_index, intake, takes, segmented)
    if intake is not None:
        intake.publish()  # having the GIL again: all that was written is seen before
    engine.bind(b"")  # so that nothing keeps the ring mapped
    return walked


def _walk(  # noqa: PLR0917 -- C calls are positional
    cursor: Cursor, block: int, engine: FlowEngine, iface: int, intake: Intake | None, takes: bool, segmented: bool
) -> int:
    count = cursor.u32le(block + _NUM_PKTS)
    at = block + cursor.u32le(block + _FIRST_PACKET)
    link = _RAW if engine.iface_raw_ip[iface] else _ETHERNET
    for walked in range(count):
        ts_ns = cursor.u32le(at + _SEC)
        ts_ns = ts_ns * _SECOND_NS + cursor.u32le(at + _NSEC) + engine.clock_shift_ns
        captured = cursor.u32le(at + _SNAPLEN)
        length = cursor.u32le(at + _LEN)
        frame = at + cursor.u16le(at + _MAC)
        outgoing = cursor.u8(at + _PKTTYPE) == _OUTGOING
        if segmented:
            engine.packet.gso_size = cursor.u16le(frame - _GSO_SIZE)
        if cursor.cut:
            return walked
        engine.frame(frame, captured, length, ts_ns, iface, outgoing, link)
        if takes:
            intake.take(engine, ts_ns)  # type: ignore[union-attr]  # then there is one
        following = cursor.u32le(at + _NEXT)
        if not following:  # the last of the block
            return walked + 1
        at += following
    return count
