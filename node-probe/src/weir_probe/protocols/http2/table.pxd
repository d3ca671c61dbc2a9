cimport cython

cdef unsigned int _MAX_TABLE, _DEFAULT_TABLE, _OVERHEAD
cdef int _KIND, _NAME, _SIZE, _START, _LENGTH


@cython.final
cdef class Table:
    cdef unsigned int[:, ::1] entries
    cdef unsigned char[::1] text
    cdef readonly unsigned int slots, room, inserted, end, count, size, kept, limit
    cdef readonly bint certain

    cpdef void begin(self) noexcept
    cpdef void forget(self) noexcept
    cpdef void resize(self, unsigned int limit) noexcept
    cpdef Py_ssize_t slot(self, unsigned int index) noexcept
    @cython.locals(size=cython.uint, slot=cython.uint, start=cython.uint)
    cpdef Py_ssize_t insert(self, unsigned int kind, unsigned int name, unsigned int value, unsigned int kept) except -2
    @cython.locals(slot=cython.uint)
    cdef void _evict(self, unsigned int wanted) noexcept
    @cython.locals(
        slots=cython.uint,
        entries=cython.uint[:, ::1],
        room=cython.uint,
        text=cython.uchar[::1],
        old=cython.uint,
        new=cython.uint,
        index=cython.uint,
        place=cython.uint,
        column=cython.int,
    )
    cdef void _grow(self) except *
