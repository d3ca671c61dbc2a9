# cython: annotation_typing=False
"""From a frame to what names its flow: addresses, protocol, ports, and the place among the fragments of a datagram.

Reads nothing beyond the captured bytes and the IP length. The kernel program (bpf/packet.h) takes the same decisions.
"""

from typing import Final

from weir_probe.wire import linktypes, protocols
from weir_probe.wire.cursor import Cursor

#: What `Packet.parse` says of a frame.
NON_IP: Final = 0
MALFORMED: Final = 1
IP: Final = 2

#: `Packet.fragment`: a whole datagram, its first fragment (which has the ports), a later one.
WHOLE: Final = 0
FIRST: Final = 1
LATER: Final = 2

# Typed as C integers by the .pxd, and so not seen by Python.
_NON_IP, _MALFORMED, _IP = NON_IP, MALFORMED, IP
_WHOLE, _FIRST, _LATER = WHOLE, FIRST, LATER
_NULL, _LOOP = linktypes.NULL, linktypes.LOOP
_ETHERNET, _SLL, _SLL2 = linktypes.ETHERNET, linktypes.LINUX_SLL, linktypes.LINUX_SLL2
_LINK_IPV4, _LINK_IPV6 = linktypes.IPV4, linktypes.IPV6
_ICMP, _TCP, _UDP, _DCCP = protocols.ICMP, protocols.TCP, protocols.UDP, protocols.DCCP
_ICMPV6, _SCTP, _UDPLITE = protocols.ICMPV6, protocols.SCTP, protocols.UDPLITE
_FRAGMENT, _AH = 44, 51
_TYPE_IPV4, _TYPE_IPV6 = 0x0800, 0x86DD
_MAX_TAGS, _MAX_EXTENSIONS = 4, 8
_SYN_ACK = 0x12
# ARPHRD_ values (linux/if_arp.h) under which the protocol field of a cooked header is no Ethertype
_FRELAY, _RADIOTAP, _NETLINK = 770, 803, 824
# ::ffff:0:0/96 (RFC 4291 §2.5.5.2) in the second address word, as it is loaded from network order
_V4_MAPPED = 0xFFFF0000


def has_ports(protocol: int) -> bool:
    """Whether the protocol's header starts with both ports."""
    return protocol in (_TCP, _UDP, _DCCP, _SCTP, _UDPLITE)


def _is_extension(protocol: int) -> bool:
    """IPv6 hop-by-hop, routing, fragment, AH, destination options (RFC 8200 §4): another header follows."""
    return protocol in (0, 43, _FRAGMENT, _AH, 60)


def _is_tag(ethertype: int) -> bool:
    """IEEE 802.1Q, 802.1ad, and QinQ of before 802.1ad."""
    return ethertype in (0x8100, 0x88A8, 0x9100)


