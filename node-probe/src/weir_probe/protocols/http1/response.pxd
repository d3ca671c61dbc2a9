cimport cython

from weir_probe.protocols cimport trace
from weir_probe.protocols.http1.head cimport Field, Head, line_end
from weir_probe.protocols.message cimport Message
from weir_probe.wire.cursor cimport Cursor

cdef Py_ssize_t _MAX_REASON
cdef unsigned int _WANTED
cdef int _EXCEPTION, _OK, _CLIENT_ERROR, _SERVER_ERROR, _X_REQUEST


@cython.final
cdef class Response:
    cdef readonly bint upgrades
    cdef Field field

    @cython.locals(at=cython.Py_ssize_t, behind=cython.Py_ssize_t, first=cython.uint)
    cdef void put(self, Cursor cursor, Head head, Message message) noexcept
    @cython.locals(field=Field)
    cdef void _put_field(self, Cursor cursor, Message message) noexcept
    cdef void _reason(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) noexcept
