cimport cython

from weir_probe.wire.copying cimport copy_bytes
from weir_probe.wire.cursor cimport Cursor

cdef Py_ssize_t _TEXT
cdef int _COLUMNS, _NOTHING


@cython.final
cdef class Message:
    cdef readonly unsigned char[::1] text
    cdef unsigned short[::1] start, length
    cdef public int part, answers, status, code, variant, trace_rank
    cdef public bint ends, has_code, cut
    cdef public unsigned long long id, hint
    cdef readonly Py_ssize_t used
    cdef int column

    @cython.locals(column=cython.int)
    cpdef void reset(self) noexcept
    cpdef void begin(self, int column) noexcept
    cpdef void add(self, unsigned char byte) noexcept
    cpdef void add_from(self, Cursor cursor, Py_ssize_t at, Py_ssize_t count) noexcept
    cpdef void put(self, int column, Cursor cursor, Py_ssize_t at, Py_ssize_t count) noexcept
    @cython.locals(power=cython.ulonglong)
    cpdef void add_number(self, unsigned long long value) noexcept
    @cython.locals(count=cython.Py_ssize_t, place=cython.Py_ssize_t)
    cpdef void add_text(self, bytes text) noexcept
    cpdef int length_of(self, int column) noexcept
    cpdef void put_text(self, int column, bytes text) noexcept
    cpdef void add_attribute(self, bytes name, unsigned long long value) noexcept
