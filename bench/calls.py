"""What calls cost: prints figures, asserts nothing. `.venv/bin/python bench/calls.py [protocol …]`.

Captures of real servers (node-probe/tests/recorded) are played from memory through packet decoding, flow table,
reassembly, parsing and pairing, to rows of the call book. CPU time of one core, of a process that
has its memory.

short   as recorded, few calls in a connection (DNS: datagrams, each time between other ports), and each time from
        another client
long    a TCP connection of the capture: what comes between its first call and its last, again and again. Of TLS,
        where a connection is one call, there are none
"""

from __future__ import annotations

import struct
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np

from weir_probe.capture.pcap import CaptureDecoder, read_capture
from weir_probe.protocols.registry import NAMES, PROTOCOLS
from weir_probe.streams.call_engine import CallEngine
from weir_probe.streams.calls import CALLS
from weir_probe.streams.engine import FlowEngine
from weir_probe.streams.table import CAPACITY, FlowTable

RECORDED: Final = Path(__file__).parents[1] / "node-probe/tests/recorded"
#: About; of a file that is played, and of one of its long connections.
PACKETS: Final = 50_000
LONG_PACKETS: Final = 5_000
ROUNDS: Final = 5
_FILE_HEADER, _PACKET_HEADER = 24, 16
_ETHERNET, _IPV4 = 14, 20
_TCP = 6
_SYN, _ACK = 0x02, 0x10
_FIRST_PORT: Final = 32_768


@dataclass(frozen=True, slots=True)
class Packet:
    """As recording.py writes them: Ethernet, IPv4."""

    ts_ns: int
    frame: bytes

    @property
    def proto(self) -> int:
        return self.frame[_ETHERNET + 9]

    @property
    def ports(self) -> tuple[int, int]:
        """Of source and destination."""
        source, destination = struct.unpack_from(">HH", self.frame, _ETHERNET + _IPV4)
        return source, destination

    @property
    def connection(self) -> tuple[int, ...]:
        """The same for both directions."""
        return self.proto, *sorted(self.ports)

    @property
    def payload(self) -> bytes:
        """Of a TCP segment."""
        size = int.from_bytes(self.frame[_ETHERNET + 2 : _ETHERNET + 4])
        offset = self.frame[_ETHERNET + _IPV4 + 12] >> 4 << 2
        return self.frame[_ETHERNET + _IPV4 + offset : _ETHERNET + size]


def packets(file: bytes) -> Iterator[Packet]:
    """Of a pcap file with little-endian nanoseconds."""
    at = _FILE_HEADER
    while at < len(file):
        seconds, nanoseconds, size, _ = struct.unpack_from("<IIII", file, at)
        at += _PACKET_HEADER
        yield Packet(seconds * 1_000_000_000 + nanoseconds, file[at : at + size])
        at += size


def record(ts_ns: int, frame: bytes) -> bytes:
    """A packet in such a file."""
    return struct.pack("<IIII", *divmod(ts_ns, 1_000_000_000), len(frame), len(frame)) + frame


