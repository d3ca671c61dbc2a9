cimport cython

from weir_probe.protocols.message cimport Message
from weir_probe.protocols.mysql.wire cimport behind, number, u24
from weir_probe.protocols.sql_errors cimport put_error, status_of_sqlstate
from weir_probe.wire.cursor cimport Cursor

cdef int _NONSENSE, _GOES_ON, _ENDS
cdef unsigned int _MORE_RESULTS, _CURSOR_EXISTS, _NO_BACKSLASH_ESCAPES, _FULL_PACKET
cdef unsigned long long _MAX_COLUMNS
cdef unsigned int _BINLOG_DUMP, _BINLOG_DUMP_GTID, _CHANGE_USER, _CONNECT, _FETCH, _FIELD_LIST, _PREPARE, _STATISTICS
cdef int _ATTRIBUTES, _UNKNOWN, _OK, _CLIENT_ERROR, _SERVER_ERROR
cdef int _FIRST, _COLUMNS, _AFTER_COLUMNS, _ROWS, _FIELDS, _FILE, _STREAM
cdef int _PARAMETERS, _AFTER_PARAMETERS, _RESULTS, _AFTER_RESULTS

cpdef int status_of_error(unsigned int code, Cursor cursor, Py_ssize_t sqlstate) noexcept
cdef bint _names_only(unsigned int code) noexcept


@cython.final
cdef class Answer:
    cdef int state
    cdef unsigned int seq
    cdef public int deprecates
    cdef public bint wants_file
    cdef readonly bint escapes, begun, prepared
    cdef bint continues, returns, affects
    cdef long long left, columns
    cdef unsigned long long rows, affected, results
    cdef readonly unsigned int statement

    cpdef void begin(self) noexcept
    @cython.locals(left=cython.longlong, size=cython.uint, first=cython.uint)
    cpdef Py_ssize_t run(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
    cpdef bint follows(self, unsigned int seq) noexcept
    @cython.locals(size=cython.uint, body=cython.Py_ssize_t, first=cython.uint)
    cpdef int take(self, Cursor cursor, Py_ssize_t at, Message message, unsigned int command, bint redacts) noexcept
    @cython.locals(first=cython.uint, logs_in=cython.bint, columns=cython.ulonglong, rest=cython.Py_ssize_t, without=cython.bint)
    cdef int _first(
        self, Cursor cursor, Py_ssize_t body, unsigned int size, Message message, unsigned int command
    ) noexcept
    @cython.locals(ended=cython.bint)
    cdef int _definition(self, unsigned int size, unsigned int first) noexcept
    cdef int _prepares(self, Cursor cursor, Py_ssize_t body) noexcept
    @cython.locals(flags=cython.uint)
    cdef int _row(
        self, Cursor cursor, Py_ssize_t body, unsigned int size, unsigned int first, Message message
    ) noexcept
    cdef int _ok(self, Cursor cursor, Py_ssize_t body, unsigned int size, Message message) noexcept
    cdef int _end_of_result(self, unsigned int flags, Message message) noexcept
    @cython.locals(code=cython.uint, text=cython.Py_ssize_t)
    cdef int _error(
        self, Cursor cursor, Py_ssize_t body, Py_ssize_t end, Message message, bint redacts
    ) noexcept
