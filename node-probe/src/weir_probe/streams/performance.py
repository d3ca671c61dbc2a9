# cython: annotation_typing=False

"""Performance of each flow, packet by packet: times, retransmissions, windows, and how the flow ended.

docs/flows.md defines every figure, bpf/tcp.h is the same for the kernel. What is kept of a flow is in its slot
(layout.SLOT). Times, and segments out of sequence, go to where they are kept: to Measures at once (capture files), or
to the stream of samples. Way 0 is from the client, the end that opened the flow; 1 is from the server.
"""

from typing import Any, Final

import numpy.typing as npt

from weir_probe.streams.layout import TIMES
from weir_probe.streams.measures import Measures
from weir_probe.streams.samples import Samples
from weir_probe.wire.packet import Packet

#: How a flow ended, by index; docs/flows.md.
CLOSE_TYPES: Final = (
    "unknown",
    "finish",
    "server_syn_miss",
    "client_ack_miss",
    "server_reset",
    "client_establish_rst",
    "server_establish_rst",
    "client_source_port_reuse",
    "server_queue_lack",
    "tcp_timeout",
    "client_rst",
    "server_rst",
    "client_half_close",
    "server_half_close",
)

#: States of a connection's opening: nothing seen, SYN, SYN+ACK, an answer to the SYN that is no SYN+ACK, open, and open
#: for the client while the server still repeats its SYN+ACK.
OPENING_STATES: Final = ("none", "syn", "synack", "challenged", "established", "queue_lack")
#: An open connection without a packet for so long has timed out.
IDLE_TIMEOUT_NS: Final = 300_000_000_000

_RTT_CLIENT, _RTT_SERVER, _SRT, _ART, _CIT, _RTT = range(len(TIMES))
_FIN, _SYN, _RST, _PSH, _ACK = 0x01, 0x02, 0x04, 0x08, 0x10
_KIND = 0x3F  # without the ECN bits (RFC 3168 §6.1), which an opening SYN may carry
_MASK = 0xFFFFFFFF  # sequence numbers count modulo 2^32 (RFC 9293 §3.4)
_HALF = 1 << 31
_WINDOW = 1 << 30  # no window is larger (RFC 7323 §2.3)
_SRT_LIMIT, _ART_LIMIT, _RTT_LIMIT = 10_000_000_000, 30_000_000_000, 30_000_000_000

# Marks of a slot; the first five stand for two bits, one for each way
_SENT_SYN, _SENT_SYNACK, _SPOKE, _SENT_DATA = 0x1, 0x4, 0x10, 0x20000
_HOLES = 0x80000  # some data between `low` and `high` was not seen
_SYN_FIRST = 0x40  # the client's SYN came before the server's SYN+ACK
_ANSWERED = 0x80  # the handshake's ACK is due
_IDLE = 0x100  # the handshake is done, and the client has sent nothing yet
_AWAITS_ACK, _AWAITS_DATA = 0x200, 0x400  # a request waits for its ACK, for its response
_PUSHED = 0x800  # the request ended with PSH
_HELD = 0x1000
_RESPONDED = 0x2000  # the last to send data was the server
_SHOOK = 0x4000  # the handshake's ACK came
_REQUEST = _AWAITS_ACK | _AWAITS_DATA | _PUSHED | _HELD

_NONE, _OPENS, _ANSWERS, _CHALLENGED, _ESTABLISHED, _QUEUE_LACK = range(6)
_FINISH = CLOSE_TYPES.index("finish")
_SERVER_RESET = CLOSE_TYPES.index("server_reset")
_CLIENT_ESTABLISH_RST = CLOSE_TYPES.index("client_establish_rst")  # the server's is the next; so for client_rst
_PORT_REUSE = CLOSE_TYPES.index("client_source_port_reuse")
_LACK = CLOSE_TYPES.index("server_queue_lack")
_CLIENT_RST = CLOSE_TYPES.index("client_rst")
_SYN_MISS, _ACK_MISS = CLOSE_TYPES.index("server_syn_miss"), CLOSE_TYPES.index("client_ack_miss")
_CLIENT_HALF_CLOSE = CLOSE_TYPES.index("client_half_close")
_SERVER_HALF_CLOSE, _TIMEOUT = CLOSE_TYPES.index("server_half_close"), CLOSE_TYPES.index("tcp_timeout")


def _before(one: int, other: int) -> bool:
    """Whether a sequence number is the lower one (RFC 9293 §3.4)."""
    return (one - other) & _MASK >= _HALF


