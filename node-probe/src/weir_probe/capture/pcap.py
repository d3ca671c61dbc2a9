# cython: annotation_typing=False
# ruff: noqa: PLR0917 -- C calls are positional
"""Capture files, pcap and pcapng, fed frame by frame to the flow engine.

`CaptureDecoder` takes bytes in pieces of any size and does no I/O; `read_capture` reads a stream through a bounded
buffer. All that lies before damage is accounted; then a PcapError says where the damage is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from weir_probe.streams.call_engine import CallEngine
from weir_probe.streams.engine import FlowEngine
from weir_probe.wire import linktypes
from weir_probe.wire.cursor import Cursor

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

#: Of captured bytes in one record of a pcap file: what libpcap and everything built on it allow.
MAX_CAPTURED: Final = 262_144
#: Of a pcapng block; also how far the buffer of `read_capture` can grow.
MAX_BLOCK: Final = 16 * 1024 * 1024
MAX_INTERFACES: Final = 65_536
_CHUNK: Final = 1024 * 1024

_MAX_CAPTURED, _MAX_BLOCK = MAX_CAPTURED, MAX_BLOCK
_UNKNOWN, _PCAP, _PCAPNG = 0, 1, 2
_MICROSECONDS, _NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D
_SECTION, _INTERFACE, _PACKET, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
_BYTE_ORDER = 0x1A2B3C4D
_SECOND_NS = 1_000_000_000
#: Seconds since 1970 of the last time that is told: in ns it fits a signed 64-bit word.
_LIMIT: Final = 9_223_372_035
_MAX_SECONDS = _LIMIT
_END_OF_OPTIONS, _TSRESOL, _TSOFFSET = 0, 9, 14


class PcapError(Exception):
    """A capture file that cannot be read (further): `offset` in the file, and `reason`."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"at byte {offset}: {reason}")
        self.offset = offset
        self.reason = reason


class Readable(Protocol):
    """A binary stream: a file, a pipe, io.BytesIO."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill the buffer as far as there is data; 0 at the end."""


