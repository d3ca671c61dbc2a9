cimport cython

from weir_probe.export.rowindex cimport RowIndex
from weir_probe.wire.prefetching cimport Prefetch

cdef unsigned long long _OVERFLOW
cdef int _BOUNDS

cdef class SeriesTable:
    cdef readonly object rows
    cdef readonly Py_ssize_t used
    cdef readonly object limits
    cdef readonly object held
    cdef readonly object overflowed
    cdef Py_ssize_t capacity
    cdef RowIndex index
    cdef Prefetch counting
    cdef unsigned int[:] limit
    cdef unsigned int[:] hold
    cdef unsigned long long[:] overflow
    cdef unsigned long long[:] key
    cdef unsigned long long[:, :] packets
    cdef unsigned long long[:, :] bytes
    cdef unsigned long long[:] connections
    cdef unsigned long long[:] live
    cdef unsigned long long[:] bound
    cdef unsigned long long[:, :] counters, closed, sum_ns
    cdef unsigned long long[:, :, :] buckets

    cpdef void begin(self)

    @cython.locals(key=cython.ulonglong, at=cython.Py_ssize_t)
    cpdef Py_ssize_t add(self, unsigned long long bit, unsigned long long role, unsigned long long protocol,
                   unsigned long long local, unsigned long long peer, unsigned long long sent,
                   unsigned long long received, bint opened, bint live)

    @cython.locals(at=cython.Py_ssize_t)
    cdef Py_ssize_t find(self, unsigned long long bit, unsigned long long role, unsigned long long protocol,
                         unsigned long long local, unsigned long long peer)

    @cython.locals(bucket=cython.int)
    cdef void time(self, Py_ssize_t at, Py_ssize_t what, unsigned long long took_ns)

    cdef Py_ssize_t _append(self, unsigned long long key)
