"""A packet socket on one interface with its TPACKET_V3 ring (linux/if_packet.h): opened, cut, drained, ended."""

import ctypes
import errno
import mmap
import os
import socket
import struct
from contextlib import suppress
from typing import Final

import numpy as np

from weir_probe.capture import gso
from weir_probe.capture.gso import SOL_PACKET
from weir_probe.capture.model import CaptureError, Interface, InterfaceGone
from weir_probe.capture.tpacket import walk_block
from weir_probe.streams.engine import FlowEngine
from weir_probe.streams.intake import Intake

BLOCK_BYTES: Final = 1 << 17  # a GSO frame has to fit
MAX_RING_BYTES: Final = 1 << 22
MIN_RING_BYTES: Final = 2 * BLOCK_BYTES
RING_SHARE: Final = 64  # a ring takes at most this part of the memory that is left

_PACKET_RX_RING, _PACKET_STATISTICS, _PACKET_VERSION = 5, 6, 10
_TPACKET_V3: Final = 2
_ETH_P_ALL, _ETH_P_NONE = 3, 0x0060  # the latter is of frames that a device loops back to test itself
_SO_ATTACH_FILTER: Final = 26
_FRAME_BYTES: Final = 2048
#: A block that is not full is handed over after that: however few the packets, a reader that is held up for longer than
#: this times the blocks of its ring loses some.
_RETIRE_MS: Final = 150
_STATUS, _NUM_PKTS, _SEQUENCE = 8, 12, 24  # in struct tpacket_block_desc
_KERNEL, _USER = 0, 1


def ring_size(left: int) -> int:
    """Bytes of the next ring when `left` bytes of the memory for rings are free; 0: none fits."""
    if left < MIN_RING_BYTES:
        return 0
    return max(MIN_RING_BYTES, min(MAX_RING_BYTES, left // RING_SHARE) // BLOCK_BYTES * BLOCK_BYTES)


class PacketRing:
    """A packet socket on one interface and its mapped ring."""

    def __init__(self, sock: socket.socket, size: int) -> None:
        self.sock = sock
        self.size = size
        self.segmented = gso.asked(sock)
        self.memory = np.frombuffer(mmap.mmap(sock.fileno(), size, mmap.MAP_SHARED), np.uint8)
        blocks = self.memory.reshape(-1, BLOCK_BYTES)
        self.status = blocks[:, _STATUS : _STATUS + 4].view(np.uint32)[:, 0]
        self.packets = blocks[:, _NUM_PKTS : _NUM_PKTS + 4].view(np.uint32)[:, 0]
        self.sequence = blocks[:, _SEQUENCE : _SEQUENCE + 8].view(np.uint64)[:, 0]
        # A fresh ring starts at block 0; one taken over at its oldest full block, else at the one being filled.
        full = np.flatnonzero(self.status & _USER)
        self.next = int(full[np.argmin(self.sequence[full])]) if len(full) else int(np.argmax(self.sequence))

    @classmethod
    def open(cls, interface: Interface, size: int, snap: int, segmented: bool) -> "PacketRing":
        """In the calling thread's network namespace. Nothing is seen of other interfaces: bound before it is fed."""
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            sock.setblocking(False)
            sock.setsockopt(SOL_PACKET, _PACKET_VERSION, _TPACKET_V3)
            if segmented:
                gso.ask(sock)
            _cut_frames(sock, snap)
            request = (BLOCK_BYTES, size // BLOCK_BYTES, _FRAME_BYTES, size // _FRAME_BYTES, _RETIRE_MS, 0, 0)
            sock.setsockopt(SOL_PACKET, _PACKET_RX_RING, struct.pack("=7I", *request))
            _bind(sock, interface.ifindex)
            return cls(sock, size)
        except OSError as error:
            sock.close()
            if error.errno in (errno.ENODEV, errno.ENXIO):
                raise InterfaceGone(f"interface {interface.name} ({interface.ifindex}) is gone") from None
            raise CaptureError(f"cannot open a packet socket on {interface.name}: {error}") from None

    def cut(self, snap: int) -> None:
        """From here on take the first `snap` bytes of every frame."""
        _cut_frames(self.sock, snap)

    def drain(self, engine: FlowEngine, row: int, intake: Intake) -> None:
        """Walk what is full, one round of the ring at most."""
        for _ in range(len(self.status)):
            if not self.status[self.next] & _USER:
                return
            self._walk(engine, row, intake)

    def finish(self, ifindex: int, engine: FlowEngine, row: int, intake: Intake) -> None:
        """Nothing comes any more; walk all that has, the block that was being filled included."""
        with suppress(OSError):  # the interface is gone, and sends nothing
            _bind(self.sock, ifindex, _ETH_P_NONE)  # returns when no packet is on its way to the ring
        self.drain(engine, row, intake)
        if self.waiting():
            self._walk(engine, row, intake)

    def waiting(self) -> bool:
        """Packets have come that were not walked."""
        return bool(self.status[self.next] & _USER or self.packets[self.next])

    def _walk(self, engine: FlowEngine, row: int, intake: Intake) -> None:
        walk_block(self.memory, self.next * BLOCK_BYTES, engine, row, intake, self.segmented)
        self.packets[self.next] = 0  # the kernel's own zero comes when it opens the block again
        self.status[self.next] = _KERNEL
        self.next = (self.next + 1) % len(self.status)

    def dropped(self) -> int:
        """Packets since the last call that found no room."""
        _, drops, _ = struct.unpack("=III", self.sock.getsockopt(SOL_PACKET, _PACKET_STATISTICS, 12))
        return int(drops)

    def is_bound(self) -> bool:
        """False once the interface is gone."""
        return bool(self.sock.getsockname()[0])


def _bind(sock: socket.socket, ifindex: int, protocol: int = _ETH_P_ALL) -> None:
    """By number: a name may be another interface's by now."""
    address = struct.pack("=HHiHBB8s", socket.AF_PACKET, socket.htons(protocol), ifindex, 0, 0, 0, b"")
    if ctypes.CDLL(None, use_errno=True).bind(sock.fileno(), address, len(address)):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def _cut_frames(sock: socket.socket, snap: int) -> None:
    """A classic filter that takes the first `snap` bytes of every frame (linux/filter.h: ret #k)."""
    code = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, snap), 8)
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", 1, ctypes.addressof(code)))
