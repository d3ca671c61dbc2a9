cimport cython

from weir_probe.protocols.message cimport Message
from weir_probe.wire.cursor cimport Cursor

cdef int _X_REQUEST, _UBER, _SW8, _B3, _B3_TRACE_ID, _B3_SPAN_ID, _B3_PARENT_SPAN_ID, _TRACEPARENT
cdef int _TRACE_ID, _SPAN_ID, _PARENT_SPAN_ID, _X_REQUEST_ID
cdef Py_ssize_t _MAX_ID
cdef unsigned int _DASH, _COLON, _PERCENT

cpdef int format_of(Cursor cursor, Py_ssize_t at, Py_ssize_t count) noexcept
cpdef void put(int kind, Cursor cursor, Py_ssize_t at, Py_ssize_t count, Message message) noexcept
cdef bint _outranks(Message message, int rank) noexcept
@cython.locals(some=cython.bint, place=cython.Py_ssize_t, byte=cython.uint)
cdef bint _is_id(Cursor cursor, Py_ssize_t at, Py_ssize_t count, Py_ssize_t most) noexcept
@cython.locals(place=cython.Py_ssize_t)
cdef bint _has_capitals(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
cdef void _traceparent(Cursor cursor, Py_ssize_t at, Py_ssize_t count, Message message) noexcept
cdef Py_ssize_t _stop(Cursor cursor, Py_ssize_t at, Py_ssize_t end, unsigned int mark) noexcept
@cython.locals(span=cython.Py_ssize_t, sampled=cython.Py_ssize_t, parent=cython.Py_ssize_t)
cdef void _b3(Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) noexcept
cdef Py_ssize_t _uber_stop(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
cdef Py_ssize_t _behind(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
@cython.locals(
    trace_end=cython.Py_ssize_t,
    span=cython.Py_ssize_t,
    span_end=cython.Py_ssize_t,
    parent=cython.Py_ssize_t,
    parent_end=cython.Py_ssize_t,
)
cdef void _uber(Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) noexcept
@cython.locals(
    trace=cython.Py_ssize_t,
    segment=cython.Py_ssize_t,
    span=cython.Py_ssize_t,
    span_end=cython.Py_ssize_t,
    place=cython.Py_ssize_t,
)
cdef void _sw8(Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) noexcept
cdef int _sextet(unsigned int byte) noexcept
@cython.locals(place=cython.Py_ssize_t)
cdef bint _is_base64(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
@cython.locals(bits=cython.int, held=cython.uint, value=cython.int, place=cython.Py_ssize_t)
cdef void _add_decoded(Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) noexcept
