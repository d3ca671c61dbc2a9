cimport cython

from weir_probe.protocols cimport trace
from weir_probe.protocols.http2.hpack cimport Decoder
from weir_probe.protocols.message cimport Message
from weir_probe.protocols.paths cimport put_endpoint, put_resource
from weir_probe.protocols.redaction cimport hides

cdef Py_ssize_t _MAX_HOST, _MAX_ATTRIBUTE, _MAX_ENDPOINT
cdef int _AUTHORITY, _CONTENT_TYPE, _FORWARDED, _GRPC_TIMEOUT, _HOST, _METHOD, _PATH, _PROTOCOL, _TRACE, _USER_AGENT
cdef tuple _TRACES
cdef int _FORMATS, _TYPE, _DOMAIN, _RESOURCE, _ENDPOINT, _ATTRIBUTES

@cython.locals(at=cython.Py_ssize_t, count=cython.Py_ssize_t)
cpdef bint is_grpc(Decoder block) noexcept
cpdef bint is_undecided(Decoder block) noexcept
@cython.locals(host=cython.int, kind=cython.int)
cpdef void put(Decoder block, bint grpc, bint redacts, Message message) noexcept
@cython.locals(at=cython.Py_ssize_t, count=cython.Py_ssize_t, first=cython.Py_ssize_t, slash=cython.Py_ssize_t)
cdef void _put_method(Decoder block, Message message) noexcept
cdef void _attribute(Decoder block, int kind, bytes name, Message message) noexcept
