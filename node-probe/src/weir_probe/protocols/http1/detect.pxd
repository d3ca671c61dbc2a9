cimport cython

from weir_probe.protocols.http1.head cimport is_version, method_end
from weir_probe.wire.cursor cimport Cursor

cdef Py_ssize_t _LONG_LINE, _MIN_METHOD, _STATUS_LINE
cdef unsigned int _HTTP
cdef int _FROM_CLIENT, _FROM_SERVER, _INVALID, _NEED_MORE

cpdef int detect(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
@cython.locals(place=cython.Py_ssize_t, after=cython.uint)
cdef int _status_line(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
@cython.locals(space=cython.Py_ssize_t, place=cython.Py_ssize_t, byte=cython.uint)
cdef int _request_line(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
cdef int _version(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
cdef bint _is_common(Cursor cursor, Py_ssize_t at, Py_ssize_t count) noexcept
