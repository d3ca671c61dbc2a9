cimport cython

cdef unsigned long long _WORD, _SPREAD

@cython.final
cdef class RowIndex:
    cdef unsigned long long mask
    cdef unsigned long long[::1] first, second
    cdef int[::1] row

    cpdef void hold(self, Py_ssize_t capacity) except *
    cpdef Py_ssize_t find(self, unsigned long long first, unsigned long long second) noexcept
    cpdef void enter(self, unsigned long long first, unsigned long long second, int row) noexcept
    @cython.locals(hashed=cython.ulonglong, at=cython.ulonglong)
    cdef unsigned long long _place(self, unsigned long long first, unsigned long long second) noexcept
