cimport cython
from weir_probe.streams.hashing cimport KeyHash

cdef unsigned int _UNKNOWN, _INDEX, _KEPT
cdef unsigned long long _BY_CLASS

cdef class Peers:
    cdef public unsigned long long version
    cdef readonly Py_ssize_t used
    cdef readonly Py_ssize_t most
    cdef readonly bint asks
    cdef readonly unsigned long long refused
    cdef readonly object entries
    cdef KeyHash hash
    cdef Py_ssize_t capacity
    cdef unsigned long long[:] first
    cdef unsigned long long[:] second
    cdef unsigned int[:] value
    cdef unsigned int[:] stamp
    cdef int[:] index
    cdef unsigned long long[:, ::1] prefixes
    cdef unsigned int[::1] classes
    cdef unsigned char[::1] asked

    @cython.locals(at=cython.Py_ssize_t)
    cpdef void _hold(self, entries, Py_ssize_t used) except *
    @cython.locals(mask=cython.ulonglong, place=cython.ulonglong)
    cdef void _index(self, Py_ssize_t at) noexcept
    @cython.locals(mask=cython.ulonglong, place=cython.ulonglong, at=cython.Py_ssize_t)
    cpdef Py_ssize_t place(self, unsigned long long first, unsigned long long second) noexcept
    @cython.locals(at=cython.Py_ssize_t)
    cpdef Py_ssize_t enter(
        self, unsigned long long first, unsigned long long second, unsigned int value, unsigned int used
    ) except? -2
    @cython.locals(at=cython.Py_ssize_t)
    cdef unsigned int value_of(self, unsigned long long first, unsigned long long second) noexcept
    cpdef unsigned int find(self, unsigned long long first, unsigned long long second) noexcept
    @cython.locals(at=cython.Py_ssize_t)
    cpdef unsigned int class_of(self, unsigned long long first, unsigned long long second) noexcept
    @cython.locals(i=cython.Py_ssize_t)
    cdef Py_ssize_t _range(self, unsigned long long first, unsigned long long second) noexcept
    @cython.locals(key=cython.ulonglong, at=cython.Py_ssize_t, in_range=cython.Py_ssize_t, class_=cython.uint)
    cdef unsigned long long of_flow(
        self, unsigned long long first, unsigned long long second, unsigned long long memory, unsigned long long side,
        unsigned int tick
    ) except? 0
    cdef unsigned int remembered(self, unsigned long long memory) noexcept
