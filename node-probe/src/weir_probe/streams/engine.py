# cython: annotation_typing=False
# ruff: noqa: PLR0917 -- C calls are positional
"""The flow engine of user space: what bpf/flow.bpf.c does in the kernel, for AF_PACKET and for capture files.

Every frame ends in one place: a slot of the flow table, a datagram that waits for its first fragment, or an outcome
that says why not. docs/flows.md states the rules; they are the kernel's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from weir_probe.streams.fragments import FRAGMENTS, FragmentTable
from weir_probe.streams.layout import BYTES_BITS, BYTES_MASK, IFACE, LIVE, OUTCOMES
from weir_probe.streams.ports import PortMasks
from weir_probe.streams.prefixes import PrefixMasks
from weir_probe.streams.table import FlowTable
from weir_probe.wire import linktypes, packet, protocols
from weir_probe.wire.cursor import Cursor
from weir_probe.wire.packet import Packet

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

#: How long the fragments of a datagram may take, as in Linux (net.ipv4.ipfrag_time).
FRAGMENT_TIME_NS: Final = 30_000_000_000

_FRAGMENT_TIME_NS = FRAGMENT_TIME_NS
_NON_IP, _NOT_SELECTED, _DUPLICATE = 0, 1, 2
_MALFORMED, _TABLE_FULL, _FRAGMENTS_FULL = 3, 4, 6
_PACKET_NON_IP, _PACKET_MALFORMED = packet.NON_IP, packet.MALFORMED
_WHOLE, _FIRST, _LATER = packet.WHOLE, packet.FIRST, packet.LATER
_TCP, _UDP = protocols.TCP, protocols.UDP
_FIN = 0x01
_SYN, _ACK = 0x02, 0x10
_HEAD = 4  # the slot's word of ports, protocol, state and interface
_LIVE = LIVE << 40
_BYTES_BITS, _BYTES_MASK = BYTES_BITS, BYTES_MASK
_ONE_PACKET = 1 << BYTES_BITS
_HALF_FULL = 1 << 63 | 1 << 39
_TIME_MASK = (1 << 63) - 1


class FlowEngine:
    """Counts frames into a flow table.

    With an interface table (layout.IFACE rows) it selects and deduplicates as the plan says; without one it takes every
    flow (replay). `outcomes` counts packets and bytes of what is in no slot, by layout.OUTCOMES; its `stored` stays 0,
    as in the kernel: sum the slots.
    """

    def __init__(
        self,
        table: FlowTable,
        ifaces: npt.NDArray[Any] | None = None,
        *,
        fragments: int = FRAGMENTS,
    ) -> None:
        self.table = table
        self.fragments = FragmentTable(fragments)
        self.port_masks = PortMasks()
        self.peer_masks = PrefixMasks()
        self.cursor = Cursor()
        self.packet = Packet()
        self.orphan = Packet()
        self.orphan.fragment = _LATER
        self.selects = ifaces is not None
        self.ifaces = np.zeros(1, IFACE) if ifaces is None else ifaces
        self.iface_id = self.ifaces["id"].data
        self.iface_pod_side = self.ifaces["pod_side"].data
        self.iface_raw_ip = self.ifaces["raw_ip"].data
        self.iface_generation = self.ifaces["generation"].data
        self.opened_in = self.ifaces["opened_in"].data
        self.opened_out = self.ifaces["opened_out"].data
        self.by_port = self.ifaces["by_port"].data
        self.by_peer = self.ifaces["by_peer"].data
        self.outcomes = np.zeros((len(OUTCOMES), 2), np.uint64)
        self.tally = self.outcomes.data
        self.frames = 0
        self.bytes = 0
        #: The slot that the last frame was counted in as a whole packet of TCP or UDP, -1: none; and who sent it: 0 the
        #: side that opened the flow. `packet` has the rest.
        self.carried = -1
        self.way = 0
        #: Added by a live capture to the time of each frame: from the clock of its stamps to the one of the table.
        self.clock_shift_ns = 0

    def bind(self, buffer: ReadableBuffer) -> None:
        """Let `frame` read from this buffer."""
        self.cursor.bind(buffer)

    def observe(
        self,
        frame: ReadableBuffer,
        length: int,
        ts_ns: int,
        iface: int = -1,
        outgoing: bool = False,
        link: int = linktypes.ETHERNET,
    ) -> None:
        """Account one frame, given as captured; `length` is what the interface counts. For tests and small inputs."""
        self.cursor.bind(frame)
        self.frame(0, len(memoryview(frame)), length, ts_ns, iface, outgoing, link)

    def frame(self, start: int, captured: int, length: int, ts_ns: int, iface: int, outgoing: bool, link: int) -> None:
        """Account the frame at `start` of the bound buffer, of which `captured` of `length` bytes are there.

        `iface` is a row of the interface table, or -1 without one; `outgoing`: the host sends the frame through it.
        """
        self.frames += 1
        self.bytes += length
        self.carried = -1
        self.cursor.limit(start + captured)
        word = _ONE_PACKET + length
        kind = self.packet.parse(self.cursor, start, length, link)
        if kind == _PACKET_NON_IP:
            self._tell(_NON_IP, word)
        elif kind == _PACKET_MALFORMED:
            self._tell(_MALFORMED, word)
        elif self.packet.fragment != _WHOLE:
            self._fragment(self.packet, word, ts_ns, iface, outgoing)
        else:
            self._account(self.packet, word, ts_ns, ts_ns, self.frames, iface, outgoing)

    def expire_fragments(self, now_ns: int) -> None:
        """Count what has waited 30 s for a first fragment to the flow without ports; forget datagrams of that age."""
        entry = self.fragments.oldest()
        while entry >= 0 and now_ns > self.fragments.first_ns[entry]:
            if now_ns - self.fragments.first_ns[entry] <= _FRAGMENT_TIME_NS:
                return
            self._release(entry)
            entry = self.fragments.oldest()

    def flush_fragments(self) -> None:
        """Count all that still waits for a first fragment to the flow without ports: at the end of a capture."""
        entry = self.fragments.oldest()
        while entry >= 0:
            self._release(entry)
            entry = self.fragments.oldest()

    def _tell(self, outcome: int, word: int) -> None:
        self.tally[outcome, 0] += word >> _BYTES_BITS
        self.tally[outcome, 1] += word & _BYTES_MASK

    def _fragment(self, p: Packet, word: int, ts_ns: int, iface: int, outgoing: bool) -> None:
        """Give a fragment its datagram's ports, or let it wait for them."""
        self.expire_fragments(ts_ns)
        protocol = p.fragment_protocol
        ident = p.fragment_id | protocol << 32
        entry = self.fragments.find(p.src0, p.src1, p.dst0, p.dst1, ident)
        first_ns = last_ns = ts_ns
        serial = self.frames
        if p.fragment == _FIRST:
            if entry >= 0:
                if not self.fragments.known[entry] and self.fragments.pending[entry]:
                    word += self.fragments.pending[entry]
                    p.l3_bytes += self.fragments.l3_bytes[entry]
                    p.l4_bytes += self.fragments.l4_bytes[entry]
                    serial = self.fragments.serial[entry]
                    first_ns = min(ts_ns, self.fragments.first_ns[entry])
                    last_ns = max(ts_ns, self.fragments.last_ns[entry])
                self.fragments.remove(entry)  # a known one: the id is used again, by a younger datagram
            entry = self._remember(p, ident, ts_ns, iface, outgoing)
            if entry >= 0:
                self.fragments.known[entry] = True
                self.fragments.src_port[entry] = p.src_port
                self.fragments.dst_port[entry] = p.dst_port
                self.fragments.protocol[entry] = p.protocol
            self._account(p, word, first_ns, last_ns, serial, iface, outgoing)
            return
        if entry >= 0 and self.fragments.known[entry]:
            p.src_port = self.fragments.src_port[entry]
            p.dst_port = self.fragments.dst_port[entry]
            p.protocol = self.fragments.protocol[entry]
            self._account(p, word, ts_ns, ts_ns, serial, iface, outgoing)
            return
        if entry < 0:
            entry = self._remember(p, ident, ts_ns, iface, outgoing)
        if entry < 0:
            self._tell(_FRAGMENTS_FULL, word)
            if not self.selects:
                self._account(p, word, ts_ns, ts_ns, serial, iface, outgoing)
        elif self.fragments.iface[entry] != iface:
            self._tell(_DUPLICATE, word)
        else:
            self.fragments.pending[entry] += word
            self.fragments.l3_bytes[entry] += p.l3_bytes
            self.fragments.l4_bytes[entry] += p.l4_bytes
            self.fragments.first_ns[entry] = min(ts_ns, self.fragments.first_ns[entry])
            self.fragments.last_ns[entry] = max(ts_ns, self.fragments.last_ns[entry])
            if self.fragments.pending[entry] & _HALF_FULL:
                self._release(entry)

    def _remember(self, p: Packet, ident: int, ts_ns: int, iface: int, outgoing: bool) -> int:
        """A new entry for the packet's datagram; the oldest makes room where nothing waits in it."""
        if self.fragments.count == self.fragments.size:
            oldest = self.fragments.oldest()
            if self.fragments.count == self.fragments.size and self.fragments.known[oldest]:
                self.fragments.remove(oldest)
                self.fragments.oldest()
        entry = self.fragments.add(p.src0, p.src1, p.dst0, p.dst1, ident, ts_ns)
        if entry >= 0:
            self.fragments.serial[entry] = self.frames
            self.fragments.iface[entry] = iface
            self.fragments.outgoing[entry] = outgoing
        return entry

    def _release(self, entry: int) -> None:
        """Forget a datagram; what waits in it goes to the flow of its addresses and protocol, without ports."""
        word = self.fragments.pending[entry]
        if word:
            self.orphan.src0 = self.fragments.key[entry, 0]
            self.orphan.src1 = self.fragments.key[entry, 1]
            self.orphan.dst0 = self.fragments.key[entry, 2]
            self.orphan.dst1 = self.fragments.key[entry, 3]
            self.orphan.protocol = self.fragments.key[entry, 4] >> 32
            self.orphan.l3_bytes = self.fragments.l3_bytes[entry]
            self.orphan.l4_bytes = self.fragments.l4_bytes[entry]
            self._account(
                self.orphan,
                word,
                self.fragments.first_ns[entry],
                self.fragments.last_ns[entry],
                self.fragments.serial[entry],
                self.fragments.iface[entry],
                self.fragments.outgoing[entry] != 0,
            )
        self.fragments.remove(entry)

    def _account(
        self, p: Packet, word: int, first_ns: int, last_ns: int, serial: int, iface: int, outgoing: bool
    ) -> None:
        """Count packets << 40 | bytes to the packet's flow, or to the outcome that says why not."""
        ports = p.protocol << 32
        # Side 0 is the lower endpoint: address words as loaded, then port (bpf/table.h, name_flow)
        if p.src0 != p.dst0:
            sender = p.src0 > p.dst0
        elif p.src1 != p.dst1:
            sender = p.src1 > p.dst1
        else:
            sender = p.src_port > p.dst_port
        if sender:
            key = ports | p.src_port << 16 | p.dst_port
            index = self.table.find(p.dst0, p.dst1, p.src0, p.src1, key)
        else:
            key = ports | p.dst_port << 16 | p.src_port
            index = self.table.find(p.src0, p.src1, p.dst0, p.dst1, key)
        if index >= 0 and p.protocol == _TCP and p.tcp_flags & (_SYN | _ACK) == _SYN and self.table.closed(index):
            self.table.retire(index)  # the port is used again: another connection
            index = -1
        if index < 0:
            self._insert(p, key, sender, word, first_ns, last_ns, serial, iface, outgoing)
            return
        if self.selects and not self._counts_here(index, p, key, sender, word, iface, outgoing):
            return
        self.table.add(index, sender, word, self._headers(p, word))
        self._measure(index, p, sender, last_ns)
        self._carry(index, p, sender)
        late = first_ns <= self.table.last[index]
        self.table.last[index] = max(self.table.last[index], last_ns)
        if late and self.table.max_flows:  # capture files may be out of order, live ones are not
            self.table.first_ns[index] = min(self.table.first_ns[index], first_ns)
        if serial != self.frames and self.table.max_flows:  # a fragment that waited: it came earlier, whatever its time
            self.table.serial[index] = min(self.table.serial[index], serial)
        if p.protocol == _TCP and p.tcp_flags & ~self.table.tcp_flags[index, sender]:
            self.table.tcp_flags[index, sender] |= p.tcp_flags

    def _insert(
        self,
        p: Packet,
        key: int,
        sender: int,
        word: int,
        first_ns: int,
        last_ns: int,
        serial: int,
        iface: int,
        outgoing: bool,
    ) -> None:
        opener = sender
        if p.answers:
            opener = 1 - sender
        side = mask = generation = iface_id = 0
        if self.selects:
            side = self._workload_side(sender, iface, outgoing)
            mask = self._select(p, iface, key, opener, side, sender, p.tcp_flags)
            if not mask:
                self._tell(_NOT_SELECTED, word)
                return
            generation = self.iface_generation[iface]
            iface_id = self.iface_id[iface]
        index = self.table.place()
        if index < 0:
            self._tell(_TABLE_FULL, word)
            return
        low = 2 if sender else 0  # words of side 0 and 1 of the address
        self.table.words[index, low] = p.src0
        self.table.words[index, low + 1] = p.src1
        self.table.words[index, 2 - low] = p.dst0
        self.table.words[index, 3 - low] = p.dst1
        self.table.traffic[index, 0] = 0
        self.table.traffic[index, 1] = 0
        self.table.headers[index, 0] = 0
        self.table.headers[index, 1] = 0
        self.table.add(index, sender, word, self._headers(p, word))
        self.table.last[index] = last_ns
        self.table.observations[index] = mask
        self.table.peer_observations[index] = 0
        self.table.first_ns[index] = first_ns
        self.table.generation[index] = generation
        self.table.peer_generation[index] = 0
        self.table.peer_iface[index] = 0
        self.table.tcp_flags[index, 0] = 0
        self.table.tcp_flags[index, 1] = 0
        self.table.opener[index] = opener
        self.table.workload_side[index] = side
        if self.table.max_flows:
            self.table.serial[index] = serial
        self.table.index[index] = index
        self.table.performance.begin(index)
        self._measure(index, p, sender, last_ns)
        self.table.tcp_flags[index, sender] = p.tcp_flags
        self.table.words[index, _HEAD] = key | _LIVE | iface_id << 48
        self._carry(index, p, sender)

    def _carry(self, index: int, p: Packet, sender: int) -> None:
        if p.fragment == _WHOLE and (p.protocol == _TCP or p.protocol == _UDP):
            self.carried = index
            self.way = 0 if sender == self.table.opener[index] else 1

    def _headers(self, p: Packet, word: int) -> int:
        """Link headers << 32 | IP and transport headers of the bytes in `word`."""
        link = (word & _BYTES_MASK) - p.l3_bytes
        return link << 32 | (p.l3_bytes - p.l4_bytes if p.protocol in (_TCP, _UDP) else 0)

    def _measure(self, index: int, p: Packet, sender: int, ts_ns: int) -> None:
        """The packet in the flow's performance; the slot knows its opener, and the flags of the packets before."""
        if not p.complete:
            return
        way = 0 if sender == self.table.opener[index] else 1
        if p.protocol == _TCP:
            fins = self.table.tcp_flags[index, 0] & self.table.tcp_flags[index, 1] & _FIN
            self.table.performance.observe_tcp(index, p, way, fins != 0, ts_ns)
        elif p.protocol == _UDP:
            self.table.performance.observe_udp(index, way, ts_ns)
        else:
            self.table.performance.observe_echo(index, p, way, ts_ns)

    def _counts_here(self, index: int, p: Packet, key: int, sender: int, word: int, iface: int, outgoing: bool) -> bool:
        """Whether this interface counts the flow for someone; keeps who asks for it up to date with the plan."""
        iface_id = self.iface_id[iface]
        generation = self.iface_generation[iface]
        counted_by = self.table.iface[index]
        if counted_by == iface_id and self.table.generation[index] == generation:
            return True
        side = self._workload_side(sender, iface, outgoing)
        opener = self.table.opener[index]
        flags = self.table.tcp_flags[index, 0] | self.table.tcp_flags[index, 1] | p.tcp_flags
        if counted_by == 0:
            mask = self._select(p, iface, key, opener, side, sender, flags)
            if not mask:
                self._tell(_NOT_SELECTED, word)
                return False
            self.table.workload_side[index] = side
            self.table.observations[index] = mask
            self.table.generation[index] = generation
            self.table.iface[index] = iface_id
            if self.table.peer_iface[index] == iface_id:
                self.table.peer_iface[index] = 0
            return True
        if counted_by != iface_id:
            other = self.table.peer_iface[index]
            if other == 0 or (other == iface_id and self.table.peer_generation[index] != generation):
                self.table.peer_observations[index] = self._select(p, iface, key, opener, side, sender, flags)
                self.table.peer_generation[index] = generation
                self.table.peer_iface[index] = iface_id
            self._tell(_DUPLICATE, word)
            return False
        mask = self._select(p, iface, key, opener, side, sender, flags)
        self.table.observations[index] = mask
        self.table.generation[index] = generation
        if mask:
            return True
        if (
            self.table.peer_iface[index]
            and self.table.peer_observations[index]
            and self.table.peer_generation[index] == generation
        ):
            return True
        self.table.retire(index)  # nobody asks for it any more; a peer that does inserts it anew
        self._tell(_NOT_SELECTED, word)
        return False

    def _workload_side(self, sender: int, iface: int, outgoing: bool) -> int:
        """A packet leaves the workload on egress inside the pod, on ingress at the host's side of its interface."""
        return sender if outgoing == (self.iface_pod_side[iface] != 0) else 1 - sender

    def _select(self, p: Packet, iface: int, key: int, opener: int, side: int, sender: int, flags: int) -> int:
        """The observations that take this packet's flow for the workload behind `iface`."""
        mask = self.opened_out[iface] if opener == side else self.opened_in[iface]
        by_port = mask & self.by_port[iface]
        if by_port:
            protocol = key >> 32
            low = key & 0xFFFF
            high = key >> 16 & 0xFFFF
            named = self.port_masks.get(protocol, low if opener else high)
            if protocol != _TCP or not flags & _SYN:  # the opener is a guess
                named |= self.port_masks.get(protocol, high if opener else low)
            mask &= ~by_port | named
        by_peer = mask & self.by_peer[iface]
        if by_peer:
            if sender == side:
                named = self.peer_masks.get(p.dst0, p.dst1)
            else:
                named = self.peer_masks.get(p.src0, p.src1)
            mask &= ~by_peer | named
        return mask
