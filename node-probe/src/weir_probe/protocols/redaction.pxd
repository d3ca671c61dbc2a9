cimport cython

from weir_probe.wire.cursor cimport Cursor

cdef tuple _headers, _parameters

cpdef bint hides_header(Cursor cursor, Py_ssize_t at, Py_ssize_t count) noexcept
cpdef bint hides(bytes name) noexcept
cpdef bint hides_parameter(Cursor cursor, Py_ssize_t at, Py_ssize_t count) noexcept
@cython.locals(name=bytes)
cdef bint _is_one_of(tuple names, Cursor cursor, Py_ssize_t at, Py_ssize_t count) noexcept
