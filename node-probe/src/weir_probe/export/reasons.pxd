cimport cython

from weir_probe.export.rowindex cimport RowIndex

cdef unsigned long long _ENDS, _ROLELESS
cdef Py_ssize_t _LIMIT


cdef class ReasonTable:
    cdef readonly object rows
    cdef readonly Py_ssize_t used
    cdef Py_ssize_t capacity
    cdef unsigned long long[:] key, what, counted
    cdef RowIndex index

    @cython.locals(at=cython.Py_ssize_t)
    cpdef void add(self, unsigned long long key, unsigned long long what, unsigned long long count) except *

    @cython.locals(row=cython.Py_ssize_t)
    cdef Py_ssize_t _append(self, unsigned long long key, unsigned long long what) except -1
