cimport cython

from weir_probe.wire.cursor cimport Cursor

cdef unsigned int _WINDOW, _MAX_STREAMS, _GAP, _PREFIX
cdef int _ID, _KNOWN, _LEFT, _HAVE, _LENGTH, _MESSAGES, _COLUMNS


@cython.final
cdef class Streams:
    cdef unsigned int[:, ::1] table
    cdef readonly unsigned int places

    @cython.locals(step=cython.uint, place=cython.uint)
    cpdef Py_ssize_t find(self, unsigned int stream) noexcept
    @cython.locals(step=cython.uint, place=cython.uint, oldest=cython.Py_ssize_t)
    cpdef Py_ssize_t open(self, unsigned int stream, unsigned int known) except? -2
    @cython.locals(column=cython.int)
    cdef Py_ssize_t _take(self, Py_ssize_t place, unsigned int stream, unsigned int known) noexcept
    @cython.locals(
        older=cython.uint[:, ::1], places=cython.uint, place=cython.uint, at=cython.Py_ssize_t, column=cython.int
    )
    cdef void _grow(self) except *
    cpdef void close(self, Py_ssize_t place) noexcept
    cpdef bint known(self, Py_ssize_t place, unsigned int what) noexcept
    cpdef void note(self, Py_ssize_t place, unsigned int what) noexcept
    cpdef void drop(self, Py_ssize_t place, unsigned int what) noexcept
    cpdef long long messages(self, Py_ssize_t place, int way) noexcept
    @cython.locals(place=cython.uint)
    cpdef void gap(self, int way) noexcept
    @cython.locals(left=cython.Py_ssize_t, have=cython.Py_ssize_t, length=cython.uint)
    cpdef Py_ssize_t needed(
        self, Py_ssize_t place, int way, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Py_ssize_t stop
    ) noexcept
    @cython.locals(left=cython.Py_ssize_t, have=cython.uint, length=cython.uint)
    cpdef void count(
        self, Py_ssize_t place, int way, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Py_ssize_t stop
    ) noexcept
