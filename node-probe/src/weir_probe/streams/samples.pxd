cimport cython

cdef int _SEGMENT


@cython.final
cdef class Samples:
    cdef readonly object records, ring, room
    cdef readonly unsigned long long size
    cdef unsigned long long[:] head, tail, missed, sequence, ns
    cdef unsigned int[:] slot, seq, length, low, high, enters
    cdef unsigned short[:] segments
    cdef unsigned char[:] kind, way

    cdef void put_time(self, Py_ssize_t slot, int what, unsigned long long took_ns) noexcept nogil
    @cython.locals(at=cython.Py_ssize_t)
    cdef void put_segment(
        self,
        Py_ssize_t slot,
        Py_ssize_t way,
        unsigned int seq,
        unsigned int length,
        unsigned int low,
        unsigned int high,
        bint enters,
        unsigned int segments,
    ) noexcept nogil
    @cython.locals(head=cython.ulonglong, at=cython.Py_ssize_t)
    cdef Py_ssize_t _place(self, Py_ssize_t slot, int kind) noexcept nogil
