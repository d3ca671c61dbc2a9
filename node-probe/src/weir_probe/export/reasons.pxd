cimport cython

cdef unsigned long long _ENDS, _ROLELESS, _WORD, _SPREAD
cdef Py_ssize_t _LIMIT


cdef class ReasonTable:
    cdef readonly object rows
    cdef readonly Py_ssize_t used
    cdef Py_ssize_t capacity
    cdef unsigned long long[:] key, what, counted
    cdef int[:] index

    @cython.locals(at=cython.Py_ssize_t)
    cpdef void add(self, unsigned long long key, unsigned long long what, unsigned long long count) except *

    @cython.locals(mask=cython.ulonglong, at=cython.ulonglong)
    cdef Py_ssize_t _place(self, unsigned long long key, unsigned long long what) noexcept
