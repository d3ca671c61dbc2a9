cimport cython

from weir_probe.streams.hashing cimport KeyHash

@cython.final
cdef class PrefixMasks:
    cdef KeyHash hash
    cdef unsigned long long slots
    cdef unsigned long long[::1] length
    cdef unsigned long long[:, ::1] bits
    cdef unsigned long long[:, ::1] keys
    cdef unsigned long long[::1] masks
    cdef unsigned char[::1] taken

    @cython.locals(at=cython.ulonglong)
    cdef unsigned long long _place(
        self, unsigned long long first, unsigned long long second, unsigned long long length
    ) noexcept nogil
    @cython.locals(i=cython.Py_ssize_t, at=cython.ulonglong)
    cpdef unsigned long long get(self, unsigned long long first, unsigned long long second) noexcept nogil