def close_type(opening: int, reset: int, client_flags: int, server_flags: int, timed_out: bool) -> int:
    """How a TCP connection ended, as an index of CLOSE_TYPES: `opening` and `reset` as its slot has them, the flags
    that either end has sent, and whether nothing came for as long as an open connection may be idle."""
    if reset:
        return reset
    if opening == _OPENS:
        return _SYN_MISS
    if opening == _ANSWERS:
        return _ACK_MISS
    if opening == _QUEUE_LACK:
        return _LACK
    if client_flags & server_flags & _FIN:
        return _FINISH
    if client_flags & _FIN:
        return _SERVER_HALF_CLOSE
    if server_flags & _FIN:
        return _CLIENT_HALF_CLOSE
    return _TIMEOUT if opening == _ESTABLISHED and timed_out else 0


class Performance:
    """What packets do to the slots of a table, named by their index."""

    def __init__(self, slots: npt.NDArray[Any], measures: Measures, samples: Samples | None = None) -> None:
        """With `samples` they get the times and segments, for others to read; without them `measures` does."""
        self.measures = measures
        self.streams = samples is not None
        self.samples = Samples() if samples is None else samples
        self.use(slots)

    def use(self, slots: npt.NDArray[Any]) -> None:
        """From here on the slots are these: the table has grown."""
        self.last_ns = slots["last_ns"].data
        self.syn_ns = slots["syn_ns"].data
        self.synack_ns = slots["synack_ns"].data
        self.held_ns = slots["held_ns"].data
        self.high = slots["high"].data
        self.low = slots["low"].data
        self.last_seq = slots["last_seq"].data
        self.next_seq = slots["next_seq"].data
        self.initial_seq = slots["initial_seq"].data
        self.awaited = slots["awaited"].data
        self.retrans = slots["retrans"].data
        self.retrans_opening = slots["retrans_opening"].data
        self.zero_win = slots["zero_win"].data
        self.syn = slots["syn"].data
        self.synack = slots["synack"].data
        self.fin = slots["fin"].data
        self.merged = slots["merged"].data
        self.marks = slots["marks"].data
        self.opening = slots["opening"].data
        self.reset = slots["reset"].data

    def begin(self, index: int) -> None:
        """A new flow in this slot."""
        self.last_ns[index, 0] = self.last_ns[index, 1] = 0
        self.retrans[index, 0] = self.retrans[index, 1] = 0
        self.retrans_opening[index, 0, 0] = self.retrans_opening[index, 0, 1] = 0
        self.retrans_opening[index, 1, 0] = self.retrans_opening[index, 1, 1] = 0
        self.zero_win[index, 0] = self.zero_win[index, 1] = 0
        self.syn[index] = self.synack[index] = self.fin[index] = self.merged[index] = 0
        self.marks[index] = 0
        self.opening[index] = self.reset[index] = 0

    def observe_udp(self, index: int, way: int, ts_ns: int) -> None:
        """Art: the first packet from the server after one from the client."""
        if way == 0:
            self.last_ns[index, 0] = ts_ns
            self.marks[index] |= _AWAITS_DATA
        elif self.marks[index] & _AWAITS_DATA:
            self.marks[index] &= ~_AWAITS_DATA & _MASK
            self._time(index, _ART, self.last_ns[index, 0], ts_ns)

    def observe_echo(self, index: int, p: Packet, way: int, ts_ns: int) -> None:
        """Srt: the reply that has the identifier and sequence number of the last request."""
        if way == 0 and not p.answers:
            self.last_ns[index, 0] = ts_ns
            self.awaited[index] = p.seq
            self.marks[index] |= _AWAITS_ACK
        elif way and p.answers and self.marks[index] & _AWAITS_ACK and self.awaited[index] == p.seq:
            self.marks[index] &= ~_AWAITS_ACK & _MASK
            self._time(index, _SRT, self.last_ns[index, 0], ts_ns)

    def observe_tcp(self, index: int, p: Packet, way: int, both_fins: bool, ts_ns: int) -> None:
        """A TCP segment. `both_fins`: both ends had sent FIN before it."""
        kind = p.tcp_flags & _KIND
        if kind == _SYN or (kind == _SYN | _ACK and not p.payload):
            self._count_opening(index, p, way)
        if kind & _FIN:
            self.fin[index] += 1
        if not kind & (_SYN | _RST):
            if not p.window:
                self.zero_win[index, way] += 1
            if p.payload:
                self._count_data(index, p, way)
                self.merged[index] += p.segments() - 1
        self._follow(index, kind, way, both_fins)
        if ts_ns >= self.last_ns[index, 0] and ts_ns >= self.last_ns[index, 1]:
            if kind & (_SYN | _RST) or not kind & _ACK:
                self._time_opening(index, p, kind, way, ts_ns)
            elif way:
                self._time_server(index, p, kind, ts_ns)
            else:
                self._time_client(index, p, kind, ts_ns)
            self.marks[index] |= _SPOKE << way
            self.last_ns[index, way] = ts_ns
            if way == 0:
                self.last_seq[index] = p.seq
            self.next_seq[index, way] = (p.seq + p.payload + (1 if kind & _SYN else 0)) & _MASK

    def _time(self, index: int, what: int, since_ns: int, ts_ns: int) -> None:
        if ts_ns < since_ns:  # a capture file out of order
            return
        if self.streams:
            self.samples.put_time(index, what, ts_ns - since_ns)
        else:
            self.measures.time(index, what, ts_ns - since_ns)

    def _count_opening(self, index: int, p: Packet, way: int) -> None:
        """A SYN or SYN+ACK; with another initial sequence number the connection starts anew."""
        answer = 1 if p.tcp_flags & _ACK else 0
        sent = (_SENT_SYNACK if answer else _SENT_SYN) << way
        if answer:
            self.synack[index] += 1
        else:
            self.syn[index] += 1
        known = self.marks[index] & (_SENT_SYN | _SENT_SYNACK) << way
        if known and self.initial_seq[index, way] != p.seq:
            self.marks[index] &= _SPOKE | _SPOKE << 1
            if not answer:
                self.opening[index] = _NONE
        elif known & sent:
            self.retrans[index, way] += 1
            self.retrans_opening[index, way, answer] += 1
        self.initial_seq[index, way] = p.seq

    def _time_opening(self, index: int, p: Packet, kind: int, way: int, ts_ns: int) -> None:
        """SYN, SYN+ACK; RST and what no end may send ends what was being timed."""
        if way == 0:  # whatever the client sends ends the request before it
            self.marks[index] &= ~_REQUEST & _MASK
        if kind == _SYN:
            if way == 0 and not self.marks[index] & _SENT_SYN:
                self.syn_ns[index] = ts_ns
            self.marks[index] |= _SENT_SYN << way
        elif kind == _SYN | _ACK and not p.payload:
            if way:
                self._time_synack(index, p, ts_ns)
            self.marks[index] |= _SENT_SYNACK << way
        else:
            self.marks[index] &= ~(_REQUEST | _ANSWERED) & _MASK

    def _time_synack(self, index: int, p: Packet, ts_ns: int) -> None:
        marks = self.marks[index]
        if marks & _SENT_SYN and p.ack == (self.last_seq[index] + 1) & _MASK:
            self._time(index, _RTT_SERVER, self.syn_ns[index], ts_ns)
        if not marks & _SENT_SYNACK << 1:
            self.synack_ns[index] = ts_ns
            if marks & _SENT_SYN:
                marks |= _SYN_FIRST
        if not marks & _SHOOK:
            marks |= _ANSWERED
            self.awaited[index] = p.ack
        self.marks[index] = marks

    def _time_client(self, index: int, p: Packet, kind: int, ts_ns: int) -> None:
        marks = self.marks[index]
        if p.payload:
            if kind == _PSH | _ACK and p.payload > 1:
                if marks & _IDLE:
                    self._time(index, _CIT, max(self.last_ns[index, 0], self.last_ns[index, 1]), ts_ns)
                elif marks & _RESPONDED:
                    self._time(index, _CIT, self.last_ns[index, 1], ts_ns)
            marks &= ~(_REQUEST | _ANSWERED | _IDLE | _RESPONDED)
            if p.payload > 1:
                marks |= _AWAITS_ACK | _AWAITS_DATA
                if kind & _PSH:
                    marks |= _PUSHED
        else:
            marks &= ~_REQUEST
            if (
                marks & _ANSWERED
                and kind == _ACK
                and p.seq == self.awaited[index]
                and p.ack == (self.initial_seq[index, 1] + 1) & _MASK
            ):
                marks = marks & ~_ANSWERED | _SHOOK | _IDLE
                self._time(index, _RTT_CLIENT, self.synack_ns[index], ts_ns)
                if marks & _SYN_FIRST and ts_ns - self.syn_ns[index] <= _RTT_LIMIT:
                    self._time(index, _RTT, self.syn_ns[index], ts_ns)
        self.marks[index] = marks & _MASK

    def _time_server(self, index: int, p: Packet, kind: int, ts_ns: int) -> None:
        marks = self.marks[index]
        took = ts_ns - self.last_ns[index, 0]
        if p.payload > 1:
            if marks & _HELD:
                self._time(index, _SRT, 0, self.held_ns[index])
            if marks & _AWAITS_DATA and marks & _SPOKE << 1 and p.seq == self.next_seq[index, 1] and took <= _ART_LIMIT:
                self._time(index, _ART, self.last_ns[index, 0], ts_ns)
            marks = marks & ~_REQUEST | _RESPONDED
        elif kind == _ACK and not p.payload:
            if marks & _AWAITS_ACK and p.ack == self.next_seq[index, 0]:
                marks &= ~_AWAITS_ACK
                if took > _SRT_LIMIT:
                    pass
                elif marks & _PUSHED:
                    self._time(index, _SRT, self.last_ns[index, 0], ts_ns)
                else:  # it may be the middle of a request: that shows when the server answers, or the client goes on
                    self.held_ns[index] = took
                    marks |= _HELD
        elif kind & _FIN:
            marks &= ~_REQUEST
        self.marks[index] = marks & ~_ANSWERED & _MASK

    def _count_data(self, index: int, p: Packet, way: int) -> None:
        """Data new, seen, or left to Measures to tell. Keeps the end of what was seen, and the beginning where nothing
        is missing."""
        seq = p.seq
        end = (seq + p.payload) & _MASK
        if not self.marks[index] & _SENT_DATA << way:
            self.marks[index] |= _SENT_DATA << way
            self.low[index, way] = seq
            self.high[index, way] = end
            return
        high = self.high[index, way]
        low = self.low[index, way]
        if seq != high:
            if _before(seq, high) and (high - seq) & _MASK > _WINDOW:
                return  # outside any window: nothing that either end would take
            holes = self.marks[index] & _HOLES << way
            if not holes and _before(seq, high) and (seq - low) & _MASK < (high - low) & _MASK:
                self.retrans[index, way] += p.segments()
            else:
                if self.streams:
                    self.samples.put_segment(index, way, seq, p.payload, low, high, holes == 0, p.segments())
                else:
                    self.measures.segment(index, way, seq, p.payload, low, high, holes == 0, p.segments())
                self.marks[index] |= _HOLES << way
                low = end if _before(high, end) else high
                self.low[index, way] = low
            if not _before(high, end):
                return
        self.high[index, way] = end
        # Comparison holds within half the number space: forget what is further down than a window
        if (end - low) & _MASK > _WINDOW:
            self.low[index, way] = (end - _WINDOW) & _MASK
            self.marks[index] &= ~(_HOLES << way) & _MASK

    def _follow(self, index: int, kind: int, way: int, both_fins: bool) -> None:
        """The state of the opening, and what an RST means in it."""
        state = self.opening[index]
        if kind & _RST:
            if not self.reset[index]:
                self.reset[index] = self._reset_in(index, state, way, both_fins)
        elif kind & _SYN:
            if not kind & _ACK:
                if state == _NONE:
                    state = _OPENS
            elif state != _ESTABLISHED:
                state = _QUEUE_LACK if state == _QUEUE_LACK else _ANSWERS
            elif way:
                state = _QUEUE_LACK
        elif way:
            if state == _OPENS:
                state = _CHALLENGED
            elif state != _CHALLENGED:
                state = _ESTABLISHED
        elif state != _QUEUE_LACK:
            state = _ESTABLISHED
        self.opening[index] = state

    def _reset_in(self, index: int, state: int, way: int, both_fins: bool) -> int:
        if state == _OPENS:
            return _SERVER_RESET if way else _CLIENT_ESTABLISH_RST
        if state == _ANSWERS:
            return _CLIENT_ESTABLISH_RST + way
        if state == _CHALLENGED:
            return _SERVER_RESET if way else _PORT_REUSE
        if state == _QUEUE_LACK:
            return _LACK
        if both_fins or (way == 0 and self.marks[index] & _RESPONDED):
            return _FINISH
        return _CLIENT_RST + way
