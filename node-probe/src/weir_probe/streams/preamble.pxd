cimport cython

from weir_probe.wire.cursor cimport Cursor

cdef Py_ssize_t _NEED_MORE, _INVALID, _MAX_LINE, _HEADER
cdef bytes _LINE, _SIGNATURE

cpdef Py_ssize_t preamble(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
@cython.locals(begins=cython.int, family=cython.uint, behind=cython.Py_ssize_t)
cdef Py_ssize_t _line(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
@cython.locals(begins=cython.int)
cdef Py_ssize_t _header(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
@cython.locals(byte=cython.uchar)
cdef int _begins(Cursor cursor, Py_ssize_t at, Py_ssize_t end, bytes signature) noexcept
