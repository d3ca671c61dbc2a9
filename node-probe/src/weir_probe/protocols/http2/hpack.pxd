cimport cython

from weir_probe.protocols.http2.fields cimport kind_of
from weir_probe.protocols.http2.table cimport Table
from weir_probe.wire.cursor cimport Cursor

cdef int _OTHER, _UNKNOWN, _KIND, _NAME, _START, _LENGTH
cdef unsigned int _MAX_NAME, _MAX_VALUE, _ROOM, _STATIC, _EMITS, _FAILED
cdef unsigned long long _ONE
cdef unsigned int[::1] _STEPS
cdef unsigned char[::1] _ENDS
cdef unsigned char[::1] _STATIC_KIND, _STATIC_TEXT
cdef unsigned int[::1] _STATIC_NAME, _STATIC_START, _STATIC_LENGTH
cdef int _A_FIELD, _A_LENGTH, _A_NUMBER, _A_STRING
cdef int _INDEXED, _INCREMENTAL, _LITERAL, _RESIZE, _A_NAME, _A_VALUE


@cython.final
cdef class Decoder:
    cdef readonly Table table
    cdef unsigned char[::1] name, text
    cdef Cursor names
    cdef readonly Cursor values
    cdef readonly unsigned short[::1] start, length
    cdef int step, what, kind
    cdef unsigned int name_size, number, shift, left, size, node, used
    cdef bint huffman, inserts, keeps
    cdef readonly unsigned long long seen
    cdef readonly unsigned int fields, unknown
    cdef readonly bint cut

    cpdef void begin(self) noexcept
    cpdef void lost(self) noexcept
    cpdef bint has(self, int kind) noexcept
    cpdef bint whole(self) noexcept
    @cython.locals(stop=cython.Py_ssize_t, byte=cython.uint, most=cython.uint)
    cpdef bint feed(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end) except? -1
    cdef bint _numbered(self) except? -1
    @cython.locals(slot=cython.Py_ssize_t, entries=cython.uint[:, ::1])
    cdef bint _indexed(self, unsigned int index) except? -1
    @cython.locals(place=cython.uint)
    cdef void _copy(
        self, int kind, unsigned char[::1] text, unsigned int start, unsigned int count, unsigned int mask
    ) noexcept
    cdef void _see(self, int kind, unsigned int count) noexcept
    @cython.locals(slot=cython.Py_ssize_t)
    cdef void _named(self, unsigned int index) noexcept
    @cython.locals(
        names=cython.bint, room=cython.uint, node=cython.uint, byte=cython.uint, entry=cython.uint, bits=cython.uint
    )
    cdef bint _string(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end) except? -1
    cdef void _put(self, bint names, unsigned int byte) noexcept
    @cython.locals(kept=cython.uint)
    cdef bint _spelled(self) except? -1
    @cython.locals(kind=cython.int, place=cython.uint, start=cython.Py_ssize_t)
    cdef void _insert(self, unsigned int kept) except *
