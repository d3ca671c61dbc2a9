cimport cython

from weir_probe.protocols.message cimport Message
from weir_probe.wire.cursor cimport Cursor

cdef Py_ssize_t _MAX_SUMMARY, _MAX_VERB
cdef int _MAX_TARGETS, _ENDPOINT, _MAX_DEPTH
cdef unsigned long long _BIT
cdef unsigned long long _COPY, _CALL, _DELETE, _EXISTS, _FROM, _IF, _IGNORE, _INSERT, _INTO, _JOIN, _NOT, _ONLY
cdef unsigned long long _REPLACE, _SELECT, _TABLE, _TRUNCATE, _UPDATE, _WITH, _DISTINCT, _LATERAL
cdef unsigned long long _DUMPFILE, _OUTFILE, _WHERE, _GROUP, _ORDER, _HAVING, _LIMIT, _SET, _VALUES, _UNION
cdef unsigned long long _FOR, _WINDOW, _FETCH, _OFFSET

cpdef bint in_word(unsigned int byte) noexcept
@cython.locals(quote=cython.uint)
cdef Py_ssize_t _name_end(Cursor cursor, Py_ssize_t at) noexcept
cdef bint _qualifies(unsigned long long word) noexcept
cdef bint _cannot_be_a_table(unsigned long long word) noexcept
cdef bint _changes_or_selects(unsigned long long word) noexcept
cdef bint _ends_tables(unsigned long long word) noexcept


@cython.final
cdef class Summary:
    cdef Cursor cursor
    cdef bint expects, lists
    cdef int targets, list_depth
    cdef Py_ssize_t verb_at, verb_end
    cdef unsigned long long verb, word, selects
    cdef Py_ssize_t[::1] target_at, target_end

    cpdef void begin(self) noexcept
    cpdef void interrupt(self) noexcept
    cpdef void comma(self, int depth) noexcept
    cpdef void close(self, int depth) noexcept
    cpdef void name(
        self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, unsigned long long word, int depth
    ) noexcept
    @cython.locals(index=cython.int, place=cython.Py_ssize_t, byte=cython.uint)
    cpdef void write(self, Message message) noexcept
    @cython.locals(place=cython.Py_ssize_t, byte=cython.uint)
    cpdef void add_verb(self, Message message) noexcept
    @cython.locals(
        cursor=Cursor, stop=cython.Py_ssize_t, index=cython.int, size=cython.Py_ssize_t, same=cython.Py_ssize_t
    )
    cdef void _target(self, Py_ssize_t at) noexcept
