"""Frames, header by header, as bytes. No checksums: nothing in the probe reads them."""

import struct
from ipaddress import ip_address

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
ICMP, TCP, UDP, DCCP, ICMPV6, SCTP, UDPLITE = 1, 6, 17, 33, 58, 132, 136
IPV4, IPV6, ARP = 0x0800, 0x86DD, 0x0806


def tcp(source: int, destination: int, flags: int, data: bytes = b"") -> bytes:
    return struct.pack(">HHIIBBHHH", source, destination, 0, 0, 0x50, flags, 65535, 0, 0) + data


def udp(source: int, destination: int, data: bytes = b"") -> bytes:
    return struct.pack(">HHHH", source, destination, 8 + len(data), 0) + data


def sctp(source: int, destination: int, data: bytes = b"") -> bytes:
    return struct.pack(">HHII", source, destination, 0, 0) + data


def echo(kind: int, data: bytes = b"") -> bytes:
    """ICMP echo: kind 8 asks and 0 answers; of ICMPv6 128 and 129."""
    return struct.pack(">BBHHH", kind, 0, 0, 1, 1) + data


def ipv4(
    source: str,
    destination: str,
    protocol: int,
    payload: bytes,
    *,
    ident: int = 0,
    place: int = 0,
    options: bytes = b"",
) -> bytes:
    """`place`: the flags and fragment offset field."""
    header = 20 + len(options)
    head = struct.pack(">BBHHHBBH", 0x40 | header // 4, 0, header + len(payload), ident, place, 64, protocol, 0)
    return head + ip_address(source).packed + ip_address(destination).packed + options + payload


def ipv6(source: str, destination: str, following: int, payload: bytes) -> bytes:
    head = struct.pack(">IHBB", 6 << 28, len(payload), following, 64)
    return head + ip_address(source).packed + ip_address(destination).packed + payload


def extension(following: int, octets: int = 8) -> bytes:
    """A hop-by-hop, routing or destination options header of so many bytes, a multiple of 8."""
    return struct.pack(">BB", following, octets // 8 - 1) + bytes(octets - 2)


def authentication(following: int) -> bytes:
    """An AH of 24 bytes."""
    return struct.pack(">BB", following, 4) + bytes(22)


def ip(source: str, destination: str, protocol: int, payload: bytes) -> bytes:
    """IPv4 or IPv6, as the addresses are."""
    return (ipv6 if ":" in source else ipv4)(source, destination, protocol, payload)


def fragments(packet: bytes, size: int, ident: int) -> list[bytes]:
    """An IP packet as fragments of at most `size` payload bytes, a multiple of 8."""
    if packet[0] >> 4 == 4:
        header, payload = packet[:20], packet[20:]
        return [
            header[:2]
            + struct.pack(">HHH", 20 + len(payload[at : at + size]), ident, at // 8 | (at + size < len(payload)) << 13)
            + header[8:]
            + payload[at : at + size]
            for at in range(0, len(payload), size)
        ]
    header, payload = packet[:40], packet[40:]
    return [
        header[:4]
        + struct.pack(">HB", 8 + len(payload[at : at + size]), 44)
        + header[7:]
        + struct.pack(">BBHI", header[6], 0, at | (at + size < len(payload)), ident)
        + payload[at : at + size]
        for at in range(0, len(payload), size)
    ]


def ethernet(payload: bytes, ethertype: int | None = None, tags: tuple[int, ...] = ()) -> bytes:
    """A frame; the Ethertype is told from the packet where none is given. `tags`: the Ethertype of each VLAN tag."""
    if ethertype is None:
        ethertype = IPV6 if payload[0] >> 4 == 6 else IPV4
    kinds = (*tags, ethertype)
    return bytes(12) + b"\x00\x07".join(struct.pack(">H", kind) for kind in kinds) + payload