def short(file: bytes) -> bytes:
    """The capture again and again, 1 ms later each time."""
    recorded = list(packets(file))
    clients: dict[tuple[int, ...], int] = {}
    for packet in recorded:
        clients.setdefault(packet.connection, packet.ports[0])
    out = [file[:_FILE_HEADER]]
    exchanges = 0
    for round_ in range(PACKETS // len(recorded)):
        address = struct.pack(">I", 0x0A000000 + round_)
        for packet in recorded:
            side = int(packet.ports[0] != clients[packet.connection])
            frame = bytearray(packet.frame)
            place = _ETHERNET + 12 + 4 * side
            frame[place : place + 4] = address
            if packet.proto != _TCP:
                exchanges += side == 0
                place = _ETHERNET + _IPV4 + 2 * side
                frame[place : place + 2] = struct.pack(">H", _FIRST_PORT + exchanges % _FIRST_PORT)
            out.append(record(packet.ts_ns + round_ * 1_000_000, bytes(frame)))
    return b"".join(out)


#: What a segment carries, and from whom: the client (0) or the server (1).
Turn = tuple[int, bytes]


def long(file: bytes) -> bytes:
    """Long connections; an empty capture where they would have no calls. A segment each microsecond carries payload,
    none acknowledges only."""
    header = file[:_FILE_HEADER]
    port, turns, first, last = max(_repeatable(file), key=lambda some: some[3] - some[2], default=(0, [], 0, 0))
    if first == last:
        return header
    again = [_renumbered(turns[first:last], round_) for round_ in range(1, LONG_PACKETS // (last - first))]
    whole = [*turns[:last], *(turn for some in again for turn in some)]
    return header + b"".join(
        part for number in range(PACKETS // LONG_PACKETS) for part in _connection(number, port, whole)
    )


def _repeatable(file: bytes) -> Iterator[tuple[int, list[Turn], int, int]]:
    """Of each TCP connection: the server's port, what it carries, and between which of these turns calls are whole."""
    connections: dict[tuple[int, ...], list[Packet]] = {}
    for packet in packets(file):
        if packet.proto == _TCP:
            connections.setdefault(packet.connection, []).append(packet)
    for segments in connections.values():
        client, port = segments[0].ports
        turns = [(int(packet.ports[0] != client), packet.payload) for packet in segments if packet.payload]
        rests = []  # after how many turns there are how many calls, with none in flight
        player = Player(calls=4096, flows=64)
        for size in range(1, len(turns) + 1):
            player.play(file[:_FILE_HEADER] + b"".join(_connection(0, port, turns[:size])))
            if player.calls and not player.waiting:
                rests.append((size, player.calls))
        if rests and rests[0][1] < rests[-1][1]:
            last = next(size for size, calls in rests if calls == rests[-1][1])
            yield port, turns, rests[0][0], last


def _renumbered(turns: Sequence[Turn], round_: int) -> Iterator[Turn]:
    """HTTP/2 gives the number of a stream once (RFC 9113 §5.1.1); whatever is no frame of it stays as it is."""
    for side, payload in turns:
        out, at = bytearray(payload), 0
        while at + 9 <= len(out) and not out[at] and out[at + 3] < 10:
            stream = int.from_bytes(out[at + 5 : at + 9])
            if stream:
                out[at + 5 : at + 9] = (stream + 1000 * round_).to_bytes(4)
            at += 9 + int.from_bytes(out[at : at + 3])
        yield side, bytes(out) if at == len(out) else payload


def _connection(number: int, port: int, turns: Sequence[Turn]) -> Iterator[bytes]:
    """A connection, from a client with this number, in which these segments come."""
    addresses = struct.pack(">I", 0x0A000000 + number), b"\x0a\xff\xff\x01"
    ports = _FIRST_PORT, port
    sent = [0, 0]
    for place, (side, flags, payload) in enumerate(
        [(0, _SYN, b""), (1, _SYN | _ACK, b""), *((side, _ACK, payload) for side, payload in turns)]
    ):
        tcp = struct.pack(
            ">HHIIBBHHH", ports[side], ports[1 - side], sent[side], sent[1 - side], 5 << 4, flags, 65_535, 0, 0
        )
        size = _IPV4 + len(tcp) + len(payload)
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, size, 0, 0, 64, _TCP, 0, addresses[side], addresses[1 - side])
        sent[side] += len(payload) + (flags & _SYN > 0)
        yield record(place * 1000, bytes(12) + b"\x08\x00" + ip + tcp + payload)


class Player:
    """Plays files, one after the other, into a call engine that has its memory after the first time."""

    def __init__(self, calls: int = CALLS, flows: int = CAPACITY) -> None:
        self.flows = flows
        self.engine = CallEngine(PROTOCOLS, calls=calls, on_done=self._release)
        self.book = self.engine.book

    def play(self, file: bytes) -> float:
        """CPU seconds; then `calls` says how many there were, `waiting` how many were in flight in the end."""
        self.calls = 0
        table = FlowTable(capacity=self.flows, max_flows=1 << 20)
        for memory in (table.slots, table.extra):
            memory.view(np.uint8)[:] = 0  # the kernel gives pages when they are written
        decoder = CaptureDecoder(FlowEngine(table), self.engine)
        begin = time.process_time()
        read_capture(BytesIO(file), decoder)
        self.waiting = int(self.book.conversations["in_flight"].sum())
        self.engine.finish()
        self._release()
        return time.process_time() - begin

    def _release(self) -> None:
        self.calls += self.book.count
        self.book.release()


def main(names: list[str]) -> None:
    print(f"{'capture':<28}{'calls':>10}{'packets':>10}{'calls/s/core':>15}{'ns/call':>10}{'ns/packet':>12}{'lost':>8}")
    for path in sorted(RECORDED.rglob("*.pcap")):
        if path.parent.name not in names:
            continue
        for made in (short, long):
            file = made(path.read_bytes())
            count = sum(1 for _ in packets(file))
            if not count:
                continue
            player = Player()
            player.play(file)
            spent = min(player.play(file) for _ in range(ROUNDS))  # what others do on the machine only adds
            calls, lost = player.calls, int(player.book.losses.sum())
            print(
                f"{path.parent.name + '/' + path.stem + ' ' + made.__name__:<28}{calls:>10}{count:>10}"
                f"{calls / spent:>15,.0f}{spent / calls * 1e9:>10.0f}{spent / count * 1e9:>12.0f}{lost:>8}"
            )


if __name__ == "__main__":
    main(sys.argv[1:] or list(NAMES))
