cimport cython

from weir_probe.protocols.message cimport Message
from weir_probe.wire.cursor cimport Cursor

cdef Py_ssize_t _MAX_LABEL, _MAX_NAME, _HEADER, _NEED_MORE, _INVALID

@cython.locals(first=cython.Py_ssize_t, length=cython.Py_ssize_t)
cpdef Py_ssize_t name_end(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
@cython.locals(labels=cython.Py_ssize_t, octets=cython.Py_ssize_t, length=cython.Py_ssize_t, place=cython.Py_ssize_t)
cpdef bint add_name(Cursor cursor, Py_ssize_t at, Py_ssize_t base, Py_ssize_t end, Message message) noexcept
cdef void _add_octet(unsigned int octet, Message message) noexcept
