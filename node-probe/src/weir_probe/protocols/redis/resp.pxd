cimport cython

from weir_probe.wire.cursor cimport Cursor

cdef Py_ssize_t _MAX_LINE, _MAX_BULK, _MAX_ITEMS, _NEED_MORE, _INVALID

@cython.locals(last=cython.Py_ssize_t, byte=cython.uint)
cpdef Py_ssize_t line_end(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
@cython.locals(last=cython.Py_ssize_t, behind=cython.Py_ssize_t)
cpdef Py_ssize_t inline_end(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
@cython.locals(value=cython.longlong, place=cython.Py_ssize_t, digit=cython.int)
cpdef long long number(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept


@cython.final
cdef class Values:
    cdef readonly long long owed
    cdef readonly Py_ssize_t at

    @cython.locals(kind=cython.uint, behind=cython.Py_ssize_t, size=cython.longlong)
    cpdef int walk(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, long long owed) noexcept
