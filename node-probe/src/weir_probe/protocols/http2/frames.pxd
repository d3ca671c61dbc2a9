cimport cython

from weir_probe.wire.cursor cimport Cursor

cdef unsigned int _DATA, _HEADERS, _PRIORITY, _RST_STREAM, _SETTINGS, _PUSH_PROMISE, _PING, _GOAWAY, _WINDOW_UPDATE
cdef unsigned int _CONTINUATION, _ALTSVC, _ORIGIN, _PRIORITY_UPDATE, _MAX_FRAME, _RESERVED
cdef unsigned int _NOT_DATA, _NOT_HEADERS, _NOT_PROMISE, _NOT_CONTINUATION

cpdef unsigned int length_of(Cursor cursor, Py_ssize_t at) noexcept
cpdef unsigned int stream_of(Cursor cursor, Py_ssize_t at) noexcept
@cython.locals(length=cython.uint, kind=cython.uint, stream=cython.uint)
cpdef bint lawful(Cursor cursor, Py_ssize_t at) noexcept
@cython.locals(length=cython.uint, kind=cython.uint, flags=cython.uint)
cpdef bint strict(Cursor cursor, Py_ssize_t at) noexcept
