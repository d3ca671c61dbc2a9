cimport cython

from weir_probe.protocols.kafka.compressed cimport Compressed
from weir_probe.protocols.message cimport Message
from weir_probe.protocols.trace cimport format_of, put
from weir_probe.wire.cursor cimport Cursor

cdef Py_ssize_t _HEADER, _MAX_HEADERS, _CUT
cdef unsigned int _MAGIC


@cython.final
cdef class Batch:
    cdef readonly unsigned int compression
    cdef readonly long long count
    cdef Py_ssize_t value
    cdef Compressed compressed

    cpdef void read(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
    @cython.locals(name=cython.Py_ssize_t, name_length=cython.Py_ssize_t, kind=cython.int, _=cython.Py_ssize_t)
    cpdef void read_trace(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) noexcept
    @cython.locals(value=cython.longlong, shift=cython.int, octet=cython.longlong)
    cdef Py_ssize_t _varint(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
