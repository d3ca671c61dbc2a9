# cython: annotation_typing=False
"""What of a flow's payload goes into the ring of segments: the twin of bpf/intake.h, for AF_PACKET."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from weir_probe.streams.engine import FlowEngine
from weir_probe.streams.layout import (
    CHUNK_BYTES,
    FIRST,
    FRESH,
    FRESH_BYTES,
    GIVEN_UP,
    SEGMENT_BYTES,
    SEGMENT_HEAD,
    TURN_BYTES,
    TURN_REACH,
)
from weir_probe.streams.segments import DISCARDED, RATE_WINDOW_BITS, RECORD_HEAD, Segments
from weir_probe.wire import protocols as ip
from weir_probe.wire.copying import copy_bytes

_FRESH, _FIRST, _GIVEN_UP = FRESH, FIRST, GIVEN_UP
_TURN_BYTES, _TURN_REACH, _FRESH_BYTES = TURN_BYTES, TURN_REACH, FRESH_BYTES
_CHUNK_BYTES, _SEGMENT_BYTES = CHUNK_BYTES, SEGMENT_BYTES
_HEAD_BYTES, _RECORD_HEAD = SEGMENT_HEAD.itemsize, RECORD_HEAD
_DISCARDED, _WINDOW_BITS = DISCARDED, RATE_WINDOW_BITS
_NOBODY = 2
_TCP, _UDP = ip.TCP, ip.UDP
_FIN, _SYN, _RST = 0x01, 0x02, 0x04
_RING_FULL, _FLOW_RATE, _NODE_RATE = range(3)
_WORD = 0xFFFFFFFF


class Intake:
    """Writes what a flow engine has counted into a ring. Its reader sees it after `publish`."""

    def __init__(self, ring: Segments, data: npt.NDArray[np.uint8]) -> None:
        self.ring = ring
        self.mask = 0  # observations whose flows give payload
        self.size = ring.size
        self.bytes = data.data
        self.words = data.view(np.uint32).data
        self.tail = ring.tails.data
        self.heads = ring.heads
        self.at = int(ring.heads[0])  # written up to here
        self.born = ring.intakes["born"].data
        self.mode = ring.intakes["mode"].data
        self.spoke = ring.intakes["spoke"].data
        self.turn_end = ring.intakes["turn_end"].data
        self.window = ring.intakes["window"].data
        self.used = ring.intakes["used"].data
        self.taken = ring.intakes["taken"].data
        payload = ring.payload
        self.flow_limit = payload["flow_limit"].data
        self.node_limit = payload["node_limit"].data
        self.node_window = payload["window"].data
        self.node_used = payload["used"].data
        self.lost = payload["lost"].data

    def publish(self) -> None:
        """Let the reader see what was taken."""
        self.heads[0] = self.at

    def take(self, engine: FlowEngine, ts_ns: int) -> None:
        """The payload of the frame that the engine has just accounted."""
        index = engine.carried
        if index < 0 or not engine.packet.complete:
            return
        if not (engine.table.observations[index] | engine.table.peer_observations[index]) & self.mask:
            return
        born = engine.table.first_ns[index] & _WORD
        if self.born[index] != born:
            self.born[index] = born
            self.mode[index] = _FRESH
            self.spoke[index] = _NOBODY
            self.used[index] = 0
            self.taken[index] = 0
        left = self._wanted(index, engine)
        if left < 0 or not self._within_rate(index, ts_ns, left + _HEAD_BYTES):
            return
        self.taken[index] += left
        length = engine.packet.payload
        seq = engine.packet.seq + 1 if engine.packet.tcp_flags & _SYN else engine.packet.seq
        at = engine.packet.payload_at
        while True:
            count = min(left, _CHUNK_BYTES)
            follows = left > count
            told = count if follows else length
            flags = engine.packet.tcp_flags & ~(_FIN | _RST) if follows else engine.packet.tcp_flags
            captured = min(count, max(0, engine.cursor.end - at))
            place = self._reserve(_HEAD_BYTES + captured)
            if place < 0:
                self.lost[0, _RING_FULL] += 1
                return
            word = place >> 2
            self.words[word] = ts_ns & _WORD
            self.words[word + 1] = ts_ns >> 32
            self.words[word + 2] = index
            self.words[word + 3] = born
            self.words[word + 4] = seq & _WORD
            self.words[word + 5] = engine.packet.ack
            self.words[word + 6] = told
            self.words[word + 7] = captured
            self.words[word + 8] = engine.way | flags << 8 | engine.packet.protocol << 16
            place += _HEAD_BYTES
            copy_bytes(self.bytes, place, engine.cursor.buffer, at, captured)
            if not follows:
                return
            left -= count
            length -= count
            at += count
            seq += count

    def _wanted(self, index: int, engine: FlowEngine) -> int:
        """How many of the packet's bytes are wanted; -1: it says nothing that is."""
        if self.mode[index] == _GIVEN_UP:
            return -1
        count = engine.packet.payload
        if engine.packet.protocol == _UDP:
            return min(count, _TURN_BYTES) if count else -1
        count = min(count, _SEGMENT_BYTES)
        if count and self.spoke[index] != engine.way:
            self.spoke[index] = engine.way
            self.turn_end[index] = engine.packet.seq + _TURN_BYTES & _WORD
        if self.mode[index] == _FIRST or (self.mode[index] == _FRESH and self.taken[index] > _FRESH_BYTES):
            left = (self.turn_end[index] - engine.packet.seq) & _WORD
            count = min(count, left) if left <= _TURN_BYTES + _TURN_REACH else 0
        if count == 0 and not engine.packet.tcp_flags & (_SYN | _FIN | _RST):
            return -1
        return count

    def _within_rate(self, index: int, ts_ns: int, count: int) -> bool:
        """Whether flow and node may give so many bytes now."""
        window = ts_ns >> _WINDOW_BITS
        if self.window[index] != window & _WORD:
            self.window[index] = window & _WORD
            self.used[index] = 0
        if self.used[index] + count > self.flow_limit[0]:
            self.lost[0, _FLOW_RATE] += 1
            return False
        if self.node_window[0] != window:
            self.node_window[0] = window
            self.node_used[0] = 0
        self.node_used[0] += count
        if self.node_used[0] > self.node_limit[0]:
            self.lost[0, _NODE_RATE] += 1
            return False
        self.used[index] += count
        return True

    def _reserve(self, count: int) -> int:
        """Where a record of `count` bytes may be written; -1: there is no room. It lies in one piece: the end of the
        ring is skipped where it is too short."""
        size = count + _RECORD_HEAD + 7 & ~7
        place = self.at & (self.size - 1)
        rest = self.size - place
        skipped = rest if rest < size else 0
        if self.at + skipped + size - self.tail[0] > self.size:
            return -1
        if skipped:
            self.words[place >> 2] = skipped - _RECORD_HEAD | _DISCARDED
            self.at += skipped
            place = 0
        self.words[place >> 2] = count
        self.at += size
        return place + _RECORD_HEAD
