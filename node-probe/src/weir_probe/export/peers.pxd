cimport cython

cdef class Peers:
    cdef readonly unsigned long long version
    cdef unsigned long long[:, ::1] keys
    cdef unsigned int[::1] values
    cdef unsigned long long[:, ::1] prefixes
    cdef unsigned int[::1] classes

    @cython.locals(low=cython.Py_ssize_t, high=cython.Py_ssize_t, middle=cython.Py_ssize_t, i=cython.Py_ssize_t)
    cpdef unsigned int find(self, unsigned long long first, unsigned long long second) noexcept
