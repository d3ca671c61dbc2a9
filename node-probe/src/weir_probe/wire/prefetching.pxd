cimport cython

cdef extern from *:
    void __builtin_prefetch(const void *address) noexcept nogil

cdef size_t _LINE

@cython.final
cdef class Prefetch:
    cdef size_t start, stride
    cdef Py_ssize_t size

    @cython.locals(at=cython.size_t, end=cython.size_t)
    cdef void row(self, Py_ssize_t number) noexcept nogil
