cimport cython

from weir_probe.protocols.message cimport Message
from weir_probe.wire.cursor cimport Cursor


cdef class Parser:
    cdef public Py_ssize_t enough
    cdef public unsigned long long hint
    cdef public bint hinted, final, switches, unfinished, done, datagrams, redacts

    cpdef Py_ssize_t frame(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way) except? -2
    cpdef bint parse(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way, Message message) except? -1
    cpdef Py_ssize_t resync(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way) except? -2
    cpdef void lost(self, int way) except *
    cpdef long long answered(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end) except? -2