class CaptureDecoder:
    """Decodes one capture into an engine: `feed` it the bytes in order, then `finish`."""

    def __init__(self, engine: FlowEngine, calls: CallEngine | None = None) -> None:
        self.engine = engine
        self.calls = calls
        self.cursor = Cursor()
        self.format = _UNKNOWN
        self.big_endian = False
        self.offset = 0  # in the file, of the start of the buffer at hand
        self.needed = 0
        # Per interface of the section (pcap: the one): link type, snap length, resolution (decimal digits, or bits
        # + 128) and seconds to add to its time.
        self.links = np.zeros(MAX_INTERFACES, np.int32).data
        self.snap_lengths = np.zeros(MAX_INTERFACES, np.uint32).data
        self.resolutions = np.zeros(MAX_INTERFACES, np.uint8).data
        self.time_offsets = np.zeros(MAX_INTERFACES, np.int64).data
        self.interfaces = 0
        self.last_ns = 0
        self.powers = np.array([10**n for n in range(20)], np.uint64).data
        #: Times of the earliest and the latest frame; none was read where the first is after the second.
        self.earliest_ns = _MAX_SECONDS * _SECOND_NS
        self.latest_ns = 0

    def feed(self, data: ReadableBuffer) -> int:
        """Account every whole record of `data`, which starts where the last call's consumed bytes ended.

        Returns the bytes consumed; give the rest again with more behind it. `needed` is then the bytes that the next
        record takes, as far as known. Raises PcapError where the file is damaged or of a kind that cannot be read.
        """
        self.cursor.bind(data)
        self.engine.bind(data)
        at = 0
        if self.format == _UNKNOWN:
            at = self._start()
        if self.format == _PCAP:
            at = self._records(at)
        elif self.format == _PCAPNG:
            at = self._blocks(at)
        self.offset += at
        return at

    def finish(self, rest: int) -> None:
        """The file ends with `rest` bytes not consumed: PcapError if they are part of something, or if it is empty."""
        if rest:
            raise PcapError(self.offset, f"cut short: {self.needed} bytes are needed here, the file has {rest}")
        if self.format == _UNKNOWN:
            raise PcapError(0, "the file is empty")

    def _u16(self, at: int) -> int:
        return self.cursor.u16(at) if self.big_endian else self.cursor.u16le(at)

    def _u32(self, at: int) -> int:
        return self.cursor.u32(at) if self.big_endian else self.cursor.u32le(at)

    def _start(self) -> int:
        """Tell the format by its magic number; for pcap read the file header."""
        self.needed = 24
        if not self.cursor.has(0, 4):
            return 0
        magic = self.cursor.u32(0)
        if magic == _SECTION:
            self.format = _PCAPNG
            return 0
        self.big_endian = magic in (_MICROSECONDS, _NANOSECONDS)
        magic = self._u32(0)
        if magic not in (_MICROSECONDS, _NANOSECONDS):
            raise PcapError(0, f"neither pcap nor pcapng: it starts with {self.cursor.u32(0):08x}")
        if not self.cursor.has(0, 24):
            return 0
        link = self._u32(20) & 0x03FFFFFF  # the upper bits tell of frame check sequences
        self._check_link(link, 20)
        self.links[0] = link
        self.resolutions[0] = 9 if magic == _NANOSECONDS else 6
        self.interfaces = 1
        self.format = _PCAP
        return 24

    def _check_link(self, link: int, at: int) -> None:
        if link not in linktypes.KNOWN:
            known = ", ".join(map(str, sorted(linktypes.KNOWN)))
            raise PcapError(self.offset + at, f"link type {link} cannot be read: known are {known}")

    def _records(self, at: int) -> int:
        """Records of a pcap file: seconds, fraction, captured length, length, bytes."""
        unit = 1 if self.resolutions[0] == 9 else 1000
        link = self.links[0]
        while True:
            self.needed = 16
            if not self.cursor.has(at, 16):
                return at
            captured = self._u32(at + 8)
            if captured > _MAX_CAPTURED:
                raise PcapError(self.offset + at + 8, f"a record of {captured} captured bytes, over {MAX_CAPTURED}")
            self.needed = 16 + captured
            if not self.cursor.has(at, self.needed):
                return at
            ts_ns = self._u32(at)
            ts_ns = ts_ns * _SECOND_NS + self._u32(at + 4) * unit
            self._frame(at + 16, captured, self._u32(at + 12), ts_ns, link)
            at += self.needed

    def _frame(self, at: int, captured: int, length: int, ts_ns: int, link: int) -> None:
        self.last_ns = ts_ns
        self.earliest_ns = min(ts_ns, self.earliest_ns)
        self.latest_ns = max(ts_ns, self.latest_ns)
        self.engine.frame(at, captured, length, ts_ns, -1, False, link)
        if self.calls is not None:
            self.calls.take(self.engine, ts_ns)

    def _blocks(self, at: int) -> int:
        """Blocks of a pcapng file: type, total length, body, total length again."""
        while True:
            self.needed = 12
            if not self.cursor.has(at, 12):
                return at
            kind = self._u32(at)
            if kind == _SECTION:  # the same in both byte orders, and tells the one of its section
                self._byte_order(at)
            total = self._u32(at + 4)
            if total < 12 or total & 3:
                raise PcapError(self.offset + at + 4, f"a block of {total} bytes: not a multiple of 4 of at least 12")
            if total > _MAX_BLOCK:
                raise PcapError(self.offset + at + 4, f"a block of {total} bytes, over {MAX_BLOCK}")
            self.needed = total
            if not self.cursor.has(at, total):
                return at
            if self._u32(at + total - 4) != total:
                raise PcapError(self.offset + at + total - 4, f"the block's second length is not its first, {total}")
            end = at + total - 4
            if kind in (_ENHANCED, _PACKET):
                self._packet(at, end, kind)
            elif kind == _SIMPLE:
                self._simple_packet(at, end)
            elif kind == _INTERFACE:
                self._interface(at, end)
            elif kind == _SECTION:
                self._section(at, end)
            at += total

    def _byte_order(self, at: int) -> None:
        if self.cursor.u32(at + 8) == _BYTE_ORDER:
            self.big_endian = True
        elif self.cursor.u32le(at + 8) == _BYTE_ORDER:
            self.big_endian = False
        else:
            raise PcapError(self.offset + at + 8, "a section header without its byte-order magic")

    def _section(self, at: int, end: int) -> None:
        if end - at < 24:
            raise PcapError(self.offset + at, "a section header of less than 28 bytes")
        major = self._u16(at + 12)
        if major != 1:
            raise PcapError(self.offset + at + 12, f"pcapng version {major}: only version 1 is known")
        self.interfaces = 0

    def _interface(self, at: int, end: int) -> None:
        if end - at < 16:
            raise PcapError(self.offset + at, "an interface description of less than 20 bytes")
        if self.interfaces == MAX_INTERFACES:
            raise PcapError(self.offset + at, f"more than {MAX_INTERFACES} interfaces in a section")
        row = self.interfaces
        link = self._u16(at + 8)
        self.links[row] = link if link in linktypes.KNOWN else ~link  # told when a packet comes with it
        self.snap_lengths[row] = self._u32(at + 12)
        self.resolutions[row] = 6
        self.time_offsets[row] = 0
        self.interfaces += 1
        at += 16
        while at + 4 <= end:
            code = self._u16(at)
            size = self._u16(at + 2)
            at += 4
            if code == _END_OF_OPTIONS:
                break
            if at + size > end:
                raise PcapError(self.offset + at - 4, f"option {code} of {size} bytes goes beyond its block")
            if code == _TSRESOL and size == 1:
                self.resolutions[row] = self.cursor.u8(at)
            elif code == _TSOFFSET and size == 8:
                self.time_offsets[row] = self._seconds(at)
            at += (size + 3) & ~3

    def _seconds(self, at: int) -> int:
        """A signed 64-bit number of seconds, held within what can be told, so that sums do not overflow."""
        first, second = self._u32(at), self._u32(at + 4)
        high, low = (first, second) if self.big_endian else (second, first)
        value = high << 32 | low
        if value >> 63:
            value -= 1 << 64
        return max(-_LIMIT, min(value, _LIMIT))

    def _packet(self, at: int, end: int, kind: int) -> None:
        """Enhanced packet block; the obsolete packet block differs in its interface number (two bytes) only."""
        if end - at < 28:
            raise PcapError(self.offset + at, "a packet block of less than 32 bytes")
        row = self._u32(at + 8) if kind == _ENHANCED else self._u16(at + 8)
        if row >= self.interfaces:
            raise PcapError(self.offset + at + 8, f"interface {row}, where the section has {self.interfaces}")
        captured = self._u32(at + 20)
        if captured > end - at - 28:
            raise PcapError(self.offset + at + 20, f"{captured} captured bytes go beyond their block")
        high = self._u32(at + 12)
        ts_ns = self._nanoseconds(high << 32 | self._u32(at + 16), row)
        self._captured(at + 28, captured, self._u32(at + 24), ts_ns, row, at)

    def _simple_packet(self, at: int, end: int) -> None:
        """Simple packet block: of the first interface, and without a time, so it takes the one of the frame before."""
        if end - at < 12:
            raise PcapError(self.offset + at, "a simple packet block of less than 16 bytes")
        if not self.interfaces:
            raise PcapError(self.offset + at, "a simple packet block in a section without interfaces")
        length = self._u32(at + 8)
        captured = length
        if self.snap_lengths[0] and captured > self.snap_lengths[0]:
            captured = self.snap_lengths[0]
        captured = min(captured, end - at - 12)
        self._captured(at + 12, captured, length, self.last_ns, 0, at)

    def _captured(self, at: int, captured: int, length: int, ts_ns: int, row: int, block: int) -> None:
        if self.links[row] < 0:
            self._check_link(~self.links[row], block)
        self._frame(at, captured, length, ts_ns, self.links[row])

    def _nanoseconds(self, ticks: int, row: int) -> int:
        """A time in the units of interface `row`, in ns since 1970; held within 1970 and 2262."""
        unit = self.resolutions[row]
        if unit & 0x80:
            bits = unit & 0x7F
            seconds = ticks >> bits if bits < 64 else 0
            rest = ticks - (seconds << bits) if bits < 64 else ticks
            if bits > 32:  # so that the product fits 64 bits
                rest = rest >> bits - 32 if bits < 96 else 0
                bits = 32
            ns = rest * _SECOND_NS >> bits
        elif unit <= 9:
            seconds = ticks // self.powers[unit]
            ns = ticks % self.powers[unit] * self.powers[9 - unit]
        else:
            seconds = ticks // self.powers[unit] if unit < 20 else 0
            rest = ticks % self.powers[unit] if unit < 20 else ticks
            ns = rest // self.powers[unit - 9] if unit < 29 else 0
        whole = min(seconds, _MAX_SECONDS)
        whole += self.time_offsets[row]
        whole = min(max(whole, 0), _MAX_SECONDS)
        return whole * _SECOND_NS + ns


def read_capture(stream: Readable, decoder: CaptureDecoder) -> None:
    """Read a whole capture from a binary stream through a buffer of at most 16 MiB and a bit.

    The decoder's engine has all that could be read also when this raises: PcapError for damage, OSError for the stream.
    """
    buffer = np.zeros(_CHUNK, np.uint8)
    filled = 0
    try:
        while count := stream.readinto(buffer.data[filled:]):
            filled += count
            consumed = decoder.feed(buffer.data[:filled])
            filled -= consumed
            rest = buffer[consumed : consumed + filled]
            if decoder.needed > len(buffer):
                buffer = np.zeros(decoder.needed, np.uint8)
            buffer[:filled] = rest
        decoder.finish(filled)
    finally:
        decoder.engine.flush_fragments()
        decoder.engine.bind(b"")
