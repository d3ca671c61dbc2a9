"""From the flows of a tick to counters: per observation in total, and per (workload, peer) in the series table."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from weir_probe.export.peers import INDEX, UNKNOWN, Peers
from weir_probe.export.reasons import ReasonTable
from weir_probe.export.series import SeriesTable
from weir_probe.streams.layout import COUNTERS, LIVE, SAMPLE, TIMES
from weir_probe.streams.performance import close_type
from weir_probe.streams.samples import SAMPLES
from weir_probe.streams.signals import DROPPED, RESET_SENT, SIGNAL, SIGNALS
from weir_probe.streams.tick import Ticker
from weir_probe.wire.prefetching import Prefetch

#: Of one observation on this node since it began: `packets` and `bytes` are (from the workload, to it); a flow between
#: two observed workloads counts once. `dropped` are packets, of `segments` (of TCP) some were `retransmitted`.
TOTAL: Final = np.dtype(
    [
        ("packets", "<u8", (2,)),
        ("bytes", "<u8", (2,)),
        ("opened", "<u8"),
        ("live", "<u8"),
        ("dropped", "<u8"),
        ("segments", "<u8"),
        ("retransmitted", "<u8"),
    ]
)
BYTES = (1 << 40) - 1
_INDEX, _UNKNOWN = INDEX, UNKNOWN
_COUNTERS = len(COUNTERS)
_BY_WAY = 10  # of them, the first
_TIMES = len(TIMES)
_LIVE = LIVE
_DROPPED, _RESET_SENT = DROPPED, RESET_SENT
_RETRANS = COUNTERS.index("retrans_tx")
_NOBODY = 64  # in place of an observation's bit
_AHEAD, _SERIES_AHEAD = 12, 6  # rows
_RECENT = 64  # flows whose series are remembered while times are counted, a power of two


def _first(mask: int) -> int:
    """The lowest bit of a mask."""
    bit = 0
    while not mask & 1:
        mask >>= 1
        bit += 1
    return bit


def _protocol(proto: int) -> int:
    """Index in series.PROTOCOLS of an IANA protocol number."""
    if proto == 6:
        return 0
    if proto == 17:
        return 1
    if proto in {1, 58}:
        return 2
    if proto == 132:
        return 3
    return 4


class Aggregator:
    """Consumes a Ticker's rows. `behind[s, i]` is the identity of the workload behind interface i, as observations of
    set s name it; the set of each is `set_of[bit]` (behind.Behind). `counted_by[slot]` are the observations that count
    the connection of a slot by another one (translation.Translations), in their totals.

    A flow whose peer is being asked for is left for the next tick, with all that it counted (`Ticker.postpone`).
    """

    def __init__(  # noqa: PLR0917
        self,
        slots: npt.NDArray[Any],
        exported: npt.NDArray[Any],
        ticker: Ticker,
        peers: Peers,
        behind: npt.NDArray[np.uint32],
        set_of: npt.NDArray[np.uint8],
        counted_by: npt.NDArray[np.uint64],
    ) -> None:
        self.series = SeriesTable()
        self.reasons = ReasonTable()
        self.peers = peers
        self.with_metrics = 0  # observations that ask for series
        self.patient = True  # False: count now by what is known now
        self.waiting = 0  # flows that were left in the last tick
        self.ticker = ticker
        self.totals = np.zeros(64, TOTAL)
        self.stored = np.zeros(2, np.uint64)  # packets, bytes of all flows since this process began
        self.identity = behind.data
        self.set_of = set_of.data
        self.counted_by = counted_by.data
        self.total_packets = self.totals["packets"].data
        self.total_bytes = self.totals["bytes"].data
        self.opened = self.totals["opened"].data
        self.live = self.totals["live"].data
        self.dropped = self.totals["dropped"].data
        self.segments = self.totals["segments"].data
        self.retransmitted = self.totals["retransmitted"].data
        self.all_stored = self.stored.data
        self.addr = slots["addr"].data
        self.proto = slots["proto"].data
        self.iface = slots["iface"].data
        self.peer_iface = slots["peer_iface"].data
        self.observations = slots["observations"].data
        self.peer_observations = slots["peer_observations"].data
        self.opener = slots["opener"].data
        self.workload_side = slots["workload_side"].data
        self.memory = exported["peer"].data
        self.row_slot = ticker.rows["slot"].data
        self.row_event = ticker.rows["event"].data
        self.row_delta = ticker.rows["delta"].data
        self.row_counters = ticker.rows["counters"].data
        self.row_merged = ticker.rows["merged"].data
        self.left_in = np.zeros(len(slots), np.uint32).data  # the tick in which a flow was last left
        self.later = np.zeros(0, SAMPLE)  # samples of flows that were left
        self.later_signals = np.zeros(0, SIGNAL)
        self.state = slots["state"].data
        self.opening = slots["opening"].data
        self.reset = slots["reset"].data
        self.tcp_flags = slots["tcp_flags"].data
        self.flow = Prefetch(slots, 128)
        self.as_recorded = Prefetch(exported["recorded"], 64)  # and who the peer is
        self.as_read = Prefetch(exported, 16)
        self.as_rested = Prefetch(ticker.rests, 64)
        self.elsewhere = Prefetch(counted_by, 8)
        self.mask = self.peer_mask = 0
        self.role = self.protocol = self.local = self.other = 0
        self.interface = self.peer_interface = 0
        # by a flow's place among the recent ones: its slot + 1, and the rows of its series
        self.recent = np.zeros(_RECENT, np.uint32)
        self.recent_slot = self.recent.data
        self.recent_count = np.zeros(_RECENT, np.uint32).data
        self.recent_rows = np.zeros((_RECENT, 2 * len(self.totals)), np.uint32).data

    def begin(self) -> None:
        """Start a tick, with the flows that rest."""
        self.series.begin()
        self.totals["live"] = 0
        self.waiting = 0
        self._count_quiet()

    def consume(self, first: int, end: int) -> None:
        """Count some rows of the ticker, each once."""
        for row in range(first, end):
            self._prefetch(row, end)
            i = self.row_slot[row]
            mask = self.observations[i]
            side = self.workload_side[i] & 1
            other = 0
            if mask:
                other = self._peer(i, 1 - side, (self.row_event[row] & 1) != 0)
                if other & _UNKNOWN:
                    self.ticker.postpone(row)
                    self.left_in[i] = self.ticker.tick
                    self.waiting += 1
                    continue
            a = self.row_delta[row, 0]
            b = self.row_delta[row, 1]
            self.all_stored[0] += (a >> 40) + (b >> 40)
            self.all_stored[1] += (a & BYTES) + (b & BYTES)
            iface = self.iface[i]
            peer_iface = self.peer_iface[i]
            # left over where no other interface sees the flow, or the other took it over (bpf/flow.h)
            peer_mask = self.peer_observations[i] if peer_iface not in (0, iface) else 0
            event = self.row_event[row]
            alone = peer_iface == 0 and self.state[i] == _LIVE and not event & 1
            if mask | peer_mask == 0:
                if alone:
                    self.ticker.rest(i, -1, _NOBODY)
                continue
            opened = (event & 1) != 0
            live = (event & 2) == 0
            if side:  # from here on: a is what the workload sent, b what it received
                a, b = b, a
            elsewhere = self.counted_by[i]
            self._total(mask & ~elsewhere, a, b, opened, live)
            self._total(peer_mask & ~mask & ~elsewhere, b, a, opened, live)
            if event & 8 and self.proto[i] == 6:
                again = self.row_counters[row, _RETRANS] + self.row_counters[row, _RETRANS + 1]
                segments = (a >> 40) + (b >> 40) + self.row_merged[row]
                self._total_segments((mask | peer_mask) & ~elsewhere, segments, again)
            at = -1
            if self._resolve(i, other):
                close = -1
                if event & 2 and self.proto[i] == 6:
                    opener = self.opener[i] & 1
                    close = close_type(
                        self.opening[i],
                        self.reset[i],
                        self.tcp_flags[i, opener],
                        self.tcp_flags[i, 1 - opener],
                        event & 4 != 0,
                    )
                counted = row if event & 8 else -1
                at = self._spread(self.mask, self.role, self.interface, self.other, a, b, opened, live, counted, close)
                self._spread(
                    self.peer_mask, 1 - self.role, self.peer_interface, self.local, b, a, opened, live, counted, close
                )
            if alone and mask & (mask - 1) == 0 and elsewhere == 0:
                self.ticker.rest(i, at, _first(mask))

    def _prefetch(self, row: int, end: int) -> None:
        """Have what `consume` needs of flows of later rows, and then the recorder."""
        if row + _AHEAD < end:
            i = self.row_slot[row + _AHEAD]
            self.flow.row(i)
            self.as_recorded.row(i)
            self.as_read.row(i)
            self.as_rested.row(i)
            self.elsewhere.row(i)
            # where the flow counted when it last rested, if it did
            self.series.counting.row(self.ticker.rest_series[self.row_slot[row + _SERIES_AHEAD]])

    def _count_quiet(self) -> None:
        """Flows that rest are live, wherever they were."""
        for place in range(self.ticker.resting):
            bit = self.ticker.quiet_bit[place]
            if bit != _NOBODY:
                self.live[bit] += 1
            at = self.ticker.quiet_series[place]
            if at >= 0:
                self.series.live[at] += 1

    def consume_times(self, samples: npt.NDArray[Any]) -> None:
        """Count the times that samples (layout.SAMPLE) tell, in the series of their flows; after `consume`."""
        if len(self.later):
            samples = np.concatenate([self.later, samples])
        slot = samples["slot"].data
        kind = samples["kind"].data
        ns = samples["ns"].data
        self.recent[:] = 0
        left = np.zeros(len(samples), np.uint8)
        waits = left.data
        for at in range(len(slot)):
            i = slot[at]
            if kind[at] >= _TIMES or i >= len(self.state) or self.state[i] < _LIVE:
                continue
            if self.left_in[i] == self.ticker.tick:
                waits[at] = 1
                continue
            place = i & (_RECENT - 1)
            if self.recent_slot[place] != i + 1:
                self._remember(i, place)
            for which in range(self.recent_count[place]):
                self.series.time(self.recent_rows[place, which], kind[at], ns[at])
        self.later = samples[left != 0][:SAMPLES]

    def consume_signals(self, signals: npt.NDArray[Any]) -> None:
        """Count what signals (streams.signals.SIGNAL) tell of drops, resets and retransmissions; after `consume`."""
        signals = np.concatenate([self.later_signals, signals])
        slot = signals["slot"].data
        kind = signals["kind"].data
        sides = signals["side"].data
        states = signals["state"].data
        reason = signals["reason"].data
        count = signals["count"].data
        left = np.zeros(len(signals), np.uint8)
        waits = left.data
        for at in range(len(slot)):
            i = slot[at]
            if kind[at] < _RESET_SENT or i >= len(self.state) or self.state[i] < _LIVE:
                continue
            if self.left_in[i] == self.ticker.tick:
                waits[at] = 1
                continue
            times = max(count[at], 1)
            side = self.workload_side[i] & 1
            if kind[at] == _DROPPED:
                mask = self.observations[i]
                if self.peer_iface[i] not in (0, self.iface[i]):
                    mask |= self.peer_observations[i]
                self._total_dropped(mask, times)
            if not self._resolve(i, self._peer(i, 1 - side, False)):
                continue
            what = kind[at] << 8 | (side ^ sides[at] & 1)
            what = (what << 8 | states[at]) << 40 | reason[at]
            self._reason(self.mask, self.role, self.interface, self.other, what, times)
            self._reason(self.peer_mask, 1 - self.role, self.peer_interface, self.local, what ^ 1 << 48, times)
        self.later_signals = signals[left != 0][:SIGNALS]

    def _resolve(self, i: int, other: int) -> bool:
        """Whose flow it is, into `mask` to `peer_interface`: False if no observation asks for series of it.

        `other` is the identity of its peer."""
        iface = self.iface[i]
        peer_iface = self.peer_iface[i]
        self.mask = self.observations[i] & self.with_metrics
        # left over where no other interface sees the flow, or the other took it over (bpf/flow.h)
        self.peer_mask = self.peer_observations[i] & self.with_metrics if peer_iface not in (0, iface) else 0
        if self.mask | self.peer_mask == 0:
            return False
        side = self.workload_side[i] & 1
        self.protocol = _protocol(self.proto[i])
        self.role = 0 if self.opener[i] == side else 1
        self.interface = iface
        self.peer_interface = peer_iface
        if iface != 0:
            self.local = self.identity[0, iface]
        else:  # between two interfaces: it was handed over and the next has not seen a packet yet
            self.local = self.peers.find(self.addr[i, side, 0], self.addr[i, side, 1])
        self.other = other & _INDEX
        return True

    def _named(self, bit: int, interface: int) -> int:
        """The identity behind an interface, as the observation of this bit names it. Interface 0: `local`."""
        return self.identity[self.set_of[bit], interface] if interface else self.local

    def _spread(  # noqa: PLR0917  a C call
        self,
        mask: int,
        role: int,
        interface: int,
        peer: int,
        sent: int,
        received: int,
        opened: bool,
        live: bool,
        row: int,
        close: int,
    ) -> int:
        """`row` of the ticker has counters, if it is not -1; `close` is how a connection ended, if it did. Returns the
        row of the last series, -1: there is none."""
        bit, at = 0, -1
        while mask:
            if mask & 1:
                local = self._named(bit, interface)
                at = self.series.add(bit, role, self.protocol, local, peer, sent, received, opened, live)
                if row >= 0:
                    for which in range(_COUNTERS):
                        mine = which ^ role if which < _BY_WAY else which
                        if self.row_counters[row, which]:
                            self.series.counters[at, mine] += self.row_counters[row, which]
                if close >= 0:
                    self.series.closed[at, close] += 1
            mask >>= 1
            bit += 1
        return at

    def _remember(self, i: int, place: int) -> None:
        """Find the series of a flow, to have them at hand."""
        self.recent_slot[place] = i + 1
        self.recent_count[place] = 0
        if self._resolve(i, self._peer(i, 1 - (self.workload_side[i] & 1), False)):
            self._remember_rows(place, self.mask, self.role, self.interface, self.other)
            self._remember_rows(place, self.peer_mask, 1 - self.role, self.peer_interface, self.local)

    def _remember_rows(self, place: int, mask: int, role: int, interface: int, peer: int) -> None:
        bit = 0
        while mask:
            if mask & 1:
                at = self.series.find(bit, role, self.protocol, self._named(bit, interface), peer)
                if at >= 0:
                    self.recent_rows[place, self.recent_count[place]] = at
                    self.recent_count[place] += 1
            mask >>= 1
            bit += 1

    def _reason(self, mask: int, role: int, interface: int, peer: int, what: int, count: int) -> None:  # noqa: PLR0917
        bit = 0
        while mask:
            if mask & 1:
                at = self.series.find(bit, role, self.protocol, self._named(bit, interface), peer)
                if at >= 0:
                    self.reasons.add(self.series.key[at], what, count)
            mask >>= 1
            bit += 1

    def _total_dropped(self, mask: int, count: int) -> None:
        bit = 0
        while mask:
            if mask & 1:
                self.dropped[bit] += count
            mask >>= 1
            bit += 1

    def _total_segments(self, mask: int, segments: int, retransmitted: int) -> None:
        bit = 0
        while mask:
            if mask & 1:
                self.segments[bit] += segments
                self.retransmitted[bit] += retransmitted
            mask >>= 1
            bit += 1

    def _total(self, mask: int, a: int, b: int, opened: bool, live: bool) -> None:
        bit = 0
        while mask:
            if mask & 1:
                self.total_packets[bit, 0] += a >> 40
                self.total_packets[bit, 1] += b >> 40
                self.total_bytes[bit, 0] += a & BYTES
                self.total_bytes[bit, 1] += b & BYTES
                self.opened[bit] += opened
                self.live[bit] += live
            mask >>= 1
            bit += 1

    def _peer(self, i: int, side: int, new: bool) -> int:
        """The identity behind the address of `side`; with UNKNOWN, if the flow is to wait for it."""
        first = self.addr[i, side, 0]
        second = self.addr[i, side, 1]
        memory = self.peers.of_flow(first, second, self.memory[i], side, self.ticker.tick)
        self.memory[i] = memory
        value = self.peers.remembered(memory)
        if value <= _INDEX or not (value & _UNKNOWN or new):
            return value & _INDEX
        return _UNKNOWN if self.patient else self.peers.class_of(first, second)
