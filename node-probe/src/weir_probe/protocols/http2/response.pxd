cimport cython

from weir_probe.protocols cimport trace
from weir_probe.protocols.http2.hpack cimport Decoder
from weir_probe.protocols.http2.status cimport grpc_of_http, of_grpc, of_http
from weir_probe.protocols.message cimport Message

cdef Py_ssize_t _MAX_EXCEPTION
cdef int _GRPC_UNKNOWN, _GRPC_MESSAGE, _GRPC_STATUS, _STATUS, _X_REQUEST, _X_REQUEST_FORMAT, _ATTRIBUTES, _EXCEPTION

@cython.locals(value=cython.int, place=cython.uint, byte=cython.uint)
cpdef int number(Decoder block, int kind) noexcept
@cython.locals(http=cython.int, code=cython.int, status=cython.int)
cpdef void put(Decoder block, bint grpc, Message message) noexcept
cpdef void put_messages(long long requests, long long responses, Message message) noexcept
@cython.locals(at=cython.Py_ssize_t, end=cython.Py_ssize_t, byte=cython.int, high=cython.int, low=cython.int)
cdef void _put_decoded(Decoder block, int kind, Message message) noexcept
cdef int _digit(int byte) noexcept
