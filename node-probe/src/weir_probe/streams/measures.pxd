cimport cython

cdef int _RANGES, _TIMES, _RTT, _SEGMENT
cdef unsigned int _MASK, _HALF, _WINDOW

cdef bint _before(unsigned int one, unsigned int other) noexcept nogil


@cython.final
cdef class Measures:
    cdef unsigned long long[:, :] count, sum_ns, max_ns
    cdef unsigned int[:, :, :] range_low, range_high
    cdef unsigned int[:, :] retrans, ooo
    cdef unsigned long long[:] last_rtt_ns
    cdef unsigned char[:, :] ranges
    cdef readonly object written
    cdef unsigned char[:] fresh

    cpdef void use(self, rows) except *
    @cython.locals(
        slot="unsigned int[:]",
        kind="unsigned char[:]",
        way="unsigned char[:]",
        segments="unsigned short[:]",
        seq="unsigned int[:]",
        ns="unsigned long long[:]",
        length="unsigned int[:]",
        low="unsigned int[:]",
        high="unsigned int[:]",
        enters="unsigned int[:]",
        at=cython.Py_ssize_t,
    )
    cpdef void apply(self, samples) except *
    cdef void time(self, Py_ssize_t index, Py_ssize_t what, unsigned long long took_ns) noexcept nogil
    cdef void segment(
        self,
        Py_ssize_t index,
        Py_ssize_t way,
        unsigned int seq,
        unsigned int length,
        unsigned int low,
        unsigned int high,
        bint enters,
        unsigned int segments,
    ) noexcept nogil
    @cython.locals(high=cython.uint)
    cdef void _forget(self, Py_ssize_t index, Py_ssize_t way) noexcept nogil
    @cython.locals(at=cython.int, low=cython.uint)
    cdef bint _seen(self, Py_ssize_t index, Py_ssize_t way, unsigned int seq) noexcept nogil
    @cython.locals(at=cython.int, count=cython.int)
    cdef void _drop_lowest(self, Py_ssize_t index, Py_ssize_t way) noexcept nogil
    @cython.locals(at=cython.int, count=cython.int, first=cython.int, after=cython.int, seen=cython.uint)
    cdef void _cover(self, Py_ssize_t index, Py_ssize_t way, unsigned int seq, unsigned int end) noexcept nogil
