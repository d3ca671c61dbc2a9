cimport cython

from weir_probe.protocols.http2 cimport request, response
from weir_probe.protocols.http2.frames cimport lawful, length_of, strict, stream_of
from weir_probe.protocols.http2.hpack cimport Decoder
from weir_probe.protocols.http2.status cimport grpc_of_reset, of_grpc, of_reset
from weir_probe.protocols.http2.streams cimport Streams
from weir_probe.protocols.message cimport Message
from weir_probe.protocols.parser cimport Parser
from weir_probe.wire.cursor cimport Cursor

cdef bytes _PREFACE
cdef Py_ssize_t _PREFACE_SIZE, _HEADER, _MAX_DEBUG, _NEED_MORE, _INVALID
cdef unsigned int _PRI, _MAX_JUMP
cdef unsigned int _DATA, _HEADERS, _RST_STREAM, _PUSH_PROMISE, _GOAWAY, _CONTINUATION
cdef unsigned int _END_STREAM, _END_HEADERS, _PADDED, _HAS_PRIORITY, _ANSWERED, _GRPC, _UNDECIDED
cdef int _IS_GRPC, _AUTHORITY, _CONTENT_TYPE, _GRPC_MESSAGE, _GRPC_STATUS, _METHOD, _PATH, _SCHEME, _STATUS
cdef int _ATTRIBUTES, _EXCEPTION, _OK, _SERVER_ERROR, _REFUSED, _REQUEST, _REQUEST_MORE, _RESPONSE, _RESPONSE_MORE


@cython.final
cdef class Side:
    cdef Decoder block
    cdef unsigned int stream, promised
    cdef bint ends, promises

    cdef void lost(self) noexcept


cdef class Http2(Parser):
    cdef Side client, server
    cdef Streams streams
    cdef unsigned int newest
    cdef Py_ssize_t data, data_end

    @cython.locals(size=cython.Py_ssize_t, kind=cython.uint)
    cpdef Py_ssize_t frame(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way) except? -2
    @cython.locals(side=Side, kind=cython.uint)
    cpdef bint parse(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way, Message message) except? -1
    @cython.locals(first=cython.Py_ssize_t, behind=cython.Py_ssize_t)
    cpdef Py_ssize_t resync(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way) except? -2
    @cython.locals(place=cython.Py_ssize_t)
    cdef Py_ssize_t _preface(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end) except? -2
    cdef void _begin(self) noexcept
    @cython.locals(stream=cython.uint)
    cdef bint _expects(self, Cursor cursor, Py_ssize_t at, int way) noexcept
    cdef void _data_bounds(self, Cursor cursor, Py_ssize_t at, Py_ssize_t size) noexcept
    @cython.locals(place=cython.Py_ssize_t)
    cdef Py_ssize_t _data_needed(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Py_ssize_t size, int way) noexcept
    @cython.locals(place=cython.Py_ssize_t)
    cdef bint _data(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way, Message message) except? -1
    cdef void _end(self, Py_ssize_t place, Message message) noexcept
    @cython.locals(place=cython.Py_ssize_t, grpc=cython.bint)
    cdef void _reset(self, unsigned int error, int way, Message message) except *
    @cython.locals(error=cython.uint)
    cdef void _goaway(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) except *
    @cython.locals(side=Side, flags=cython.uint, place=cython.Py_ssize_t, stop=cython.Py_ssize_t)
    cdef bint _headers(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way, Message message) except? -1
    @cython.locals(place=cython.Py_ssize_t, answered=cython.bint)
    cdef void _opens(self, Side side, int way, Message message) noexcept
    @cython.locals(there=cython.Py_ssize_t, cut=cython.bint, whole=cython.bint)
    cdef bint _fragment(
        self,
        Side side,
        Cursor cursor,
        Py_ssize_t at,
        Py_ssize_t end,
        Py_ssize_t stop,
        Py_ssize_t frame,
        int way,
        Message message,
    ) except? -1
    @cython.locals(block=Decoder, asks=cython.bint, place=cython.Py_ssize_t, grpc=cython.bint)
    cdef void _request(self, Side side, bint whole, Message message) except *
    @cython.locals(block=Decoder, code=cython.int, place=cython.Py_ssize_t, grpc=cython.bint)
    cdef void _response(self, Side side, bint whole, Message message) except *
