cimport cython

from weir_probe.protocols.message cimport Message
from weir_probe.protocols.sql_summary cimport Summary, in_word
from weir_probe.protocols.sql_trace cimport read_comment
from weir_probe.wire.cursor cimport Cursor

cdef Py_ssize_t _MAX_SQL
cdef int _RESOURCE
cdef int _NONE, _WORD, _LITERAL, _OPEN, _COMMA, _ROW, _OTHER
cdef int _IN_LIST, _ROWS, _ROW_OPEN, _ROW_LITERAL, _ROW_COMMA

cdef bint _is_digit(unsigned int byte) noexcept


@cython.final
cdef class Sql:
    cdef Cursor cursor
    cdef Message message
    cdef bint mysql, writes, space, pure, continues, breaks, conditional
    cdef public bint escapes, wide
    cdef int held, before, depth
    cdef readonly Py_ssize_t comment_at, comment_end, last_comment_at, last_comment_end
    cdef Summary summary

    cdef void _begin(self, bint writes) noexcept
    cpdef void read(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message, bint redacts) except *
    cpdef void tell_verb(self, int column) noexcept
    @cython.locals(cursor=Cursor, byte=cython.uint, following=cython.uint, stop=cython.Py_ssize_t)
    cdef Py_ssize_t _token(self, Py_ssize_t at, Py_ssize_t end) noexcept
    @cython.locals(cursor=Cursor, byte=cython.uint, stop=cython.Py_ssize_t, word=cython.ulonglong)
    cdef Py_ssize_t _read_word(self, Py_ssize_t at, Py_ssize_t end) noexcept
    @cython.locals(cursor=Cursor, byte=cython.uint)
    cdef Py_ssize_t _string_end(self, Py_ssize_t at, Py_ssize_t end, unsigned int quote, bint escapes) noexcept
    @cython.locals(cursor=Cursor, byte=cython.uint, begun=cython.Py_ssize_t)
    cdef Py_ssize_t _number_end(self, Py_ssize_t at, Py_ssize_t end) noexcept
    @cython.locals(
        cursor=Cursor, stop=cython.Py_ssize_t, size=cython.Py_ssize_t, close=cython.Py_ssize_t, same=cython.Py_ssize_t
    )
    cdef Py_ssize_t _dollar(self, Py_ssize_t at, Py_ssize_t end) noexcept
    cdef bint _comments_line(self, unsigned int byte, unsigned int following, Py_ssize_t at, Py_ssize_t end) noexcept
    @cython.locals(cursor=Cursor, stop=cython.Py_ssize_t, nested=cython.int)
    cdef Py_ssize_t _comment(self, Py_ssize_t at, Py_ssize_t end, bint block) noexcept
    cdef void _literal(self) noexcept
    cdef bint _signs(self) noexcept
    cdef void _other(self) noexcept
    cdef void _punctuation(self, unsigned int byte) noexcept
    cdef void _comma(self) noexcept
    cdef void _open(self, unsigned int byte) noexcept
    cdef void _close(self, unsigned int byte) noexcept
    @cython.locals(held=cython.int, space=cython.bint)
    cdef void _flush(self) noexcept
    cdef void _write_byte(self, unsigned int byte) noexcept
    cdef void _write(self, Py_ssize_t at, Py_ssize_t end) noexcept
    @cython.locals(used=cython.int, due=cython.int)
    cdef bint _has_room(self, Py_ssize_t count) noexcept
    cdef void _name(self, Py_ssize_t at, Py_ssize_t end, unsigned long long word) noexcept
