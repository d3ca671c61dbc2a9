from weir_probe.protocols cimport trace
from weir_probe.wire.cursor cimport Cursor

cdef int _METHOD, _SCHEME, _AUTHORITY, _PATH, _PROTOCOL, _STATUS, _HOST, _CONTENT_TYPE, _USER_AGENT, _FORWARDED
cdef int _GRPC_STATUS, _GRPC_MESSAGE, _GRPC_TIMEOUT, _TRACE

cpdef int kind_of(Cursor cursor, Py_ssize_t at, Py_ssize_t count) noexcept
cdef int _pseudo(Cursor cursor, Py_ssize_t at, Py_ssize_t count) noexcept
