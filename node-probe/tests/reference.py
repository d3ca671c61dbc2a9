"""The rules of docs/flows.md once more, slow and obvious: slices, dictionaries, whole integers.

Times of the frames lie within 30 s, so that no datagram expires."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address

from conversation import Frame

PORTS = {6, 17, 33, 132, 136}
EXTENSIONS = {0, 43, 44, 51, 60}
TAGS = {b"\x81\x00", b"\x88\xa8", b"\x91\x00"}

Endpoint = tuple[bytes, int]


@dataclass
class Packet:
    """What a frame says."""

    source: Endpoint
    destination: Endpoint
    protocol: int
    flags: int = 0
    answers: bool = False
    datagram: tuple[bytes, bytes, bytes, int] | None = None  # of a fragment
    first: bool = False


@dataclass
class Flow:
    opener: Endpoint
    other: Endpoint
    protocol: int
    number: int
    answered: bool  # what came first answers something
    times: list[int] = field(default_factory=list)
    sizes: dict[bool, list[int]] = field(default_factory=lambda: {True: [], False: []})
    flags: dict[Endpoint, int] = field(default_factory=dict)

    def row(self) -> tuple[object, ...]:
        """As the replayed flow has it."""
        tx, rx = self.sizes[True], self.sizes[False]
        return (
            str(ip_address(self.opener[0])), self.opener[1], str(ip_address(self.other[0])), self.other[1],
            self.protocol, min(self.times), max(self.times), len(tx), len(rx), sum(tx), sum(rx),
        )  # fmt: skip


def parse(frame: Frame) -> Packet | str:
    """The packet, or `non_ip`, or `malformed`."""
    data = frame.data
    if len(data) < 14:
        return "non_ip"
    kind, rest, length = data[12:14], data[14:], frame.size - 14
    for _ in range(4):
        if kind in TAGS:
            if len(rest) < 4:
                return "non_ip"
            kind, rest, length = rest[2:4], rest[4:], length - 4
    if kind == b"\x08\x00":
        return parse_ipv4(rest, length)
    if kind == b"\x86\xdd":
        return parse_ipv6(rest, length)
    return "non_ip"


def parse_ipv4(data: bytes, length: int) -> Packet | str:
    if len(data) < 20 or data[0] >> 4 != 4:
        return "malformed"
    header, total = data[0] % 16 * 4, int.from_bytes(data[2:4])
    if header < 20 or total < header or header > length:
        return "malformed"
    packet = Packet((data[12:16], 0), (data[16:20], 0), data[9])
    place = int.from_bytes(data[6:8])
    if place & 0x3FFF:
        packet.datagram = (data[12:16], data[16:20], data[4:6], data[9])
        packet.first = place & 0x1FFF == 0
    if not packet.datagram or packet.first:
        transport(packet, data[header:total])
    return packet


def parse_ipv6(data: bytes, length: int) -> Packet | str:
    if len(data) < 40 or data[0] >> 4 != 6:
        return "malformed"
    packet = Packet((data[8:24], 0), (data[24:40], 0), data[6])
    payload = int.from_bytes(data[4:6])
    data, whole = data[40:], min(payload or length - 40, length - 40)
    data = data[:whole]
    for _ in range(8):
        kind = packet.protocol
        if kind not in EXTENSIONS:
            break
        if len(data) < 8:
            return packet
        packet.protocol = data[0]
        skip = 8 * (data[1] + 1)
        if kind == 44:
            skip = 8
            place = int.from_bytes(data[2:4])
            if place & 0xFFF9:
                packet.datagram = (packet.source[0], packet.destination[0], data[4:8], packet.protocol)
                packet.first = place & 0xFFF8 == 0
                if not packet.first:
                    return packet
        elif kind == 51:
            skip = 4 * (data[1] + 2)
        data = data[skip:]
    if packet.protocol not in EXTENSIONS:
        transport(packet, data)
    return packet


def transport(packet: Packet, data: bytes) -> None:
    if packet.protocol in PORTS and len(data) >= 4:
        packet.source = packet.source[0], int.from_bytes(data[:2])
        packet.destination = packet.destination[0], int.from_bytes(data[2:4])
        if packet.protocol == 6 and len(data) >= 14:
            packet.flags = data[13]
            packet.answers = data[13] & 0x12 == 0x12
    elif data and (packet.protocol, data[0]) in ((1, 0), (58, 129)):
        packet.answers = True


class Reference:
    """All flows of some frames."""

    def __init__(self, frames: list[Frame]) -> None:
        self.flows: list[Flow] = []
        self.live: dict[object, Flow] = {}
        self.counts = {"non_ip": 0, "malformed": 0}
        self.known: dict[object, Packet] = {}
        self.waiting: dict[object, list[tuple[int, Frame, Packet]]] = {}
        for number, frame in enumerate(frames):
            packet = parse(frame)
            if isinstance(packet, str):
                self.counts[packet] += 1
            else:
                self.take(number, frame, packet)
        for key in list(self.waiting):
            self.give_up(key)

    def rows(self) -> list[tuple[object, ...]]:
        return [flow.row() for flow in sorted(self.flows, key=lambda flow: flow.number)]

    def give_up(self, key: object) -> None:
        waited = self.waiting.pop(key)
        self.count(waited[0][2], waited)

    def take(self, number: int, frame: Frame, packet: Packet) -> None:
        if not packet.datagram:
            self.count(packet, [(number, frame, packet)])
            return
        key = packet.datagram
        if packet.first:
            self.known[key] = packet
            self.count(packet, [*self.waiting.pop(key, []), (number, frame, packet)])
        elif key in self.known:
            first = self.known[key]
            packet.source, packet.destination, packet.protocol = first.source, first.destination, first.protocol
            self.count(packet, [(number, frame, packet)])
        else:
            self.waiting.setdefault(key, []).append((number, frame, packet))

    def count(self, packet: Packet, frames: list[tuple[int, Frame, Packet]]) -> None:
        name = (frozenset((packet.source, packet.destination)), packet.protocol)
        flow = self.live.get(name)
        if flow and packet.protocol == 6 and packet.flags & 0x12 == 0x02 and self.closed(flow):
            flow = None
        number = min(number for number, _, _ in frames)
        if not flow:
            opener, other = packet.source, packet.destination
            if packet.answers:
                opener, other = other, opener
            flow = self.live[name] = Flow(opener, other, packet.protocol, number, packet.answers)
            self.flows.append(flow)
        flow.number = min(flow.number, number)
        flow.times += [frame.ts_ns for _, frame, _ in frames]
        to_itself = packet.source == packet.destination  # the ends cannot be told apart: the sender is always the same
        sent = not flow.answered if to_itself else packet.source == flow.opener
        flow.sizes[sent] += [frame.size for _, frame, _ in frames]
        if packet.protocol == 6:
            flow.flags[packet.source] = flow.flags.get(packet.source, 0) | packet.flags

    def closed(self, flow: Flow) -> bool:
        seen = [flow.flags.get(flow.opener, 0), flow.flags.get(flow.other, 0)]
        return bool((seen[0] | seen[1]) & 0x04 or seen[0] & seen[1] & 0x01)
