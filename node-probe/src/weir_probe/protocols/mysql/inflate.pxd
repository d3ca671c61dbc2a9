cimport cython

from weir_probe.protocols.mysql.wire cimport u24
from weir_probe.wire.cursor cimport Cursor

cdef Py_ssize_t _MAX_INFLATED, _MAX_KEPT


@cython.final
cdef class Inflated:
    cdef readonly Cursor cursor
    cdef bytes kept
    cdef Py_ssize_t skip, unread

    @cython.locals(before=cython.uint, data=bytes, passed=cython.Py_ssize_t)
    cpdef Py_ssize_t feed(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end) except? -2
    @cython.locals(size=cython.Py_ssize_t)
    cpdef Py_ssize_t size(self, Py_ssize_t at, Py_ssize_t end) noexcept
    cpdef void taken(self, Py_ssize_t at, Py_ssize_t end) except *
    cpdef void forget(self) noexcept
