cimport cython

cdef unsigned long long _HALF, _WORD, _MIX

@cython.final
cdef class KeyHash:
    cdef unsigned int[::1] keys

    @cython.locals(total=cython.ulonglong)
    cpdef unsigned long long of(
        self, unsigned long long a, unsigned long long b, unsigned long long c, unsigned long long d, unsigned long long e
    ) noexcept nogil
    @cython.locals(low=cython.ulonglong, high=cython.ulonglong)
    cdef unsigned long long _term(self, unsigned long long word, Py_ssize_t key) noexcept nogil
