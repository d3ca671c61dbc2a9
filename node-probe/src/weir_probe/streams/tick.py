"""One pass over the flow table per tick: what each flow counted since the last, which ended, which slots are free.

The kernel (or the engine of user space) goes on counting meanwhile. A flow ends in two steps: a slot that is idle,
closed, or replaced by a new connection is RETIRED, so that no new packet finds it; a tick later every packet that had
found it before is counted, its last difference is read, and the slot is emptied.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from weir_probe.streams.layout import COUNTERS, LIVE, RETIRED
from weir_probe.streams.measures import MEASURED
from weir_probe.wire.prefetching import Prefetch

NEW: Final = 1
ENDED: Final = 2
#: It was idle for as long as an open connection may be.
TIMED_OUT: Final = 4
#: `counters` of the row are filled; else nothing but perhaps `delta` has changed.
COUNTED: Final = 8

#: A row per occupied slot; `delta` is packets << 40 | bytes since the last tick, by sending side, and `counters` what
#: layout.COUNTERS names, since then.
ROW: Final = np.dtype(
    [
        ("delta", "<u8", (2,)),
        ("slot", "<u4"),
        ("event", "<u4"),
        ("counters", "<u8", (len(COUNTERS),)),
        ("merged", "<u8"),  # TCP segments that are in `delta` as one packet with another
    ]
)

#: What is remembered of a flow that rests: what its slot was like, until when that says all there is to say of it (of
#: the table's clock; 0: it does not rest), and where it counts as live.
RESTING: Final = np.dtype(
    [
        ("traffic", "<u8", (2,)),
        ("observations", "<u8"),
        ("until", "<u8"),
        ("due", "<u8"),  # CLOCK_MONOTONIC of the next record
        ("series", "<i4"),  # -1: none
        ("iface", "<u2"),
        ("bit", "u1"),  # of the one observation that counts it; 64: none does
        ("pad", "u1", (17,)),
    ]
)

#: A flow that rests in this tick, with what RESTING has of where it counts.
QUIET: Final = np.dtype([("slot", "<u4"), ("series", "<i4"), ("bit", "<u4")])

WORD = 0xFFFFFFFFFFFFFFFF
BYTES = (1 << 40) - 1
_COUNTERS = len(COUNTERS)
_MEASURED_WORDS = MEASURED.itemsize // 8
_ROUSED_EVERY = 32
_CHUNK = 4096  # slots that are looked through at once: what was read of them is in the cache the second time
# how many flows ahead their lines are fetched: what tells whether one rests, then what else one needs that does not
_AHEAD, _COUNTED_AHEAD = 12, 6


def _closed(flags_a: int, flags_b: int) -> bool:
    """RST from anyone, or FIN from both sides."""
    return bool((flags_a | flags_b) & 0x04) or bool(flags_a & flags_b & 0x01)


class Ticker:
    """Reads one flow table. `rows[:run(...)]` are the flows of a tick; call `release` when they are dealt with.

    A flow that nothing comes of may `rest`: then it has no row, and is one of `quiet[:resting]`. It is roused when its
    slot changes or a time is up, with all others by `rouse`, and every 32nd tick: what it refers to stays in use so.
    """

    def __init__(
        self,
        slots: npt.NDArray[Any],
        exported: npt.NDArray[Any],
        first_flow_id: int,
        measured: npt.NDArray[Any] | None = None,
        written: npt.NDArray[np.uint8] | None = None,
    ) -> None:
        """`slots` (layout.SLOT), `exported` (layout.EXPORTED) and `measured` (measures.MEASURED, or none), with
        Measures.written, are flat, of one length. Flow ids count from `first_flow_id` (> 0), which differs from one
        probe process to the next."""
        if measured is None:
            measured = np.zeros(len(slots), MEASURED)
        if written is None:
            written = np.zeros(len(slots), np.uint8)
        self.slots = slots
        self.exported = exported
        self.rows = np.zeros(len(slots), ROW)
        self.quiet = np.zeros(len(slots) + _AHEAD, QUIET)
        self.quiet_slot = self.quiet["slot"].data
        self.quiet_series = self.quiet["series"].data
        self.quiet_bit = self.quiet["bit"].data
        self.resting = 0
        self.rests = np.zeros(len(slots), RESTING)
        self.rest_traffic = self.rests["traffic"].data
        self.rest_observations = self.rests["observations"].data
        self.rest_until = self.rests["until"].data
        self.rest_due = self.rests["due"].data
        self.rest_series = self.rests["series"].data
        self.rest_iface = self.rests["iface"].data
        self.rest_bit = self.rests["bit"].data
        self.selection = Prefetch(slots["observations"], 64)
        self.counted = Prefetch(slots["high"], 128)
        self.as_rested = Prefetch(self.rests, 64)
        self.as_read = Prefetch(exported, 128)
        self.tcp_idle = self.tcp_closed = self.other_idle = 0
        occupied = slots["state"] >= LIVE  # by an earlier process, whose table this was
        self.tick = int(exported["retired_tick"][occupied].max(initial=0))
        self.next_flow_id = first_flow_id
        self.state = slots["state"].data
        self.proto = slots["proto"].data
        self.tcp_flags = slots["tcp_flags"].data
        self.traffic = slots["traffic"].data
        self.last = slots["last"].data
        # ports, protocol, state and interface are one aligned word: writing 0 frees the slot at once
        self.head = slots.view(np.uint64).reshape(len(slots), -1)[:, 4].data
        self.iface = slots["iface"].data
        self.peer_iface = slots["peer_iface"].data
        self.observations = slots["observations"].data
        self.peer_observations = slots["peer_observations"].data
        self.generation = slots["generation"].data
        self.peer_generation = slots["peer_generation"].data
        self.read = exported["traffic"].data
        self.flow_id = exported["flow_id"].data
        self.sequence = exported["sequence"].data
        self.retired_tick = exported["retired_tick"].data
        self.recorded = exported["recorded"].data
        self.recorded_ns = exported["recorded_ns"].data
        self.peer = exported["peer"].data
        self.headers = slots["headers"].data
        self.opener = slots["opener"].data
        self.retrans = slots["retrans"].data
        self.retrans_opening = slots["retrans_opening"].data
        self.zero_win = slots["zero_win"].data
        self.syn = slots["syn"].data
        self.synack = slots["synack"].data
        self.fin = slots["fin"].data
        self.merged = slots["merged"].data
        self.measured = measured
        self.measured_words = measured.view(np.uint64).reshape(len(measured), -1).data
        self.more_retrans = measured["retrans"].data
        self.ooo = measured["ooo"].data
        self.fresh = written.data
        self.read_headers = exported["headers"].data
        self.layers = exported["layers"].data
        self.read_counters = exported["counters"].data
        self.read_merged = exported["merged"].data
        self.read_more = exported["more_retrans"].data
        self.recorded_counters = exported["recorded_counters"].data
        self.row_counters = self.rows["counters"].data
        self.row_merged = self.rows["merged"].data
        self.row_slot = self.rows["slot"].data
        self.row_event = self.rows["event"].data
        self.row_delta = self.rows["delta"].data

    def run(self, now: int, tcp_idle: int, tcp_closed: int, other_idle: int, now_ns: int) -> int:
        """Fill `rows` with every occupied slot that does not rest and return how many. Times are in ticks of the
        table's clock: `now`, and how long a TCP flow, a closed one, or another may be idle before it is retired;
        `now_ns` is CLOCK_MONOTONIC."""
        self.tick += 1
        self.tcp_idle, self.tcp_closed, self.other_idle = tcp_idle, tcp_closed, other_idle
        self.resting = count = 0
        for first in range(0, len(self.state), _CHUNK):
            count = self._chunk(first, min(first + _CHUNK, len(self.state)), count, now, now_ns)
        return count

    def _chunk(self, first: int, end: int, count: int, now: int, now_ns: int) -> int:
        """`run` for some slots; `count` are the rows so far, and with theirs."""
        for place in range(self.resting, self._occupied(first, end)):
            self._prefetch(place)
            i = self.quiet_slot[place]
            state = self.state[i]
            if self._rests(i, now, now_ns):
                self.quiet_slot[self.resting] = i
                self.quiet_series[self.resting] = self.rest_series[i]
                self.quiet_bit[self.resting] = self.rest_bit[i]
                self.resting += 1
                continue
            self.rest_until[i] = 0
            event = 0
            if self.flow_id[i] == 0:
                self.flow_id[i] = self.next_flow_id
                self.next_flow_id += 1
                event = 1
            if state == 3:
                if self.retired_tick[i] == 0:
                    self.retired_tick[i] = self.tick
                elif self.retired_tick[i] != self.tick:
                    event |= 2
                    if self.proto[i] == 6 and now > self.last[i] and now - self.last[i] >= self.tcp_idle:
                        event |= 4
            else:
                last = self.last[i]
                if now > last and now - last >= self._limit(i):
                    self.state[i] = 3
                    self.retired_tick[i] = self.tick
            a = self.traffic[i, 0]
            b = self.traffic[i, 1]
            if event & 2 or a != self.read[i, 0] or b != self.read[i, 1] or self.fresh[i]:
                event |= 8
                self._count(i, count, a - self.read[i, 0] & WORD, b - self.read[i, 1] & WORD)
            self.row_slot[count] = i
            self.row_event[count] = event
            # modulo 2^64: the words may wrap between two ticks
            self.row_delta[count, 0] = (a - self.read[i, 0]) & WORD
            self.row_delta[count, 1] = (b - self.read[i, 1]) & WORD
            self.read[i, 0] = a
            self.read[i, 1] = b
            count += 1
        return count

    def _occupied(self, first: int, end: int) -> int:
        """Put the slots that hold a flow into `quiet`, behind those that rest, and return where they end: `_chunk`
        leaves those that rest. The kernel may fill a slot meanwhile, but nobody else empties one."""
        found = self.resting
        for i in range(first, end):
            if self.state[i] >= 2:  # else EMPTY, or BUSY with an insertion
                self.quiet_slot[found] = i
                found += 1
        return found

    def _prefetch(self, place: int) -> None:
        """Have what `_chunk` needs of flows that come after this place; beyond the last, flows of an earlier tick."""
        i = self.quiet_slot[place + _AHEAD]
        self.selection.row(i)
        self.as_rested.row(i)
        i = self.quiet_slot[place + _COUNTED_AHEAD]
        if (
            self.rest_until[i] == 0
            or self.traffic[i, 0] != self.rest_traffic[i, 0]
            or self.traffic[i, 1] != self.rest_traffic[i, 1]
        ):
            self.counted.row(i)
            self.as_read.row(i)

    def _limit(self, i: int) -> int:
        """How long flow `i` may be idle."""
        if self.proto[i] != 6:
            return self.other_idle
        return self.tcp_closed if _closed(self.tcp_flags[i, 0], self.tcp_flags[i, 1]) else self.tcp_idle

    def _rests(self, i: int, now: int, now_ns: int) -> bool:
        return (
            self.rest_until[i] > now
            and self.rest_due[i] > now_ns
            and self.state[i] == 2
            and self.traffic[i, 0] == self.rest_traffic[i, 0]
            and self.traffic[i, 1] == self.rest_traffic[i, 1]
            and self.observations[i] == self.rest_observations[i]
            and self.iface[i] == self.rest_iface[i]
            and self.peer_iface[i] == 0
            and not self.fresh[i]
            and (i ^ self.tick) % _ROUSED_EVERY != 0
        )

    def rest(self, i: int, series: int, bit: int) -> None:
        """From here on, as long as nothing comes of flow `i`, all that is to be done for it is to count it as live:
        for the observation of this bit (64: for none), and in this row of its series (-1: in none). `rests["due"]` says
        when there is a record to be made of it."""
        self.rest_traffic[i, 0] = self.read[i, 0]
        self.rest_traffic[i, 1] = self.read[i, 1]
        self.rest_observations[i] = self.observations[i]
        self.rest_iface[i] = self.iface[i]
        self.rest_series[i] = series
        self.rest_bit[i] = bit
        self.rest_until[i] = self.last[i] + self._limit(i)

    def rouse(self) -> None:
        """Every flow has a row in the next tick: something has changed that flows refer to."""
        self.rests["until"] = 0

    def every(self, count: int) -> npt.NDArray[Any]:
        """The first `count` rows, and one for each flow that rests: it counted nothing."""
        quiet = np.zeros(self.resting, ROW)
        quiet["slot"] = self.quiet["slot"][: self.resting]
        return np.concatenate([self.rows[:count], quiet])

    def postpone(self, row: int) -> None:
        """As if this tick had not come to the row's flow: what it counted, and that it began or ended, comes again."""
        i = self.row_slot[row]
        if self.row_event[row] & 8:
            self._take_back(i, row)
        for side in range(2):
            self.read[i, side] = (self.read[i, side] - self.row_delta[row, side]) & WORD
            self.row_delta[row, side] = 0
        if self.row_event[row] & 1:
            self.flow_id[i] = 0
        self.row_event[row] = 0

    def _count(self, i: int, row: int, a: int, b: int) -> None:
        """What flow `i` counted since it was last read; `a` and `b` are the differences of its words."""
        opener = self.opener[i] & 1
        self._layers(i, row, 0, opener, a & BYTES)
        self._layers(i, row, 1, 1 - opener, b & BYTES)
        for way in range(2):
            self._difference(i, row, 4 + way, self.retrans[i, way])
            self.row_counters[row, 6 + way] = 0
            self._difference(i, row, 8 + way, self.zero_win[i, way])
        self._difference(i, row, 10, self.retrans_opening[i, 0, 0] + self.retrans_opening[i, 1, 0])
        self._difference(i, row, 11, self.retrans_opening[i, 0, 1] + self.retrans_opening[i, 1, 1])
        self._difference(i, row, 12, self.syn[i])
        self._difference(i, row, 13, self.synack[i])
        self._difference(i, row, 14, self.fin[i])
        merged = self.merged[i]
        self.row_merged[row] = merged - self.read_merged[i] & 0xFFFFFFFF
        self.read_merged[i] = merged
        if self.fresh[i]:  # else the row of Measures is as it was: it need not be fetched
            self.fresh[i] = 0
            for way in range(2):
                self._difference(i, row, 6 + way, self.ooo[i, way])
                more = self.more_retrans[i, way]
                self.row_counters[row, 4 + way] += more - self.read_more[i, way] & 0xFFFFFFFF
                self.read_more[i, way] = more

    def _layers(self, i: int, row: int, side: int, way: int, octets: int) -> None:
        """Bytes of layers 3 and 4 that `side` sent, in `octets` of layer 2. A packet may be in the one word already and
        not in the other: what would be less than nothing waits for the next tick."""
        now = self.headers[i, side]
        headers = now - self.read_headers[i, side] & WORD
        self.read_headers[i, side] = now
        self.layers[i, side, 0] += octets - (headers >> 32)
        if self.proto[i] in (6, 17):
            self.layers[i, side, 1] += octets - (headers >> 32) - (headers & 0xFFFFFFFF)
        for layer in range(2):
            told = max(self.layers[i, side, layer], 0)
            self.layers[i, side, layer] -= told
            self.row_counters[row, 2 * layer + way] = told

    def _difference(self, i: int, row: int, which: int, now: int) -> None:
        self.row_counters[row, which] = now - self.read_counters[i, which - 4] & 0xFFFFFFFF
        self.read_counters[i, which - 4] = now & 0xFFFFFFFF

    def _take_back(self, i: int, row: int) -> None:
        """As if `_count` had not been called; but for headers, which are kept as told early."""
        self.fresh[i] = 1
        for side in range(2):
            way = side ^ self.opener[i] & 1
            octets = self.row_delta[row, side] & BYTES
            self.layers[i, side, 0] += self.row_counters[row, way] - octets
            if self.proto[i] in (6, 17):
                self.layers[i, side, 1] += self.row_counters[row, 2 + way] - octets
        for which in range(_COUNTERS):
            if which >= 4:
                before = self.read_counters[i, which - 4] - self.row_counters[row, which]
                self.read_counters[i, which - 4] = before & 0xFFFFFFFF
            self.row_counters[row, which] = 0
        self.read_merged[i] = self.read_merged[i] - self.row_merged[row] & 0xFFFFFFFF

    def release(self, count: int) -> int:
        """Empty the slots of the flows that ended in these `count` rows; returns how many."""
        freed = 0
        for row in range(count):
            if self.row_event[row] & 2:
                i = self.row_slot[row]
                self.read[i, 0] = 0
                self.read[i, 1] = 0
                self.recorded[i, 0] = 0
                self.recorded[i, 1] = 0
                self.recorded_ns[i] = 0
                self.flow_id[i] = 0
                self.sequence[i] = 0
                self.retired_tick[i] = 0
                self.peer[i] = 0
                self.read_merged[i] = 0
                for side in range(2):
                    self.read_more[i, side] = 0
                    self.read_headers[i, side] = 0
                    self.layers[i, side, 0] = 0
                    self.layers[i, side, 1] = 0
                for which in range(_COUNTERS):
                    self.recorded_counters[i, which] = 0
                    if which >= 4:
                        self.read_counters[i, which - 4] = 0
                for word in range(_MEASURED_WORDS):
                    self.measured_words[i, word] = 0
                self.head[i] = 0  # last: from here on the slot may be taken again
                freed += 1
        return freed

    def retire_interface(self, iface: int) -> int:
        """Interface `iface` is no longer watched: retire the flows that it counts, but for those that another interface
        sees too, which takes them over with its next packet. Returns how many were retired."""
        retired = 0
        for i in range(len(self.state)):
            if self.state[i] != 2:
                continue
            if self.iface[i] == iface:
                if self.peer_iface[i] != 0 and self.peer_observations[i] != 0:
                    self.observations[i] = 0
                    self.iface[i] = 0
                else:
                    self.state[i] = 3
                    retired += 1
            elif self.peer_iface[i] == iface:
                self.peer_observations[i] = 0
                self.peer_iface[i] = 0
        return retired

    def clear_observations(self, kept: int, generation: int) -> None:
        """Take observations that are no more out of slots that no packet has visited since plan `generation`."""
        for i in range(len(self.state)):
            if self.state[i] < 2:
                continue
            # written only where one goes: the kernel may be selecting this flow anew
            if self.generation[i] != generation and self.observations[i] & ~kept:
                self.observations[i] &= kept
            if self.peer_generation[i] != generation and self.peer_observations[i] & ~kept:
                self.peer_observations[i] &= kept


assert (LIVE, RETIRED) == (2, 3)
