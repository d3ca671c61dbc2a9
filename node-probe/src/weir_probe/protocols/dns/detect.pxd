cimport cython

from weir_probe.wire.cursor cimport Cursor

cdef Py_ssize_t _HEADER, _MAX_LABEL, _MAX_NAME, _SHORTEST
cdef int _FROM_CLIENT, _FROM_SERVER, _INVALID, _NEED_MORE
cdef unsigned int _UNASSIGNED, _NOTIFY, _UPDATE, _MOST_ADDITIONAL

@cython.locals(answer=cython.int, framed=cython.int)
cpdef int detect(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
@cython.locals(length=cython.Py_ssize_t, whole=cython.bint)
cpdef int detect_framed(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
@cython.locals(
    there=cython.Py_ssize_t,
    flags=cython.uint,
    opcode=cython.uint,
    place=cython.Py_ssize_t,
    length=cython.Py_ssize_t,
    letter=cython.Py_ssize_t,
    kind=cython.uint,
    space=cython.uint,
)
cdef int _message(Cursor cursor, Py_ssize_t at, Py_ssize_t end, bint whole) noexcept
