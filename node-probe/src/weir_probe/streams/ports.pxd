cimport cython

cdef unsigned int _PORTS

@cython.final
cdef class PortMasks:
    cdef unsigned long long[::1] masks
    cdef int[::1] row

    @cython.locals(i=cython.Py_ssize_t)
    cpdef void clear(self)
    cpdef unsigned long long get(self, unsigned int protocol, unsigned int port) noexcept nogil
