cimport cython

from weir_probe.protocols.message cimport Message
from weir_probe.wire.cursor cimport Cursor

cdef Py_ssize_t _MAX_ERROR
cdef int _EXCEPTION, _CLIENT_ERROR, _SERVER_ERROR

@cython.locals(first=cython.uint, second=cython.uint)
cpdef int status_of_sqlstate(Cursor cursor, Py_ssize_t at) noexcept
@cython.locals(
    first=cython.Py_ssize_t, last=cython.Py_ssize_t, numbers=cython.bint, digit=cython.bint, byte=cython.uint
)
cpdef void put_error(Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message, bint hides) noexcept
cdef bint _quotes(unsigned int byte) noexcept
