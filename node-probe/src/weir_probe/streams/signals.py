"""What the kernel tells of a flow beside its packets: owners, drops, resets, retransmissions, final statistics.

A row for each slot of the flow table, filled from a stream of signals (bpf/signals.h).
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

#: Signals that are kept between two ticks, a power of two.
SIGNALS: Final = 32_768
COMMAND: Final = 16

#: Twin of struct weir_signal.
SIGNAL: Final = np.dtype(
    [
        ("sequence", "<u8"),
        ("slot", "<u4"),
        ("kind", "u1"),
        ("side", "u1"),
        ("state", "u1"),
        ("pad", "u1"),
        ("reason", "<u4"),
        ("count", "<u4"),
        ("cgroup", "<u8"),
        ("pid", "<u4"),
        ("more_pad", "<u4"),
        ("command", "u1", (COMMAND,)),
        ("acked", "<u8"),
        ("received", "<u8"),
        ("srtt_us", "<u4"),
        ("min_rtt_us", "<u4"),
        ("retrans", "<u4"),
        ("lost", "<u4"),
        ("cwnd", "<u4"),
        ("last_pad", "<u4"),
    ]
)
#: Twin of struct weir_signal_ring.
SIGNAL_RING: Final = np.dtype([("head", "<u8"), ("tail", "<u8"), ("lost", "<u8"), ("unmatched", "<u8")])

OWNER: Final = 1
FINAL: Final = 2
RESET_SENT: Final = 3
RESET_RECEIVED: Final = 4
RETRANSMITTED: Final = 5
DROPPED: Final = 6
#: A reset that was received, of which it is known already that it was sent.
KNOWN: Final = 0

#: States of a TCP socket by number (include/net/tcp_states.h); 0: there is no socket.
STATES: Final = (
    "NONE",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "NEW_SYN_RECV",
)

#: Reasons of drops that a flow record tells apart; packets dropped for others are counted together.
REASONS: Final = 4

#: Of one flow. By side of the slot, where there are two; `dropped` to `retransmitted` since its last record.
SIGNALLED: Final = np.dtype(
    [
        ("cgroup", "<u8", (2,)),
        ("pid", "<u4", (2,)),  # 0: not known
        ("command", "u1", (2, COMMAND)),
        ("acked", "<u8", (2,)),
        ("received", "<u8", (2,)),
        ("srtt_us", "<u4", (2,)),
        ("min_rtt_us", "<u4", (2,)),
        ("retrans", "<u4", (2,)),
        ("lost", "<u4", (2,)),
        ("cwnd", "<u4", (2,)),  # 0: the socket is still there, or was never seen
        ("reset_reason", "<u4"),
        ("reset_by", "u1"),  # who sent the first reset: side + 1; 0: nobody
        ("reset_known", "u1"),  # the sender was seen: the reason is its
        ("reset_state", "u1"),
        ("pad", "u1"),
        ("dropped", "<u4", (REASONS + 1,)),  # packets; the last: for other reasons than the first few
        ("drop_reason", "<u4", (REASONS,)),
        ("retransmitted", "<u4", (2,)),  # segments
        ("more_pad", "<u4"),
    ]
)

_OWNER, _FINAL, _RESET_SENT, _RESET_RECEIVED = OWNER, FINAL, RESET_SENT, RESET_RECEIVED
_RETRANSMITTED, _DROPPED, _KNOWN = RETRANSMITTED, DROPPED, KNOWN
_REASONS = REASONS
_COMMAND = COMMAND
_NO_RTT = 0xFFFFFFFF  # of min_rtt_us: none was measured (net/ipv4/tcp_input.c, tcp_min_rtt)


class Signalled:
    """`rows` of SIGNALLED, one for each slot of the table."""

    def __init__(self, rows: npt.NDArray[Any], written: npt.NDArray[np.uint8]) -> None:
        """`written` as Measures.written: set for the rows that were changed."""
        self.rows = rows
        self.fresh = written.data
        #: Rows that are not all 0: writing the others would take memory for every flow that ever was.
        self.used = np.zeros(len(rows), np.uint8)
        self.touched = self.used.data
        self.cgroup = rows["cgroup"].data
        self.pid = rows["pid"].data
        self.command = rows["command"].data
        self.acked = rows["acked"].data
        self.received = rows["received"].data
        self.srtt_us = rows["srtt_us"].data
        self.min_rtt_us = rows["min_rtt_us"].data
        self.retrans = rows["retrans"].data
        self.lost = rows["lost"].data
        self.cwnd = rows["cwnd"].data
        self.reset_reason = rows["reset_reason"].data
        self.reset_by = rows["reset_by"].data
        self.reset_known = rows["reset_known"].data
        self.reset_state = rows["reset_state"].data
        self.dropped = rows["dropped"].data
        self.drop_reason = rows["drop_reason"].data
        self.retransmitted = rows["retransmitted"].data

    def apply(self, signals: npt.NDArray[Any]) -> None:
        """Take what a stream told (SIGNAL), in its order. A reset that both its sender and its receiver told of counts
        once: the second time becomes KNOWN."""
        slot = signals["slot"].data
        kind = signals["kind"].data
        sides = signals["side"].data
        state = signals["state"].data
        reason = signals["reason"].data
        count = signals["count"].data
        cgroup = signals["cgroup"].data
        pid = signals["pid"].data
        command = signals["command"].data
        acked = signals["acked"].data
        received = signals["received"].data
        srtt_us = signals["srtt_us"].data
        min_rtt_us = signals["min_rtt_us"].data
        retrans = signals["retrans"].data
        lost = signals["lost"].data
        cwnd = signals["cwnd"].data
        for at in range(len(slot)):
            i = slot[at]
            if i >= len(self.reset_by):
                continue
            side = sides[at] & 1
            self.fresh[i] = self.touched[i] = 1
            if kind[at] == _OWNER or kind[at] == _FINAL:
                self.cgroup[i, side] = cgroup[at]
                if pid[at]:
                    self.pid[i, side] = pid[at]
                    for byte in range(_COMMAND):
                        self.command[i, side, byte] = command[at, byte]
            if kind[at] == _FINAL:
                self.acked[i, side] = acked[at]
                self.received[i, side] = received[at]
                self.srtt_us[i, side] = srtt_us[at]
                self.min_rtt_us[i, side] = 0 if min_rtt_us[at] == _NO_RTT else min_rtt_us[at]
                self.retrans[i, side] = retrans[at]
                self.lost[i, side] = lost[at]
                self.cwnd[i, side] = cwnd[at]
            elif kind[at] == _RESET_SENT:
                if not self.reset_by[i]:
                    self.reset_by[i] = side + 1
                    self.reset_reason[i] = reason[at]
                    self.reset_state[i] = state[at]
                    self.reset_known[i] = 1
            elif kind[at] == _RESET_RECEIVED:
                if not self.reset_by[i]:
                    self.reset_by[i] = side + 1
                    self.reset_state[i] = state[at]
                elif self.reset_known[i] and self.reset_by[i] == side + 1:
                    kind[at] = _KNOWN
            elif kind[at] == _RETRANSMITTED:
                self.retransmitted[i, side] += count[at]
            elif kind[at] == _DROPPED:
                self._drop(i, reason[at], count[at])

    def forget(self, slots: npt.NDArray[Any]) -> None:
        """The flows in these slots have ended."""
        slots = slots[self.used[slots] != 0]
        self.rows[slots] = 0
        self.used[slots] = 0

    def _drop(self, i: int, reason: int, packets: int) -> None:
        at = 0
        while at < _REASONS and self.dropped[i, at] and self.drop_reason[i, at] != reason:
            at += 1
        if at < _REASONS:
            self.drop_reason[i, at] = reason
        self.dropped[i, at] += packets
