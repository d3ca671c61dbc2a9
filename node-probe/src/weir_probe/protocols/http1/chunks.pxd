cimport cython

from weir_probe.protocols.http1.head cimport line_end
from weir_probe.wire.cursor cimport Cursor

cdef Py_ssize_t _MAX_LINE, _INVALID, _MAX_DIGITS

@cython.locals(size=cython.longlong, first=cython.Py_ssize_t, byte=cython.uint)
cdef long long size_of(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept


@cython.final
cdef class Chunks:
    cdef readonly Py_ssize_t at
    cdef readonly bint over

    @cython.locals(data=cython.Py_ssize_t, size=cython.longlong, behind=cython.Py_ssize_t)
    cpdef int walk(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
    @cython.locals(first=cython.Py_ssize_t, behind=cython.Py_ssize_t)
    cdef int _trailers(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
