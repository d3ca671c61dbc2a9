cimport cython

cdef unsigned long long WORD
cdef unsigned long long SPREAD
cdef unsigned long long _OVERFLOW

cdef class SeriesTable:
    cdef readonly object rows
    cdef readonly Py_ssize_t used
    cdef readonly object limits
    cdef readonly object held
    cdef readonly object overflowed
    cdef Py_ssize_t capacity
    cdef unsigned long long[:] index_key
    cdef int[:] index_row
    cdef unsigned int[:] limit
    cdef unsigned int[:] hold
    cdef unsigned long long[:] overflow
    cdef unsigned long long[:] key
    cdef unsigned long long[:, :] packets
    cdef unsigned long long[:, :] bytes
    cdef unsigned long long[:] connections
    cdef unsigned long long[:] live

    cpdef void begin(self)

    @cython.locals(key=cython.ulonglong, at=cython.Py_ssize_t)
    cpdef void add(self, unsigned long long bit, unsigned long long role, unsigned long long protocol,
                   unsigned long long local, unsigned long long peer, unsigned long long sent,
                   unsigned long long received, bint opened, bint live)

    @cython.locals(at=cython.ulonglong)
    cdef Py_ssize_t _find(self, unsigned long long key)

    cdef Py_ssize_t _append(self, unsigned long long key)
