cimport cython

from weir_probe.wire.cursor cimport Cursor

cdef int _FROM_CLIENT, _FROM_SERVER, _INVALID, _NEED_MORE
cdef unsigned int _HANDSHAKE, _CLIENT_HELLO, _SERVER_HELLO
cdef Py_ssize_t _HEADER, _MAX_RECORD, _MAX_HELLO, _UP_TO_SESSION, _ENOUGH

@cython.locals(length=cython.Py_ssize_t, gathered=bytes, hello=Cursor)
cpdef int detect(Cursor cursor, Py_ssize_t at, Py_ssize_t end) except? -3
@cython.locals(length=cython.Py_ssize_t)
cdef Py_ssize_t _record(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
cdef Py_ssize_t _size(Cursor cursor, Py_ssize_t at) noexcept
@cython.locals(
    there=cython.Py_ssize_t, kind=cython.uint, behind=cython.Py_ssize_t, following=cython.Py_ssize_t, fits=cython.bint,
    known=cython.bint,
)
cdef int _hello(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
