cimport cython
from weir_probe.export.peers cimport Peers
from weir_probe.export.reasons cimport ReasonTable
from weir_probe.export.series cimport SeriesTable
from weir_probe.streams.tick cimport Ticker
from weir_probe.wire.prefetching cimport Prefetch

from weir_probe.streams.performance cimport close_type

cdef unsigned long long BYTES
cdef unsigned int _INDEX, _UNKNOWN
cdef Py_ssize_t _COUNTERS, _BY_WAY, _TIMES
cdef unsigned char _LIVE, _DROPPED, _RESET_SENT
cdef Py_ssize_t _RETRANS
cdef unsigned char _NOBODY
cdef Py_ssize_t _AHEAD, _SERIES_AHEAD
cdef Py_ssize_t _RECENT

cdef class Aggregator:
    cdef readonly SeriesTable series
    cdef readonly ReasonTable reasons
    cdef public Peers peers
    cdef public unsigned long long with_metrics
    cdef public bint patient
    cdef readonly Py_ssize_t waiting
    cdef Ticker ticker
    cdef Prefetch flow, as_recorded, as_read, as_rested, elsewhere
    cdef readonly object totals
    cdef readonly object stored
    cdef unsigned int[:, :] identity
    cdef unsigned char[:] set_of
    cdef unsigned long long[:] counted_by
    cdef unsigned long long[:, :] total_packets
    cdef unsigned long long[:, :] total_bytes
    cdef unsigned long long[:] opened
    cdef unsigned long long[:] live
    cdef unsigned long long[:] all_stored
    cdef unsigned long long[:, :, :] addr
    cdef unsigned char[:] proto
    cdef unsigned short[:] iface
    cdef unsigned short[:] peer_iface
    cdef unsigned long long[:] observations
    cdef unsigned long long[:] peer_observations
    cdef unsigned char[:] opener
    cdef unsigned char[:] workload_side
    cdef unsigned long long[:] memory
    cdef unsigned int[:] row_slot
    cdef unsigned int[:] row_event
    cdef unsigned long long[:, :] row_delta
    cdef unsigned long long[:, :] row_counters
    cdef unsigned char[:] state, opening, reset
    cdef unsigned int[:] left_in
    cdef readonly object later, later_signals
    cdef unsigned long long[:] row_merged, dropped, segments, retransmitted
    cdef unsigned char[:, :] tcp_flags
    cdef unsigned long long mask, peer_mask
    cdef unsigned int role, protocol, local, other, interface, peer_interface

    cdef object recent
    cdef unsigned int[:] recent_slot, recent_count
    cdef unsigned int[:, :] recent_rows

    @cython.locals(row=cython.Py_ssize_t, i=cython.Py_ssize_t, mask=cython.ulonglong, peer_mask=cython.ulonglong,
                   a=cython.ulonglong, b=cython.ulonglong, opened=cython.bint, live=cython.bint, side=cython.uint,
                   iface=cython.ushort, peer_iface=cython.ushort, event=cython.uint, close=cython.int,
                   opener=cython.uint, counted=cython.Py_ssize_t, elsewhere=cython.ulonglong,
                   again=cython.ulonglong, segments=cython.ulonglong, alone=cython.bint, at=cython.Py_ssize_t)
    cpdef void consume(self, Py_ssize_t first, Py_ssize_t end)

    @cython.locals(i=cython.Py_ssize_t)
    cdef void _prefetch(self, Py_ssize_t row, Py_ssize_t count) noexcept

    @cython.locals(place=cython.Py_ssize_t, bit=cython.uint, at=cython.Py_ssize_t)
    cdef void _count_quiet(self) noexcept

    @cython.locals(slot="unsigned int[:]", kind="unsigned char[:]", ns="unsigned long long[:]", at=cython.Py_ssize_t,
                   i=cython.Py_ssize_t, waits="unsigned char[:]", place=cython.Py_ssize_t, which=cython.Py_ssize_t)
    cpdef void consume_times(self, samples) except *

    @cython.locals(slot="unsigned int[:]", kind="unsigned char[:]", sides="unsigned char[:]", states="unsigned char[:]",
                   reason="unsigned int[:]", count="unsigned int[:]", waits="unsigned char[:]", at=cython.Py_ssize_t,
                   i=cython.Py_ssize_t, times=cython.uint, side=cython.uint, mask=cython.ulonglong,
                   what=cython.ulonglong)
    cpdef void consume_signals(self, signals) except *

    @cython.locals(side=cython.uint, iface=cython.ushort, peer_iface=cython.ushort)
    cdef bint _resolve(self, Py_ssize_t i, unsigned int other) except -1

    cdef unsigned int _named(self, unsigned int bit, unsigned int interface) noexcept

    @cython.locals(bit=cython.uint, at=cython.Py_ssize_t, which=cython.Py_ssize_t, mine=cython.Py_ssize_t,
                   local=cython.uint)
    cdef Py_ssize_t _spread(self, unsigned long long mask, unsigned int role, unsigned int interface, unsigned int peer,
                      unsigned long long sent, unsigned long long received, bint opened, bint live, Py_ssize_t row,
                      int close) except -2

    cdef void _remember(self, Py_ssize_t i, Py_ssize_t place) except *

    @cython.locals(bit=cython.uint, at=cython.Py_ssize_t)
    cdef void _remember_rows(self, Py_ssize_t place, unsigned long long mask, unsigned int role, unsigned int interface,
                             unsigned int peer)

    @cython.locals(bit=cython.uint, at=cython.Py_ssize_t)
    cdef void _reason(self, unsigned long long mask, unsigned int role, unsigned int interface, unsigned int peer,
                      unsigned long long what, unsigned long long count) except *

    @cython.locals(bit=cython.uint)
    cdef void _total_dropped(self, unsigned long long mask, unsigned long long count)

    @cython.locals(bit=cython.uint)
    cdef void _total_segments(self, unsigned long long mask, unsigned long long segments,
                              unsigned long long retransmitted)

    @cython.locals(bit=cython.uint)
    cdef void _total(self, unsigned long long mask, unsigned long long a, unsigned long long b, bint opened, bint live)

    @cython.locals(first=cython.ulonglong, second=cython.ulonglong, memory=cython.ulonglong, value=cython.uint)
    cdef unsigned int _peer(self, Py_ssize_t i, unsigned int side, bint new) except? 0

@cython.locals(bit=cython.int)
cdef int _first(unsigned long long mask) noexcept
cdef unsigned int _protocol(unsigned char proto) noexcept
