# cython: annotation_typing=False
# ruff: noqa: PLR0917 -- C calls are positional
"""From the calls that are done to counters: per observation in total, and per (workload, peer, endpoint) in series; and
which of them are to be logged.

A call whose peer is being asked for is left in the book for the next tick, as its flow is (export/aggregate.py).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from weir_api.nodeprobe import LATENCY_BUCKETS
from weir_probe.export.calls.series import CallSeries
from weir_probe.export.peers import INDEX, UNKNOWN, Peers
from weir_probe.export.series import SeriesTable
from weir_probe.protocols.message import (
    CLIENT_ERROR,
    DOMAIN,
    ENDPOINT,
    RESOURCE,
    SERVER_ERROR,
    TIMEOUT,
    TRACE_ID,
    TYPE,
)
from weir_probe.streams.calls import CallBook

#: Calls of one observation on this node since it began; one between two observed workloads counts once. `errors` are
#: those of client and server, and time-outs.
CALL_TOTAL: Final = np.dtype([("calls", "<u8"), ("errors", "<u8"), ("latencies", "<u8", (LATENCY_BUCKETS,))])
#: Of `CallCounter.kept`, for an observation that keeps all its calls.
ALL_KEPT: Final = 1 << 32
#: Protocols that there may be, as the rows of the book number them.
PROTOCOLS: Final = 256

_AHEAD = 8  # calls ahead that their rows are fetched
_UNKNOWN, _INDEX = UNKNOWN, INDEX
_CLIENT_ERROR, _SERVER_ERROR, _TIMEOUT = CLIENT_ERROR, SERVER_ERROR, TIMEOUT
_TYPE, _DOMAIN, _RESOURCE, _ENDPOINT, _TRACE = TYPE, DOMAIN, RESOURCE, ENDPOINT, TRACE_ID
_ALL = _WORD = 0xFFFFFFFFFFFFFFFF
# splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014)
_GAMMA, _FIRST_MIX, _SECOND_MIX = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def _mixed(word: int) -> int:
    word = (word + _GAMMA) & _WORD
    word = ((word ^ word >> 30) * _FIRST_MIX) & _WORD
    word = ((word ^ word >> 27) * _SECOND_MIX) & _WORD
    return word ^ word >> 31


class CallCounter:
    """Consumes the done rows of a call book. Masks have a bit for each observation."""

    def __init__(
        self,
        slots: npt.NDArray[Any],
        behind: npt.NDArray[np.uint32],
        set_of: npt.NDArray[np.uint8],
        counted_by: npt.NDArray[np.uint64],
        peers: Peers,
        flows: SeriesTable,
    ) -> None:
        """`behind`, `set_of` and `counted_by` are those of aggregate.Aggregator; `flows` bounds the series."""
        self.series = CallSeries(flows)
        self.peers = peers
        self.patient = True  # False: count now by what is known now
        self.waiting = 0  # calls that were left in the last tick
        self.totals = np.zeros(64, CALL_TOTAL)
        self.calls = self.totals["calls"].data
        self.errors = self.totals["errors"].data
        self.latencies = self.totals["latencies"].data
        # ---- what observations want
        self.with_metrics = 0
        self.logged = 0
        self.failed_or_slow = 0  # of `logged`, those that want no others
        self.slow_ns = np.zeros(64, np.uint64)
        self.kept = np.full(64, ALL_KEPT, np.uint64)  # of 2^32 calls, how many are logged
        self.included = np.full(PROTOCOLS, _ALL, np.uint64)  # by protocol: who wants its calls
        self.slow = self.slow_ns.data
        self.share = self.kept.data
        self.wanted_by = self.included.data
        # ---- which calls were counted, and which of them are to be logged: rows of the book, and for whom
        self.counted = 0
        self._hold(0)
        self.iface = slots["iface"].data
        self.peer_iface = slots["peer_iface"].data
        self.identity = behind.data
        self.set_of = set_of.data
        self.counted_by = counted_by.data

    def _hold(self, calls: int) -> None:
        self.rows = np.zeros(calls, np.int32)
        self.masks = np.zeros(calls, np.uint64)
        self.all_rows = np.zeros(calls, np.int32)
        self.all_masks = np.zeros(calls, np.uint64)
        self.log_row = self.rows.data
        self.log_mask = self.masks.data
        self.row = self.all_rows.data
        self.mask = self.all_masks.data

    def consume(self, book: CallBook, wall_offset_ns: int) -> int:
        """Count the done calls of a book, once each: the `counted` first of `all_rows` and `all_masks`. Returns how
        many are to be logged, in `rows` and `masks`.

        `wall_offset_ns` is Unix time minus the clock of the calls.
        """
        if len(self.rows) < len(book.done):
            self._hold(len(book.done))
        conversations = book.conversations
        self.addr = conversations["addr"].data
        self.observations = conversations["observations"].data
        self.peer_observations = conversations["peer_observations"].data
        self.slot = conversations["slot"].data
        self.workload = conversations["workload"].data
        return self._consume(book, wall_offset_ns)

    def _consume(self, book: CallBook, wall_offset_ns: int) -> int:
        self.waiting = 0
        self.counted = 0
        logged = 0
        for place in range(book.count):
            book.soon.row(book.finished[min(place + _AHEAD, book.count - 1)])
            row = book.finished[place]
            conversation = book.conversation[row]
            slot = self.slot[conversation]
            if slot < 0:
                continue
            wanted = self.wanted_by[book.protocol[row]]
            mask = self.observations[conversation] & wanted
            iface = self.iface[slot]
            peer_iface = self.peer_iface[slot]
            # left over where no other interface sees the flow, or the other took it over (bpf/flow.h)
            peer_mask = self.peer_observations[conversation] & wanted if peer_iface not in (0, iface) else 0
            if mask | peer_mask == 0:
                continue
            workload = self.workload[conversation] & 1
            side = 1 - workload
            other = self.peers.value_of(self.addr[conversation, side, 0], self.addr[conversation, side, 1])
            if other & _UNKNOWN and self.patient:
                book.hold(row)
                self.waiting += 1
                continue
            took_ns = 0
            bucket = -1
            if book.response_ns[row] > 0:
                if book.response_ns[row] > book.request_ns[row]:
                    took_ns = book.response_ns[row] - book.request_ns[row]
                bucket = self.series.bucket(took_ns)
            status = book.status[row]
            failed = status == _CLIENT_ERROR or status == _SERVER_ERROR or status == _TIMEOUT
            elsewhere = self.counted_by[slot]
            self._total((mask | peer_mask) & ~elsewhere, failed, bucket)
            self.row[self.counted] = row
            self.mask[self.counted] = mask | peer_mask
            self.counted += 1
            if (mask | peer_mask) & self.with_metrics:
                if iface:
                    local = self.identity[0, iface]
                else:  # between two interfaces: the flow was handed over
                    local = self.peers.find(self.addr[conversation, workload, 0], self.addr[conversation, workload, 1])
                at_ns = book.request_ns[row] + wall_offset_ns
                peer = other & _INDEX
                self._spread(mask & self.with_metrics, workload, iface, local, peer, book, row, took_ns, bucket, at_ns)
                self._spread(
                    peer_mask & self.with_metrics,
                    1 - workload,
                    peer_iface,
                    self.identity[0, peer_iface],
                    local,
                    book,
                    row,
                    took_ns,
                    bucket,
                    at_ns,
                )
            asked = (mask | peer_mask) & self.logged & ~elsewhere
            if asked:
                asked = self._kept(asked, failed, bucket >= 0, took_ns, self._drawn(book, row))
            if asked:
                self.log_row[logged] = row
                self.log_mask[logged] = asked
                logged += 1
        return logged

    def _total(self, mask: int, failed: bool, bucket: int) -> None:
        bit = 0
        while mask:
            if mask & 1:
                self.calls[bit] += 1
                self.errors[bit] += failed
                if bucket >= 0:
                    self.latencies[bit, bucket] += 1
            mask >>= 1
            bit += 1

    def _spread(
        self,
        mask: int,
        role: int,
        interface: int,
        workload: int,
        peer: int,
        book: CallBook,
        row: int,
        took_ns: int,
        bucket: int,
        at_ns: int,
    ) -> None:
        """`workload` is the identity behind `interface`, without labels."""
        if mask == 0:
            return
        endpoint = self.series.endpoints.find(
            workload,
            book.text,
            row,
            book.start[row, _TYPE],
            book.length[row, _TYPE],
            book.start[row, _ENDPOINT],
            book.length[row, _ENDPOINT],
        )
        protocol = book.protocol[row] << 8 | book.variant[row]
        traced = book.length[row, _TRACE]
        bit = 0
        while mask:
            if mask & 1:
                local = self.identity[self.set_of[bit], interface] if interface else workload
                at = self.series.add(
                    bit,
                    role,
                    protocol,
                    local,
                    peer,
                    endpoint,
                    book.status[row],
                    book.request_bytes[row],
                    book.response_bytes[row],
                )
                if bucket >= 0:
                    self.series.time(at, bucket, took_ns)
                    if traced:
                        self.series.exemplify(at, took_ns, at_ns, book.text, row, book.start[row, _TRACE], traced)
            mask >>= 1
            bit += 1

    def _kept(self, mask: int, failed: bool, answered: bool, took_ns: int, drawn: int) -> int:
        """Which of the observations in `mask` keep such a call."""
        kept = 0
        bit = 0
        single = 1
        while mask:
            if mask & 1 and drawn < self.share[bit]:
                slow = answered and took_ns >= self.slow[bit]
                if failed or slow or not self.failed_or_slow & single:
                    kept |= single
            mask >>= 1
            single <<= 1
            bit += 1
        return kept

    def _drawn(self, book: CallBook, row: int) -> int:
        """A number of 32 bits, by what every node that sees the call sees alike, behind whatever translation of
        addresses: where the request stands in its connection, or for datagrams what it says."""
        hashed = _mixed(book.id[row] ^ _mixed(book.seq[row]))
        if book.seq[row] == 0:
            hashed = self._digest(hashed, book, row, _DOMAIN)
            hashed = self._digest(hashed, book, row, _RESOURCE)
        return hashed >> 32

    def _digest(self, hashed: int, book: CallBook, row: int, column: int) -> int:
        for place in range(book.length[row, column]):
            hashed = _mixed(hashed ^ book.text[row, book.start[row, column] + place])
        return hashed
