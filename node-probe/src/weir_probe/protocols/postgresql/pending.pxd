cimport cython

cdef Py_ssize_t _MAX_PENDING, _FIRST_SIZE


@cython.final
cdef class Pending:
    cdef Py_ssize_t first, size
    cdef readonly Py_ssize_t count
    cdef unsigned char[::1] kinds, last
    cdef unsigned long long[::1] calls

    cdef void _allot(self, Py_ssize_t size) except *
    @cython.locals(place=cython.Py_ssize_t)
    cdef bint push(self, unsigned char kind, unsigned long long call) except? -1
    @cython.locals(size=cython.Py_ssize_t, index=cython.Py_ssize_t, place=cython.Py_ssize_t)
    cdef bint _grow(self) except? -1
    cdef unsigned int kind(self) noexcept
    cdef unsigned long long call(self) noexcept
    cdef bint ends(self) noexcept
    cdef void pop(self) noexcept
    @cython.locals(place=cython.Py_ssize_t)
    cdef void close(self, unsigned long long call) noexcept
    cdef unsigned int kind_after(self) noexcept
    @cython.locals(after=cython.Py_ssize_t)
    cdef void pop_after(self) noexcept
    cdef void clear(self) noexcept
