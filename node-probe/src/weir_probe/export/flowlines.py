# cython: annotation_typing=False
"""Flow records as lines of JSON: the fields of weir_api.records.FlowRecord."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, Protocol

import numpy as np

from weir_probe.export.jsontext import JsonText
from weir_probe.streams.layout import COUNTERS, TIMES
from weir_probe.streams.performance import CLOSE_TYPES
from weir_probe.wire.protocols import protocol_name

#: Of lines that are written at once, unless one alone is longer.
_CHUNK = 64 << 10
#: Of a line, but for names and what signals told.
_FIXED = 4096
_COUNTERS, _TIMES = len(COUNTERS), len(TIMES)
_QUOTE, _POINT, _ZERO = 0x22, 0x2E, 0x30

# What a line is made of beside its values; what was measured, close types and protocols come after them
_FLOW, _SEQUENCE, _INTERVAL, _END, _START, _LAST, _SRC, _DST = range(8)
_SRC_PORT, _DST_PORT, _PROTOCOL, _PACKETS, _BYTES, _FLAGS = 8, 9, 10, 11, 13, 15
_CONNECTION, _NAT, _NAT_PORT, _LINE_END = range(17, 21)
_KEYS: Final = (
    '{"flow_id":"',
    '","sequence":',
    ',"reason":"interval"',
    ',"reason":"end"',
    ',"start":"',
    ',"end":"',
    ',"src":',
    ',"dst":',
    ',"src_port":',
    ',"dst_port":',
    ',"protocol":',
    *(f',"{what}_{way}":' for what in ("packets", "bytes", "tcp_flags") for way in ("tx", "rx")),
    ',"connection":"',
    ',"dst_nat":',
    ',"dst_nat_port":',
    "}\n",
)
_FIRST_FIGURE = len(_KEYS)
_FIRST_COUNT = _FIRST_FIGURE + _COUNTERS
_FIRST_CLOSE = _FIRST_COUNT + 3 * _TIMES
_FIRST_PROTOCOL = _FIRST_CLOSE + len(CLOSE_TYPES)
_PIECES: Final = (
    *_KEYS,
    *(f',"{name}":' for name in COUNTERS),
    *(f',"{name}_{part}":' for part in ("count", "sum_us", "max_us") for name in TIMES),
    *(f',"close_type":"{name}"' for name in CLOSE_TYPES),
    *(json.dumps(protocol_name(number)) for number in range(256)),
)


class Teller(Protocol):
    """The JSON of what repeats within a block: names may hold anything, so all of it is escaped."""

    def end(self, which: int, iface: int, packed: bytes) -> tuple[bytes, bytes]:
        """src (0), dst (1) or dst_nat (2), with this address and behind this interface (0: none watched): the address,
        and who that is as members of an object, each after a comma."""

    def observations(self, mask: int) -> bytes:
        """The member that names these."""

    def interfaces(self, src: int, dst: int) -> bytes:
        """The member that names those that are watched at both ends."""


class FlowLines(JsonText):
    """Writes the rows of one records.RecordBlock, some at a time; `row` is the next."""

    def __init__(self, block: Any, teller: Teller, told: Iterator[str] | None) -> None:
        """`told`: of each row in turn, members that signals give; None: there are none."""
        super().__init__(_PIECES)
        self.teller = teller
        self.told = told
        self.told_row = -1
        self.words = b""
        self.row = 0
        self.count = len(block)
        self.flow_id = block.flow_id.data
        self.sequence = block.sequence.data
        self.ended = block.ended.view(np.uint8).data
        self.asked = block.asked.data
        self.start_ns = block.start_ns.data
        self.end_ns = block.end_ns.data
        self.addr = block.addr.data
        self.port = block.port.data
        self.proto = block.proto.data
        self.packets = block.packets.data
        self.octets = block.bytes.data
        self.tcp_flags = block.tcp_flags.data
        self.counters = block.counters.data
        self.counted = block.count.data
        self.sum_ns = block.sum_ns.data
        self.max_ns = block.max_ns.data
        self.close_type = block.close_type.data
        self.iface = block.iface.data
        self.connection = block.connection.data
        self.nat_addr = block.nat_addr.data
        self.nat_port = block.nat_port.data
        #: Where in the pool what was told begins, by what it is of; how long it is, and how much of that is an address.
        self.known: dict[tuple[int, ...], tuple[int, int, int]] = {}
        # of the row that is written: src, dst, dst_nat, observations, interfaces
        self.part_at = np.zeros(5, np.int64).data
        self.part_size = np.zeros(5, np.int64).data
        self.address_size = np.zeros(5, np.int64).data

    def some(self) -> bytes:
        """The next lines."""
        self.at = 0
        while self.row < self.count:
            most = self._look_up(self.row)
            if self.at and self.at + most > _CHUNK:
                break
            self._make_room(most)
            self._line(self.row)
            self.row += 1
        return bytes(self.out[: self.at])

    def _look_up(self, row: int) -> int:
        """What is told of a row, and how long its line may be."""
        self._end(0, self.iface[row, 0], self.addr[row, 0, 0], self.addr[row, 0, 1])
        self._end(1, self.iface[row, 1], self.addr[row, 1, 0], self.addr[row, 1, 1])
        self.part_size[2] = 0
        if self.nat_addr[row, 0] | self.nat_addr[row, 1]:
            self._end(2, 0, self.nat_addr[row, 0], self.nat_addr[row, 1])
        self._part(3, (self.asked[row],))
        self._part(4, (self.iface[row, 0], self.iface[row, 1]))
        if self.told is not None and self.told_row != row:
            self.told_row = row
            self.words = next(self.told).encode()
        most = _FIXED + len(self.words)
        for part in range(5):
            most += self.part_size[part]
        return most

    def _end(self, which: int, iface: int, first: int, second: int) -> None:
        self._part(which, (which, iface, first, second))

    def _part(self, part: int, key: tuple[int, ...]) -> None:
        known = self.known.get(key)
        if known is None:
            known = self.known[key] = self._ask(part, key)
        self.part_at[part], self.part_size[part], self.address_size[part] = known

    def _ask(self, part: int, key: tuple[int, ...]) -> tuple[int, int, int]:
        at, address = self.pooled, b""
        if part == 3:
            words = self.teller.observations(*key)
        elif part == 4:
            words = self.teller.interfaces(*key)
        else:
            packed = key[2].to_bytes(8, "little") + key[3].to_bytes(8, "little")
            address, words = self.teller.end(part, key[1], packed)
        self._enter(address + words)
        return at, len(address) + len(words), len(address)

    def _line(self, row: int) -> None:
        self._piece(_FLOW)
        self._hex(self.flow_id[row], 16)
        self._member(_SEQUENCE, self.sequence[row])
        self._piece(_END if self.ended[row] else _INTERVAL)
        self._names(3)
        self._piece(_START)
        self._instant(self.start_ns[row])
        self._piece(_LAST)
        self._instant(self.end_ns[row])
        for end in range(2):
            self._piece(_SRC + end)
            self._address(end)
        for end in range(2):
            self._member(_SRC_PORT + end, self.port[row, end])
        self._piece(_PROTOCOL)
        self._piece(_FIRST_PROTOCOL + self.proto[row])
        self._names(0)
        self._names(1)
        for way in range(2):
            self._member(_PACKETS + way, self.packets[row, way])
        for way in range(2):
            self._member(_BYTES + way, self.octets[row, way])
        for way in range(2):
            self._member(_FLAGS + way, self.tcp_flags[row, way])
        self._names(4)
        if self.connection[row]:
            self._piece(_CONNECTION)
            self._hex(self.connection[row], 16)
            self._byte(_QUOTE)
        if self.part_size[2]:
            self._piece(_NAT)
            self._address(2)
            self._member(_NAT_PORT, self.nat_port[row])
            self._names(2)
        self._figures(row)
        for byte in self.words:
            self._byte(byte)
        self._piece(_LINE_END)

    def _address(self, part: int) -> None:
        self._copy(self.part_at[part], self.address_size[part])

    def _names(self, part: int) -> None:
        size = self.address_size[part]
        self._copy(self.part_at[part] + size, self.part_size[part] - size)

    def _figures(self, row: int) -> None:
        """What was measured; what is 0 is left out, for it mostly is."""
        for which in range(_COUNTERS):
            if self.counters[row, which]:
                self._member(_FIRST_FIGURE + which, self.counters[row, which])
        for what in range(_TIMES):
            if self.counted[row, what]:
                self._member(_FIRST_COUNT + what, self.counted[row, what])
        for what in range(_TIMES):
            if self.sum_ns[row, what]:
                self._piece(_FIRST_COUNT + _TIMES + what)
                self._us(self.sum_ns[row, what])
        for what in range(_TIMES):
            if self.max_ns[row, what]:
                self._piece(_FIRST_COUNT + 2 * _TIMES + what)
                self._us(self.max_ns[row, what])
        if self.close_type[row]:
            self._piece(_FIRST_CLOSE + self.close_type[row])

    def _us(self, ns: int) -> None:
        """Microseconds, with as many decimals as it takes, and one at least."""
        self._number(ns // 1000)
        self._byte(_POINT)
        self._digits(ns % 1000, 3)
        for _ in range(2):
            if self.out[self.at - 1] == _ZERO:
                self.at -= 1
