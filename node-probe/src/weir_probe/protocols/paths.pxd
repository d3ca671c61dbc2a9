cimport cython

from weir_probe.protocols.message cimport Message
from weir_probe.protocols.redaction cimport hides_parameter
from weir_probe.wire.cursor cimport Cursor

cdef int _ENDPOINT, _RESOURCE, _MIN_HEX, _MIN_UUID, _MIN_TOKEN, _MIN_CHANGES, _MAX_SUFFIX, _OTHER, _LETTER, _DIGIT
cdef Py_ssize_t _MAX_ENDPOINT, _MAX_RESOURCE
cdef tuple _SECRETS

@cython.locals(end=cython.Py_ssize_t, place=cython.Py_ssize_t, stop=cython.Py_ssize_t, equals=cython.Py_ssize_t)
cpdef void put_resource(Cursor cursor, Py_ssize_t at, Py_ssize_t count, bint redacts, Message message) noexcept
@cython.locals(name=bytes)
cdef bint _is_secret(Cursor cursor, Py_ssize_t at, Py_ssize_t count) noexcept

@cython.locals(
    end=cython.Py_ssize_t, byte=cython.uint, stop=cython.Py_ssize_t, written=cython.Py_ssize_t, suffix=cython.Py_ssize_t
)
cpdef void put_endpoint(Cursor cursor, Py_ssize_t at, Py_ssize_t count, Message message) noexcept
@cython.locals(byte=cython.uint)
cdef Py_ssize_t _segment_end(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
@cython.locals(place=cython.Py_ssize_t)
cdef Py_ssize_t _suffix(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
cdef int _kind(unsigned int byte) noexcept
@cython.locals(
    digits=cython.int,
    hexadecimal=cython.int,
    letters=cython.int,
    dots=cython.int,
    dashes=cython.int,
    changes=cython.int,
    before=cython.int,
    kind=cython.int,
    byte=cython.uint,
    place=cython.Py_ssize_t,
    size=cython.Py_ssize_t,
)
cdef bint _is_id(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
