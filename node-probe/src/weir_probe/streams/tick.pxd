cimport cython

from weir_probe.wire.prefetching cimport Prefetch

cdef unsigned long long WORD, BYTES
cdef Py_ssize_t _COUNTERS, _MEASURED_WORDS, _ROUSED_EVERY, _CHUNK, _AHEAD, _COUNTED_AHEAD

cdef class Ticker:
    cdef Prefetch selection, counted, as_rested, as_read
    cdef readonly object slots
    cdef readonly object exported
    cdef readonly object rows, quiet, rests
    cdef readonly unsigned int tick
    cdef readonly Py_ssize_t resting
    cdef unsigned int[:] quiet_slot, quiet_bit
    cdef int[:] quiet_series
    cdef unsigned long long[:, :] rest_traffic
    cdef unsigned long long[:] rest_observations, rest_until, rest_due
    cdef int[:] rest_series
    cdef unsigned short[:] rest_iface
    cdef unsigned char[:] rest_bit
    cdef unsigned long long tcp_idle, tcp_closed, other_idle
    cdef readonly unsigned long long next_flow_id
    cdef unsigned char[:] state
    cdef unsigned char[:] proto
    cdef unsigned char[:, :] tcp_flags
    cdef unsigned long long[:, :] traffic
    cdef unsigned long long[:] last
    cdef unsigned long long[:] head
    cdef unsigned short[:] iface
    cdef unsigned short[:] peer_iface
    cdef unsigned long long[:] observations
    cdef unsigned long long[:] peer_observations
    cdef unsigned int[:] generation
    cdef unsigned int[:] peer_generation
    cdef unsigned long long[:, :] read
    cdef unsigned long long[:] flow_id
    cdef unsigned int[:] sequence
    cdef unsigned int[:] retired_tick
    cdef unsigned long long[:, :] recorded
    cdef unsigned long long[:] recorded_ns
    cdef unsigned long long[:] peer
    cdef unsigned int[:] row_slot
    cdef unsigned int[:] row_event
    cdef unsigned long long[:, :] row_delta
    cdef readonly object measured
    cdef unsigned long long[:, :] headers, read_headers, recorded_counters, row_counters, measured_words
    cdef long long[:, :, :] layers
    cdef unsigned char[:] opener, fresh
    cdef unsigned int[:, :] retrans, zero_win, more_retrans, ooo, read_counters, read_more
    cdef unsigned int[:, :, :] retrans_opening
    cdef unsigned int[:] syn, synack, fin, merged, read_merged
    cdef unsigned long long[:] row_merged

    @cython.locals(side=cython.Py_ssize_t, way=cython.Py_ssize_t, octets=cython.longlong, which=cython.Py_ssize_t,
                   before=cython.ulonglong)
    cdef void _take_back(self, Py_ssize_t i, Py_ssize_t row) noexcept
    @cython.locals(opener=cython.Py_ssize_t, way=cython.Py_ssize_t, merged=cython.uint, more=cython.uint)
    cdef void _count(self, Py_ssize_t i, Py_ssize_t row, unsigned long long a, unsigned long long b) noexcept
    @cython.locals(now=cython.ulonglong, headers=cython.ulonglong, layer=cython.Py_ssize_t, told=cython.longlong)
    cdef void _layers(
        self, Py_ssize_t i, Py_ssize_t row, Py_ssize_t side, Py_ssize_t way, unsigned long long octets
    ) noexcept
    cdef void _difference(self, Py_ssize_t i, Py_ssize_t row, Py_ssize_t which, unsigned int now) noexcept

    @cython.locals(first=cython.Py_ssize_t, count=cython.Py_ssize_t)
    cpdef Py_ssize_t run(self, unsigned long long now, unsigned long long tcp_idle, unsigned long long tcp_closed,
                         unsigned long long other_idle, unsigned long long now_ns)
    @cython.locals(place=cython.Py_ssize_t, i=cython.Py_ssize_t, state=cython.uchar,
                   event=cython.uint, a=cython.ulonglong, b=cython.ulonglong, last=cython.ulonglong)
    cdef Py_ssize_t _chunk(self, Py_ssize_t first, Py_ssize_t end, Py_ssize_t count, unsigned long long now,
                           unsigned long long now_ns) noexcept
    @cython.locals(i=cython.Py_ssize_t, found=cython.Py_ssize_t)
    cdef Py_ssize_t _occupied(self, Py_ssize_t first, Py_ssize_t end) noexcept
    @cython.locals(i=cython.Py_ssize_t)
    cdef void _prefetch(self, Py_ssize_t place) noexcept
    cdef unsigned long long _limit(self, Py_ssize_t i) noexcept
    cdef bint _rests(self, Py_ssize_t i, unsigned long long now, unsigned long long now_ns) noexcept
    cdef void rest(self, Py_ssize_t i, int series, unsigned char bit) noexcept
    cpdef void rouse(self) except *

    @cython.locals(i=cython.Py_ssize_t, side=cython.Py_ssize_t)
    cpdef void postpone(self, Py_ssize_t row)

    @cython.locals(row=cython.Py_ssize_t, i=cython.Py_ssize_t, freed=cython.Py_ssize_t, side=cython.Py_ssize_t,
                   which=cython.Py_ssize_t, word=cython.Py_ssize_t)
    cpdef Py_ssize_t release(self, Py_ssize_t count)

    @cython.locals(i=cython.Py_ssize_t, retired=cython.Py_ssize_t)
    cpdef Py_ssize_t retire_interface(self, unsigned short iface)

    @cython.locals(i=cython.Py_ssize_t)
    cpdef void clear_observations(self, unsigned long long kept, unsigned int generation)

@cython.locals(a=cython.uint, b=cython.uint)
cdef bint _closed(unsigned char flags_a, unsigned char flags_b) noexcept