class Packet:
    """The headers of the packet last parsed. Address words are the bytes in network order, loaded little-endian."""

    def __init__(self) -> None:
        self.src0 = self.src1 = self.dst0 = self.dst1 = 0
        self.src_port = self.dst_port = 0
        self.protocol = 0
        self.tcp_flags = 0
        self.answers = False
        self.fragment = _WHOLE
        self.fragment_id = 0
        self.fragment_protocol = 0
        self.network = 0
        #: Of the IP packet (a fragment: of itself), and of the data that TCP or UDP carries in it.
        self.l3_bytes = self.l4_bytes = 0
        #: There is enough to measure: TCP up to its window, the ports of UDP, the ICMP echo header (`seq`: identifier
        #: << 16 | sequence number).
        self.complete = False
        self.seq = self.ack = self.window = 0
        self.payload = 0  # bytes of a TCP segment, of a UDP datagram
        self.payload_at = 0
        #: Of data, in each of the segments that the frame stands for; 0: it is one. Whoever has the frame sets it.
        self.gso_size = 0

    def segments(self) -> int:
        """TCP segments that the frame stands for."""
        if self.gso_size == 0 or self.payload <= self.gso_size:
            return 1
        return (self.payload + self.gso_size - 1) // self.gso_size

    def parse(self, cursor: Cursor, start: int, length: int, link: int) -> int:
        """Read the frame of `length` bytes at `start`, captured up to the cursor's end: IP, NON_IP or MALFORMED.

        Fields mean something only after IP.
        """
        self.src_port = self.dst_port = 0
        self.tcp_flags = 0
        self.answers = self.complete = False
        self.l4_bytes = self.payload = 0
        self.fragment = _WHOLE
        ethertype = self._link(cursor, start, link)
        if ethertype == _TYPE_IPV4:
            return self._ipv4(cursor, self.network, start + length)
        if ethertype == _TYPE_IPV6:
            return self._ipv6(cursor, self.network, start + length)
        return _NON_IP

    def _link(self, cursor: Cursor, start: int, link: int) -> int:
        """The Ethertype of what follows the link header (0: not known to be IP); `network` is where that starts."""
        if link == _ETHERNET:
            return self._tags(cursor, start + 12)
        if link in (_SLL, _SLL2):
            return self._cooked(cursor, start, link)
        self.network = start
        if link in (_NULL, _LOOP):
            self.network = start + 4
            family = cursor.u32(start)
            if family > 0xFFFF:  # NULL is in the byte order of the machine that captured
                family = cursor.u32le(start)
            if family == 2:
                return _TYPE_IPV4
            return _TYPE_IPV6 if family in (10, 24, 28, 30) else 0  # AF_INET6 of Linux, NetBSD, FreeBSD, macOS
        if link == _LINK_IPV4:
            return _TYPE_IPV4
        if link == _LINK_IPV6:
            return _TYPE_IPV6
        return _TYPE_IPV6 if cursor.u8(start) >> 4 == 6 else _TYPE_IPV4

    def _cooked(self, cursor: Cursor, start: int, link: int) -> int:
        """Linux cooked capture: v1 has the protocol at the end of its 16 bytes, v2 at the start of its 20."""
        hardware = cursor.u16(start + (2 if link == _SLL else 8))
        if hardware in (_FRELAY, _RADIOTAP, _NETLINK):
            return 0
        if link == _SLL:
            return self._tags(cursor, start + 14)
        ethertype = cursor.u16(start)
        if _is_tag(ethertype):
            return self._tags(cursor, start + 22)
        self.network = start + 20
        return ethertype

    def _tags(self, cursor: Cursor, at: int) -> int:
        """Skip IEEE 802.1Q and 802.1ad tags from the Ethertype at `at`."""
        ethertype = cursor.u16(at)
        for _ in range(_MAX_TAGS):
            if not _is_tag(ethertype):
                break
            at += 4
            ethertype = cursor.u16(at)
        self.network = at + 2
        return 0 if cursor.cut else ethertype

    def _ipv4(self, cursor: Cursor, at: int, frame_end: int) -> int:
        first = cursor.u8(at)
        total = cursor.u16(at + 2)
        place = cursor.u16(at + 6)
        self.protocol = cursor.u8(at + 9)
        self.src0 = self.dst0 = 0
        word = cursor.u32le(at + 12)
        self.src1 = word << 32 | _V4_MAPPED
        word = cursor.u32le(at + 16)
        self.dst1 = word << 32 | _V4_MAPPED
        header = (first & 0x0F) * 4
        if not total and frame_end - at > 0xFFFF:  # a GSO packet of more than 64 KiB says 0 (Linux 6.3, BIG TCP)
            total = frame_end - at
        if cursor.cut or first >> 4 != 4 or header < 20 or total < header or at + header > frame_end:
            return _MALFORMED
        end = min(at + total, frame_end)  # what the frame has not is not there, whatever the header says
        self.l3_bytes = end - at
        if place & 0x3FFF:  # RFC 791 §3.1: more fragments, or an offset
            self.fragment = _LATER if place & 0x1FFF else _FIRST
            self.fragment_id = cursor.u16le(at + 4)
            self.fragment_protocol = self.protocol
            if self.fragment == _LATER:
                self._later(end - at - header)
                return _IP
        self._transport(cursor, at + header, end)
        return _IP

    def _ipv6(self, cursor: Cursor, at: int, frame_end: int) -> int:
        payload = cursor.u16(at + 4)
        self.protocol = cursor.u8(at + 6)
        self.src0 = cursor.u64le(at + 8)
        self.src1 = cursor.u64le(at + 16)
        self.dst0 = cursor.u64le(at + 24)
        self.dst1 = cursor.u64le(at + 32)
        if cursor.u8(at) >> 4 != 6 or cursor.cut:
            return _MALFORMED
        at += 40
        end = at + payload
        if end > frame_end or not payload:  # 0: a jumbogram (RFC 2675), as BIG TCP makes them
            end = frame_end
        self.l3_bytes = end - at + 40
        for _ in range(_MAX_EXTENSIONS):
            extension = self.protocol
            if not _is_extension(extension):
                break
            if at + 8 > end or not cursor.has(at, 8):
                return _IP  # counted as what could not be read
            self.protocol = cursor.u8(at)
            if extension == _FRAGMENT:
                place = cursor.u16(at + 2)
                if place & 0xFFF9:  # else an atomic fragment (RFC 6946): a whole datagram
                    self.fragment = _LATER if place & 0xFFF8 else _FIRST
                    self.fragment_id = cursor.u32le(at + 4)
                    self.fragment_protocol = self.protocol
                    if self.fragment == _LATER:
                        self._later(end - at - 8)
                        return _IP
                at += 8
            elif extension == _AH:
                at += (cursor.u8(at + 1) + 2) * 4
            else:
                at += (cursor.u8(at + 1) + 1) * 8
        if not _is_extension(self.protocol):
            self._transport(cursor, at, end)
        return _IP

    def _later(self, size: int) -> None:
        """A later fragment is all data."""
        if self.fragment_protocol in (_TCP, _UDP):
            self.l4_bytes = size

    def _transport(self, cursor: Cursor, at: int, end: int) -> None:
        """Ports, the TCP and the ICMP echo header; what is cut short stays 0."""
        room = min(end, cursor.end) - at
        if has_ports(self.protocol):
            if room < 4:
                return
            self.src_port = cursor.u16(at)
            self.dst_port = cursor.u16(at + 2)
            if self.protocol == _UDP:
                self.complete = True
                self.payload = self.l4_bytes = max(0, end - at - 8)
                self.payload_at = at + 8
            elif self.protocol == _TCP and room >= 14:
                self.tcp_flags = cursor.u8(at + 13)
                self.answers = self.tcp_flags & _SYN_ACK == _SYN_ACK
                self.payload_at = at + (cursor.u8(at + 12) >> 4) * 4
                self.payload = self.l4_bytes = max(0, end - self.payload_at)
                if room >= 16:
                    self.complete = True
                    self.seq = cursor.u32(at + 4)
                    self.ack = cursor.u32(at + 8)
                    self.window = cursor.u16(at + 14)
        elif self.protocol == _ICMP:
            self.answers = room >= 1 and cursor.u8(at) == 0  # echo reply (RFC 792)
            self._echo(cursor, at, room, 8)
        elif self.protocol == _ICMPV6:
            self.answers = room >= 1 and cursor.u8(at) == 129  # echo reply (RFC 4443 §4.2)
            self._echo(cursor, at, room, 128)

    def _echo(self, cursor: Cursor, at: int, room: int, request: int) -> None:
        if room >= 8 and (self.answers or cursor.u8(at) == request):
            self.complete = True
            self.seq = cursor.u32(at + 4)
