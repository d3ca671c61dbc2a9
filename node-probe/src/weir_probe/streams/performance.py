# cython: annotation_typing=False

"""Performance of each flow, packet by packet: times, retransmissions, windows, and how the flow ended.

docs/flows.md defines every figure. One row per slot of the flow table, in memory of a fixed size: nothing here grows
with the length of a flow. Direction 0 is from the client, the end that opened the flow; 1 is from the server.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from weir_probe.wire.packet import Packet

#: What is timed, by index.
TIMES: Final = ("rtt_client", "rtt_server", "srt", "art", "cit")
#: Ranges of sequence numbers remembered per direction: one cache line. Beyond, the lowest gap is taken as filled.
RANGES: Final = 8

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

PERFORMANCE: Final = np.dtype(
    [
        ("l3_bytes", "<u8", (2,)),
        ("l4_bytes", "<u8", (2,)),
        ("count", "<u8", (5,)),
        ("sum_ns", "<u8", (5,)),
        ("max_ns", "<u8", (5,)),
        ("rtt_ns", "<u8"),
        ("last_ns", "<u8", (2,)),
        ("syn_ns", "<u8"),  # the client's first SYN
        ("synack_ns", "<u8"),  # the server's first SYN+ACK
        ("held_ns", "<u8"),  # an srt that counts once a response shows that the request was complete
        ("range_low", "<u4", (2, RANGES)),
        ("range_high", "<u4", (2, RANGES)),
        ("last_seq", "<u4", (2,)),
        ("next_seq", "<u4", (2,)),
        ("initial_seq", "<u4", (2,)),
        ("synack_ack", "<u4"),
        ("echo", "<u4"),  # identifier and sequence number of the last echo request
        ("retrans", "<u4", (2,)),
        ("retrans_opening", "<u4", (2,)),  # SYN and SYN+ACK, by direction
        ("retrans_kind", "<u4", (2,)),  # SYN, SYN+ACK
        ("ooo", "<u4", (2,)),
        ("zero_win", "<u4", (2,)),
        ("syn", "<u4"),
        ("synack", "<u4"),
        ("fin", "<u4"),
        ("marks", "<u4"),
        ("ranges", "u1", (2,)),
        ("opening", "u1"),
        ("reset", "u1"),  # the close type that an RST gave
        ("pad", "u1", (4,)),
    ]
)

_RANGES = RANGES
_RTT_CLIENT, _RTT_SERVER, _SRT, _ART, _CIT = range(5)
_FIN, _SYN, _RST, _PSH, _ACK = 0x01, 0x02, 0x04, 0x08, 0x10
_KIND = 0x3F  # without the ECN bits (RFC 3168 §6.1), which an opening SYN may carry
_MASK = 0xFFFFFFFF  # sequence numbers count modulo 2^32 (RFC 9293 §3.4)
_HALF = 1 << 31
_WINDOW = 1 << 30  # no window is larger (RFC 7323 §2.3)
_SRT_LIMIT, _ART_LIMIT, _RTT_LIMIT = 10_000_000_000, 30_000_000_000, 30_000_000_000

# Marks of a row; the first three stand for two bits, one per direction
_SENT_SYN, _SENT_SYNACK, _SPOKE = 0x1, 0x4, 0x10
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


def _before(one: int, other: int) -> bool:
    """Whether a sequence number is the lower one (RFC 9293 §3.4)."""
    return (one - other) & _MASK >= _HALF


def close_types(
    rows: npt.NDArray[Any], fins: npt.NDArray[Any], idle_ns: npt.NDArray[np.uint64]
) -> npt.NDArray[np.uint8]:
    """How each TCP connection ended, as indexes of CLOSE_TYPES.

    `fins`: whether the client, the server sent FIN, by row; `idle_ns`: how long nothing has come since.
    """
    opening, (client, server) = rows["opening"], fins.T
    states = {name: opening == state for state, name in enumerate(OPENING_STATES)}
    rules = {
        "server_syn_miss": states["syn"],
        "client_ack_miss": states["synack"],
        "server_queue_lack": states["queue_lack"],
        "finish": client & server,
        "server_half_close": client,
        "client_half_close": server,
        "tcp_timeout": states["established"] & (idle_ns >= IDLE_TIMEOUT_NS),
    }
    ends = np.select(list(rules.values()), [CLOSE_TYPES.index(name) for name in rules])
    return np.where(rows["reset"], rows["reset"], ends).astype(np.uint8)


class Performance:
    """Figures of flows in rows of PERFORMANCE, named by their index."""

    def __init__(self, rows: npt.NDArray[Any]) -> None:
        self.use(rows)

    def use(self, rows: npt.NDArray[Any]) -> None:
        """From here on the rows are these: the table has grown."""
        self.l3_bytes = rows["l3_bytes"].data
        self.l4_bytes = rows["l4_bytes"].data
        self.count = rows["count"].data
        self.sum_ns = rows["sum_ns"].data
        self.max_ns = rows["max_ns"].data
        self.rtt_ns = rows["rtt_ns"].data
        self.last_ns = rows["last_ns"].data
        self.syn_ns = rows["syn_ns"].data
        self.synack_ns = rows["synack_ns"].data
        self.held_ns = rows["held_ns"].data
        self.range_low = rows["range_low"].data
        self.range_high = rows["range_high"].data
        self.last_seq = rows["last_seq"].data
        self.next_seq = rows["next_seq"].data
        self.initial_seq = rows["initial_seq"].data
        self.synack_ack = rows["synack_ack"].data
        self.echo = rows["echo"].data
        self.retrans = rows["retrans"].data
        self.retrans_opening = rows["retrans_opening"].data
        self.retrans_kind = rows["retrans_kind"].data
        self.ooo = rows["ooo"].data
        self.zero_win = rows["zero_win"].data
        self.syn = rows["syn"].data
        self.synack = rows["synack"].data
        self.fin = rows["fin"].data
        self.marks = rows["marks"].data
        self.ranges = rows["ranges"].data
        self.opening = rows["opening"].data
        self.reset = rows["reset"].data

    def add_bytes(self, index: int, way: int, l3_bytes: int, l4_bytes: int) -> None:
        """Count what `way` has sent."""
        self.l3_bytes[index, way] += l3_bytes
        self.l4_bytes[index, way] += l4_bytes

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
            self.echo[index] = p.seq
            self.marks[index] |= _AWAITS_ACK
        elif way and p.answers and self.marks[index] & _AWAITS_ACK and self.echo[index] == p.seq:
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
                self._count_data(index, way, p.seq, p.payload)
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
            self.last_seq[index, way] = p.seq
            self.next_seq[index, way] = (p.seq + p.payload + (1 if kind & _SYN else 0)) & _MASK

    def _time(self, index: int, what: int, since_ns: int, ts_ns: int) -> None:
        if ts_ns < since_ns:  # a capture file out of order
            return
        took = ts_ns - since_ns
        self.count[index, what] += 1
        self.sum_ns[index, what] += took
        self.max_ns[index, what] = max(self.max_ns[index, what], took)

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
            self.ranges[index, 0] = self.ranges[index, 1] = 0
        elif known & sent:
            self.retrans[index, way] += 1
            self.retrans_opening[index, way] += 1
            self.retrans_kind[index, answer] += 1
        self.initial_seq[index, way] = p.seq

    def _time_opening(self, index: int, p: Packet, kind: int, way: int, ts_ns: int) -> None:
        """SYN, SYN+ACK; RST and what no end may send ends what was being timed."""
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
        if marks & _SENT_SYN and p.ack == (self.last_seq[index, 0] + 1) & _MASK:
            self._time(index, _RTT_SERVER, self.syn_ns[index], ts_ns)
        if not marks & _SENT_SYNACK << 1:
            self.synack_ns[index] = ts_ns
            if marks & _SENT_SYN:
                marks |= _SYN_FIRST
        if not marks & _SHOOK:
            marks |= _ANSWERED
            self.synack_ack[index] = p.ack
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
                and p.seq == self.synack_ack[index]
                and p.ack == (self.initial_seq[index, 1] + 1) & _MASK
            ):
                marks = marks & ~_ANSWERED | _SHOOK | _IDLE
                self._time(index, _RTT_CLIENT, self.synack_ns[index], ts_ns)
                if marks & _SYN_FIRST and ts_ns - self.syn_ns[index] <= _RTT_LIMIT:
                    self.rtt_ns[index] = ts_ns - self.syn_ns[index]
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

    def _count_data(self, index: int, way: int, seq: int, length: int) -> None:
        """Data seen before, late or new; keeps the ranges that were seen, the highest last."""
        count = self.ranges[index, way]
        end = (seq + length) & _MASK
        if not count:
            self.range_low[index, way, 0] = seq
            self.range_high[index, way, 0] = end
            self.ranges[index, way] = 1
            return
        top = count - 1
        high = self.range_high[index, way, top]
        if seq == high:
            self.range_high[index, way, top] = end
        else:
            if _before(seq, high):
                if (high - seq) & _MASK > _WINDOW:
                    return  # outside any window: nothing that either end would take
                if self._seen(index, way, seq):
                    self.retrans[index, way] += 1
                else:
                    self.ooo[index, way] += 1
            self._cover(index, way, seq, end)
            top = self.ranges[index, way] - 1
        # Comparison holds within half the number space: forget what is further down than a window
        high = self.range_high[index, way, top]
        while (high - self.range_high[index, way, 0]) & _MASK > _WINDOW:
            self._drop_lowest(index, way)
        if (high - self.range_low[index, way, 0]) & _MASK > _WINDOW:
            self.range_low[index, way, 0] = (high - _WINDOW) & _MASK

    def _seen(self, index: int, way: int, seq: int) -> bool:
        for at in range(self.ranges[index, way]):
            low = self.range_low[index, way, at]
            if (seq - low) & _MASK < (self.range_high[index, way, at] - low) & _MASK:
                return True
        return False

    def _drop_lowest(self, index: int, way: int) -> None:
        count = self.ranges[index, way] - 1
        for at in range(count):
            self.range_low[index, way, at] = self.range_low[index, way, at + 1]
            self.range_high[index, way, at] = self.range_high[index, way, at + 1]
        self.ranges[index, way] = count

    def _cover(self, index: int, way: int, seq: int, end: int) -> None:
        """Add a range, and join the ones that it touches."""
        count = self.ranges[index, way]
        first = 0
        while first < count and _before(self.range_high[index, way, first], seq):
            first += 1
        after = first
        while after < count and not _before(end, self.range_low[index, way, after]):
            if _before(self.range_low[index, way, after], seq):
                seq = self.range_low[index, way, after]
            if _before(end, self.range_high[index, way, after]):
                end = self.range_high[index, way, after]
            after += 1
        if after == first:
            if count == _RANGES:  # no room: the lowest gap is taken as filled
                if first == 0:
                    self.range_low[index, way, 0] = seq
                    return
                if first == 1:
                    self.range_high[index, way, 0] = end
                    return
                seen = self.range_low[index, way, 0]
                self._drop_lowest(index, way)
                self.range_low[index, way, 0] = seen
                first -= 1
                count -= 1
            for at in range(count, first, -1):
                self.range_low[index, way, at] = self.range_low[index, way, at - 1]
                self.range_high[index, way, at] = self.range_high[index, way, at - 1]
            self.ranges[index, way] = count + 1
        else:
            for at in range(after, count):
                self.range_low[index, way, first + 1 + at - after] = self.range_low[index, way, at]
                self.range_high[index, way, first + 1 + at - after] = self.range_high[index, way, at]
            self.ranges[index, way] = count - (after - first - 1)
        self.range_low[index, way, first] = seq
        self.range_high[index, way, first] = end

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
