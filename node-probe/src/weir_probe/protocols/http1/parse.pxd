cimport cython

from weir_probe.protocols.http1.chunks cimport Chunks
from weir_probe.protocols.http1.detect cimport detect
from weir_probe.protocols.http1.head cimport Head
from weir_probe.protocols.http1.request cimport Request
from weir_probe.protocols.http1.response cimport Response
from weir_probe.protocols.message cimport Message
from weir_probe.protocols.parser cimport Parser
from weir_probe.wire.cursor cimport Cursor

cdef int _START, _FIELDS, _CHUNKS, _UNTIL_CLOSE, _ANSWER
cdef unsigned long long _HEAD, _CONNECT, _UPGRADED_STREAM
cdef int _CONTINUE_MAX, _SWITCHING, _NO_CONTENT, _NOT_MODIFIED
cdef Py_ssize_t _WHOLE_HEAD, _NEED_MORE, _INVALID
cdef long long _NO_LENGTH, _BAD_LENGTH
cdef int _PLAIN, _CHUNKED, _OTHER, _FROM_CLIENT, _FROM_SERVER
cdef int _NOTHING, _REQUEST, _REQUEST_MORE, _RESPONSE, _RESPONSE_MORE


@cython.final
cdef class Direction:
    cdef int state, coding
    cdef long long length
    cdef bint has_body

    cdef void reset(self) noexcept


cdef class Http1(Parser):
    cdef Head head
    cdef Chunks chunks
    cdef Request request
    cdef Response response
    cdef Direction client, server

    @cython.locals(side=Direction, head=Head, size=cython.Py_ssize_t)
    cpdef Py_ssize_t frame(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way) except? -2
    @cython.locals(side=Direction, state=cython.int)
    cpdef bint parse(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way, Message message) except? -1
    cpdef Py_ssize_t resync(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way) except? -2
    cpdef void lost(self, int way) except *
    @cython.locals(size=cython.Py_ssize_t)
    cdef Py_ssize_t _chunk_frame(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
    @cython.locals(code=cython.int)
    cdef bint _may_have_body(self, int way) noexcept
    @cython.locals(head=Head)
    cdef void _end_head(self, Direction side, int way) noexcept
    cdef void _begin_request(self, Cursor cursor, Py_ssize_t at, Message message) noexcept
    @cython.locals(code=cython.int)
    cdef void _begin_response(self, Cursor cursor, Message message) noexcept
