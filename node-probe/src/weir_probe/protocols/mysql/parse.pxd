cimport cython

from weir_probe.protocols.message cimport Message
from weir_probe.protocols.mysql.answer cimport Answer
from weir_probe.protocols.mysql.command cimport behind_attributes, read_login
from weir_probe.protocols.mysql.inflate cimport Inflated
from weir_probe.protocols.mysql.wire cimport is_command, is_compressed, name_of, u24
from weir_probe.protocols.parser cimport Parser
from weir_probe.protocols.sql cimport Sql
from weir_probe.protocols.sql_statements cimport Prepared, Statements
from weir_probe.protocols.strings cimport text_end
from weir_probe.wire.cursor cimport Cursor

cdef Py_ssize_t _WHOLE_COMMAND, _WHOLE_ANSWER, _WHOLE_COMPRESSED, _NEED_MORE, _INVALID
cdef int _ENDS, _NONSENSE, _NUMBER
cdef int _REQUEST, _REQUEST_MORE, _RESPONSE, _RESPONSE_MORE, _ONE_WAY, _TYPE, _RESOURCE, _REQUEST_ID
cdef unsigned int _FULL_PACKET, _LATEST, _ANY
cdef unsigned int _BULK_EXECUTE, _CHANGE_USER, _CLOSE, _CONNECT, _EXECUTE, _FETCH, _FIELD_LIST, _INIT_DB, _LONG_DATA
cdef unsigned int _PING, _PREPARE, _QUERY, _QUIT, _RESET, _RESET_CONNECTION, _STATISTICS
cdef unsigned int _COMPRESS, _DEPRECATE_EOF, _PROTOCOL_41, _QUERY_ATTRIBUTES, _SECURE_CONNECTION, _TLS, _ZSTD
cdef unsigned long long _BIG
cdef tuple _WIDE

cdef bint _is_plausible(unsigned int size, unsigned int command) noexcept


cdef class MySQL(Parser):
    cdef Sql sql
    cdef Answer answer
    cdef Statements statements, preparing
    cdef Prepared latest
    cdef unsigned long long commands
    cdef bint connects, logs_in, continues
    cdef unsigned int capabilities, offers
    cdef int compressed
    cdef Inflated from_client, from_server

    @cython.locals(size=cython.Py_ssize_t)
    cpdef Py_ssize_t frame(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way) except? -2
    cpdef bint parse(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way, Message message) except? -1
    @cython.locals(first=cython.uint, place=cython.Py_ssize_t, seq=cython.uint)
    cpdef Py_ssize_t resync(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way) except? -2
    cpdef void lost(self, int way) except *
    @cython.locals(inflated=Inflated, stop=cython.Py_ssize_t, place=cython.Py_ssize_t, size=cython.Py_ssize_t)
    cdef bint _inflate(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way, Message message) except? -1
    @cython.locals(
        size=cython.uint,
        continued=cython.bint,
        uploads=cython.bint,
        command=cython.uint,
        body=cython.Py_ssize_t,
    )
    cdef bint _command(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) except? -1
    @cython.locals(statement=Prepared)
    cdef void _of_statement(self, unsigned int ident, unsigned int command, Message message) except *
    cdef Py_ssize_t _behind_attributes(
        self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message
    ) noexcept
    @cython.locals(capabilities=cython.uint)
    cdef bint _login(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) except? -1
    @cython.locals(seq=cython.uint, answer=Answer, command=cython.uint, in_turns=cython.bint, outcome=cython.int)
    cdef bint _answer(self, Cursor cursor, Py_ssize_t at, Message message) except? -1
    @cython.locals(place=cython.Py_ssize_t)
    cdef bint _greets(self, Cursor cursor, Py_ssize_t at, Message message) except? -1
    @cython.locals(statement=Prepared)
    cdef void _prepared(self, Message message) except *
    cdef void _logged_in(self, Message message) noexcept
