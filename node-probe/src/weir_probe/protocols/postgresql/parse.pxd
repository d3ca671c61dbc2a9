cimport cython

from weir_probe.protocols.message cimport Message
from weir_probe.protocols.parser cimport Parser
from weir_probe.protocols.postgresql.errors cimport read_error
from weir_probe.protocols.postgresql.pending cimport Pending
from weir_probe.protocols.postgresql.tally cimport Tally
from weir_probe.protocols.postgresql.wire cimport chains, key_of, size_of
from weir_probe.protocols.sql cimport Sql
from weir_probe.protocols.sql_statements cimport Prepared, Statements
from weir_probe.protocols.strings cimport text_end
from weir_probe.wire.cursor cimport Cursor

cdef Py_ssize_t _WHOLE_QUERY, _WHOLE_MESSAGE, _NEED_MORE, _INVALID, _MAX_TAG
cdef unsigned int _MAX_STARTUP, _SSL, _GSSENC, _CANCEL, _PROTOCOL_3, _STARTUP
cdef int _REQUEST, _REQUEST_MORE, _RESPONSE, _RESPONSE_MORE, _ONE_WAY
cdef int _TYPE, _RESOURCE, _RESULT, _OK

cdef bint _answers(unsigned int kind, unsigned int waits) noexcept


cdef class PostgreSQL(Parser):
    cdef Pending pending
    cdef Sql sql
    cdef Statements statements, portals
    cdef Prepared portal, unnamed
    cdef Tally tally
    cdef unsigned long long calls, parsed, current
    cdef long long run
    cdef bint open, parses, shared, negotiates, copies
    cdef int failed

    @cython.locals(kind=cython.uint, size=cython.Py_ssize_t)
    cpdef Py_ssize_t frame(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way) except? -2
    @cython.locals(stop=cython.Py_ssize_t)
    cdef Py_ssize_t _run(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Py_ssize_t size) noexcept
    cpdef bint parse(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way, Message message) except? -1
    cpdef Py_ssize_t resync(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way) except? -2
    cpdef void lost(self, int way) except *
    @cython.locals(code=cython.uint, place=cython.Py_ssize_t, name=cython.Py_ssize_t, value=cython.Py_ssize_t)
    cdef bint _start(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) except? -1
    @cython.locals(kind=cython.uint, body=cython.Py_ssize_t, stop=cython.Py_ssize_t, statement=Prepared)
    cdef bint _request(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) except? -1
    cdef void _begin(self, Message message) noexcept
    cdef void _close(self) noexcept
    @cython.locals(stop=cython.Py_ssize_t)
    cdef void _read(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) except *
    cdef Prepared _statement(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end)
    @cython.locals(
        portal_end=cython.Py_ssize_t, name_end=cython.Py_ssize_t, key=cython.ulonglong, statement=Prepared
    )
    cdef void _bind(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) except *
    @cython.locals(statement=Prepared)
    cdef void _describe(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) except *
    @cython.locals(stop=cython.Py_ssize_t, statement=Prepared)
    cdef void _execute(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) except *
    @cython.locals(kind=cython.uint, waits=cython.uint, call=cython.ulonglong, ends=cython.bint)
    cdef bint _answer(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) except? -1
    cdef bint _responds(self, unsigned long long call, Message message) noexcept
    @cython.locals(skipped=cython.int, last=cython.ulonglong, kind=cython.uint, failed=cython.int)
    cdef bint _ready(self, Message message) except? -1
    @cython.locals(waits=cython.uint, call=cython.ulonglong, fatal=cython.bint)
    cdef bint _error(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) except? -1
    @cython.locals(stop=cython.Py_ssize_t)
    cdef void _notification(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) noexcept
    @cython.locals(stop=cython.Py_ssize_t)
    cdef void _parameter(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
