cimport cython

from weir_probe.wire.cursor cimport Cursor

cdef unsigned int _HTTP
cdef long long _NO_LENGTH, _BAD_LENGTH, _MAX_LENGTH
cdef Py_ssize_t _MAX_METHOD
cdef int _PLAIN, _CHUNKED, _OTHER

cpdef bint is_version(Cursor cursor, Py_ssize_t at) noexcept
@cython.locals(last=cython.Py_ssize_t, byte=cython.uint)
cpdef Py_ssize_t method_end(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
cpdef Py_ssize_t line_end(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept


@cython.final
cdef class Field:
    cdef readonly Py_ssize_t name, name_size, value, value_size

    @cython.locals(colon=cython.Py_ssize_t)
    cdef bint read(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
    cdef bint has_name(self, Cursor cursor, bytes name) noexcept
    cdef bint has_value(self, Cursor cursor, bytes value) noexcept


@cython.final
cdef class Head:
    cdef public Py_ssize_t fields
    cdef readonly Py_ssize_t end, method_end, target_end, code_end
    cdef readonly bint whole
    cdef readonly unsigned int letters
    cdef public long long length
    cdef public int coding
    cdef readonly int code

    @cython.locals(line=cython.Py_ssize_t)
    cpdef bint request_line(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
    @cython.locals(place=cython.Py_ssize_t, digit=cython.int, line=cython.Py_ssize_t)
    cpdef bint status_line(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
    @cython.locals(at=cython.Py_ssize_t, behind=cython.Py_ssize_t, first=cython.uint)
    cpdef void read(self, Cursor cursor, Py_ssize_t end) noexcept
    @cython.locals(value=cython.longlong, done=cython.bint, byte=cython.uint)
    cdef void _content_length(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
    cdef void _says(self, long long length) noexcept
    @cython.locals(start=cython.Py_ssize_t)
    cdef void _transfer_encoding(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
