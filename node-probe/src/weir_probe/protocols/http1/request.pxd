cimport cython

from weir_probe.protocols cimport trace
from weir_probe.protocols.http1.head cimport Field, Head, line_end
from weir_probe.protocols.message cimport Message
from weir_probe.protocols.paths cimport put_endpoint, put_resource
from weir_probe.protocols.redaction cimport hides_header
from weir_probe.wire.cursor cimport Cursor

cdef Py_ssize_t _MAX_HOST, _MAX_ATTRIBUTE
cdef int _TYPE, _DOMAIN, _ATTRIBUTES


@cython.final
cdef class Request:
    cdef readonly bint upgrades
    cdef Field field
    cdef Py_ssize_t agent, agent_size, forwarded, forwarded_size

    @cython.locals(target=cython.Py_ssize_t)
    cdef void put(self, Cursor cursor, Py_ssize_t at, Head head, bint redacts, Message message) noexcept
    @cython.locals(end=cython.Py_ssize_t, zero=cython.Py_ssize_t)
    cdef void _add_attribute(
        self, bytes key, Cursor cursor, Py_ssize_t at, Py_ssize_t count, Message message
    ) noexcept
    @cython.locals(at=cython.Py_ssize_t, behind=cython.Py_ssize_t, first=cython.uint)
    cdef void put_more(self, Cursor cursor, Head head, Message message) noexcept
    @cython.locals(field=Field, kind=cython.int)
    cdef void _put_field(self, Cursor cursor, Message message) noexcept
    @cython.locals(at=cython.Py_ssize_t, end=cython.Py_ssize_t, colon=cython.Py_ssize_t, stop=cython.Py_ssize_t)
    cdef Py_ssize_t _authority(self, Cursor cursor, Py_ssize_t method, Head head, Message message) noexcept
