cimport cython

from weir_probe.wire.cursor cimport Cursor

cdef int _LAST, _BULK_EXECUTE

cpdef bint is_command(unsigned int byte) noexcept
cpdef bytes name_of(unsigned int command)
cpdef unsigned int u24(Cursor cursor, Py_ssize_t at) noexcept
@cython.locals(first=cython.uint)
cpdef unsigned long long number(Cursor cursor, Py_ssize_t at) noexcept
@cython.locals(first=cython.uint)
cpdef Py_ssize_t behind(Cursor cursor, Py_ssize_t at) noexcept
@cython.locals(size=cython.uint, before=cython.uint, level=cython.uint)
cpdef bint is_compressed(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
