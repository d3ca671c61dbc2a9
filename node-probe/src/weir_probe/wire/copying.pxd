cimport cython

@cython.locals(place=cython.Py_ssize_t)
cpdef void copy_bytes(
    unsigned char[::1] to, Py_ssize_t at, const unsigned char[::1] source, Py_ssize_t start, Py_ssize_t count
) noexcept nogil
