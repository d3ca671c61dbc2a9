cimport cython

from weir_probe.protocols.message cimport Message
from weir_probe.protocols.parser cimport Parser
from weir_probe.protocols.redis.resp cimport Values, inline_end, line_end, number
from weir_probe.wire.cursor cimport Cursor

cdef Py_ssize_t _MAX_COMMAND, _WHOLE_REQUEST, _NEED_MORE, _INVALID
cdef int _REQUEST, _REQUEST_MORE, _RESPONSE, _RESPONSE_MORE, _ONE_WAY
cdef int _NOTHING, _TYPE, _RESOURCE, _EXCEPTION, _OK, _CLIENT_ERROR, _SERVER_ERROR
cdef int _ALL, _NOT_NEXT, _NONE
cdef long long _MAX_NAME
cdef unsigned long long _REPLICATION


cdef class Redis(Parser):
    cdef Values values
    cdef long long owed_client, owed_server, confirmations
    cdef bint leaves, monitors
    cdef int answers

    @cython.locals(owed=cython.longlong, behind=cython.Py_ssize_t)
    cpdef Py_ssize_t frame(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way) except? -2
    @cython.locals(rest=cython.longlong, begun=cython.longlong)
    cpdef bint parse(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way, Message message) except? -1
    @cython.locals(first=cython.uint)
    cpdef Py_ssize_t resync(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way) except? -2
    @cython.locals(
        behind=cython.Py_ssize_t,
        count=cython.longlong,
        place=cython.Py_ssize_t,
        first_secret=cython.int,
        argument=cython.int,
        size=cython.longlong,
        there=cython.Py_ssize_t,
        verb=bytes,
    )
    cdef bint _request(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) except? -1
    @cython.locals(says=cython.int)
    cdef void _expect(self, bytes verb, long long arguments, Message message) except *
    @cython.locals(
        stop=cython.Py_ssize_t,
        verb_end=cython.Py_ssize_t,
        arguments=cython.longlong,
        place=cython.Py_ssize_t,
        verb=bytes,
        hides=cython.bint,
    )
    cdef bint _inline(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) except? -1
    @cython.locals(kind=cython.uint, start=cython.Py_ssize_t)
    cdef bint _response(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message, long long rest) except? -1
    @cython.locals(stop=cython.Py_ssize_t, word=bytes)
    cdef void _error(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) except *
    @cython.locals(
        behind=cython.Py_ssize_t,
        named=cython.Py_ssize_t,
        size=cython.longlong,
        name=bytes,
    )
    cdef void _push(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message, unsigned int kind) except *
    @cython.locals(place=cython.Py_ssize_t, size=cython.longlong)
    cdef void _subject(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) except *
