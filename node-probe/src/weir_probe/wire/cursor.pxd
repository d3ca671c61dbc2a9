cimport cython

cdef extern from *:
    """
    #include <string.h>

    static inline Py_ssize_t index_of(const unsigned char *bytes, int byte, Py_ssize_t at, Py_ssize_t end)
    {
        const unsigned char *found = memchr(bytes + at, byte, end - at);

        return found ? found - bytes : -1;
    }

    static inline PyObject *bytes_of(const unsigned char *bytes, Py_ssize_t at, Py_ssize_t end)
    {
        return PyBytes_FromStringAndSize((const char *)bytes + at, end - at);
    }
    """
    Py_ssize_t index_of(const unsigned char *bytes, int byte, Py_ssize_t at, Py_ssize_t end) noexcept nogil
    bytes bytes_of(const unsigned char *bytes, Py_ssize_t at, Py_ssize_t end)

cdef const unsigned char[::1] _NOTHING

@cython.final
cdef class Cursor:
    cdef const unsigned char[::1] buffer
    cdef Py_ssize_t size
    cdef readonly Py_ssize_t end
    cdef readonly bint cut

    cpdef void limit(self, Py_ssize_t end) noexcept nogil
    cpdef bint has(self, Py_ssize_t at, Py_ssize_t count) noexcept nogil
    cpdef Py_ssize_t find(self, unsigned int byte, Py_ssize_t at, Py_ssize_t end) noexcept nogil
    cpdef bytes copied(self, Py_ssize_t at, Py_ssize_t end)
    @cython.locals(letter=cython.uchar, byte=cython.uint)
    cpdef bint is_name(self, Py_ssize_t at, Py_ssize_t count, bytes name) noexcept
    cpdef unsigned int u8(self, Py_ssize_t at) noexcept nogil
    cpdef unsigned int u16(self, Py_ssize_t at) noexcept nogil
    @cython.locals(value=cython.uint)
    cpdef unsigned int u32(self, Py_ssize_t at) noexcept nogil
    cpdef unsigned int u16le(self, Py_ssize_t at) noexcept nogil
    @cython.locals(value=cython.uint)
    cpdef unsigned int u32le(self, Py_ssize_t at) noexcept nogil
    @cython.locals(low=cython.ulonglong, high=cython.ulonglong)
    cpdef unsigned long long u64le(self, Py_ssize_t at) noexcept nogil
