cimport cython

from weir_probe.wire.copying cimport copy_bytes
from weir_probe.wire.cursor cimport Cursor

cdef Py_ssize_t _MAX_BYTES, _XERIAL_SIZE, _FRAME_SIZE, _LEAST_MATCH
cdef unsigned int _GZIP, _SNAPPY, _LZ4, _XERIAL, _FRAME, _HAS_LENGTH, _HAS_DICTIONARY, _STORED


@cython.final
cdef class Compressed:
    cdef unsigned char[::1] out
    cdef Py_ssize_t used, at, end
    cdef readonly Cursor cursor
    cdef Cursor source

    cpdef bint read(self, unsigned int kind, Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
    @cython.locals(data=bytes)
    cdef bint _gzip(self) noexcept
    @cython.locals(tag=cython.uint, size=cython.Py_ssize_t, more=cython.bint)
    cdef void _snappy(self) noexcept
    @cython.locals(flags=cython.uint, size=cython.uint, token=cython.uint, offset=cython.Py_ssize_t, more=cython.bint)
    cdef void _lz4(self) noexcept
    cdef unsigned int _next(self) noexcept
    @cython.locals(number=cython.uint, place=cython.int)
    cdef Py_ssize_t _little(self, Py_ssize_t size) noexcept
    @cython.locals(length=cython.Py_ssize_t, byte=cython.uint)
    cdef Py_ssize_t _length(self, Py_ssize_t nibble) noexcept
    @cython.locals(there=cython.Py_ssize_t)
    cdef bint _literal(self, Py_ssize_t size) noexcept
    @cython.locals(there=cython.Py_ssize_t)
    cdef bint _copy(self, Py_ssize_t offset, Py_ssize_t size) noexcept
