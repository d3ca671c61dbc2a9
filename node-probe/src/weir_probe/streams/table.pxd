cimport cython

from weir_probe.streams.hashing cimport KeyHash
from weir_probe.streams.performance cimport Performance

cdef Py_ssize_t _WAYS, _HEAD, _SLOT_WORDS
cdef unsigned long long _EMPTY, _LIVE, _STATE_MASK, _KEY_MASK, _MATCH_MASK, _WORD_MASK, _HALF_FULL, _HEADERS_HALF_FULL, _LOW_MASK, _BYTES_MASK
cdef unsigned char _RETIRED
cdef int _BYTES_BITS

@cython.locals(word=cython.Py_ssize_t)
cdef void _copy_row(
    unsigned long long[:, ::1] to, Py_ssize_t row, unsigned long long[:, ::1] source, Py_ssize_t place, Py_ssize_t width
) noexcept nogil
@cython.locals(word=cython.Py_ssize_t)
cdef void _clear_row(unsigned long long[:, ::1] words, Py_ssize_t row, Py_ssize_t width) noexcept nogil


@cython.final
cdef class FlowTable:
    cdef readonly object slots, extra, archive, archive_extra, measured
    cdef readonly Py_ssize_t capacity, live, archived, max_flows
    cdef KeyHash hash
    cdef readonly Performance performance
    cdef Py_ssize_t extra_size
    cdef unsigned long long hashed, bucket_mask
    cdef unsigned long long[:, ::1] words, extra_words, archive_words, archive_extra_words
    cdef unsigned char[:] state, opener, workload_side
    cdef unsigned char[:, :] tcp_flags
    cdef unsigned short[:] iface, peer_iface
    cdef unsigned int[:] generation, peer_generation, index
    cdef unsigned long long[:, :] traffic, headers
    cdef unsigned long long[:] last, first_ns, observations, peer_observations, serial, reader
    cdef unsigned long long[:, :] more_packets, more_bytes, more_link, more_header

    cdef void _use(self, slots, extra)
    @cython.locals(want=cython.ulonglong, start=cython.Py_ssize_t, index=cython.Py_ssize_t, _=cython.int)
    cdef Py_ssize_t find(
        self,
        unsigned long long low0,
        unsigned long long low1,
        unsigned long long high0,
        unsigned long long high1,
        unsigned long long key,
    ) noexcept nogil
    @cython.locals(index=cython.Py_ssize_t)
    cdef Py_ssize_t place(self) noexcept nogil
    @cython.locals(
        first=cython.Py_ssize_t,
        second=cython.Py_ssize_t,
        first_used=cython.int,
        second_used=cython.int,
        first_empty=cython.Py_ssize_t,
        second_empty=cython.Py_ssize_t,
        way=cython.Py_ssize_t,
    )
    cdef Py_ssize_t _empty(self) noexcept nogil
    @cython.locals(
        index=cython.Py_ssize_t,
        wanted=cython.ulonglong,
        half=cython.int,
        start=cython.Py_ssize_t,
        resident=cython.Py_ssize_t,
    )
    cdef Py_ssize_t _room(self) noexcept nogil
    cdef unsigned long long _hash_of(self, Py_ssize_t index) noexcept nogil
    @cython.locals(low=cython.uint, high=cython.uint)
    cdef bint closed(self, Py_ssize_t index) noexcept nogil
    cdef void retire(self, Py_ssize_t index) noexcept nogil
    @cython.locals(total=cython.ulonglong, layers=cython.ulonglong)
    cdef void add(
        self, Py_ssize_t index, Py_ssize_t side, unsigned long long word, unsigned long long headers
    ) noexcept nogil
    cdef bint _grow(self) noexcept with gil
    @cython.locals(
        words="unsigned long long[:, ::1]",
        extra_words="unsigned long long[:, ::1]",
        hashes="unsigned long long[::1]",
        wanted=cython.ulonglong,
        index=cython.Py_ssize_t,
        room=cython.Py_ssize_t,
    )
    cdef bint _move(self, slots, extra)
    cdef bint _archive(self, Py_ssize_t index) noexcept nogil
    cdef bint _lengthen(self) noexcept with gil
    cdef void _keep(self, archive, extra)
