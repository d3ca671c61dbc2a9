cimport cython

from weir_probe.wire.copying cimport copy_bytes
from weir_probe.wire.cursor cimport Cursor

cdef Py_ssize_t _FIRST_SIZE


@cython.final
@cython.no_gc
cdef class Half:
    cdef public bint started, astray
    cdef public unsigned int next_seq, end_seq
    cdef public unsigned long long skip, first_ns
    cdef readonly Py_ssize_t used, size, limit
    cdef readonly Cursor cursor
    cdef unsigned char[::1] buffer
    cdef readonly list held
    cdef readonly Py_ssize_t held_bytes
    cdef readonly bint waits

    cdef void begin(self, Py_ssize_t limit) noexcept

    cpdef bint keep(self, Cursor cursor, Py_ssize_t at, Py_ssize_t count) except? -1
    cpdef void drop(self, Py_ssize_t count) noexcept
    cdef bint _grow(self, Py_ssize_t wanted) except? -1
