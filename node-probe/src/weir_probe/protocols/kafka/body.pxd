cimport cython

from weir_probe.protocols.message cimport Message
from weir_probe.wire.cursor cimport Cursor

cdef Py_ssize_t _CUT, _BAD
cdef unsigned short[::1] _CODE
cdef unsigned int _END, _SKIP, _BYTES, _ARRAY, _STRUCTURE, _TAGS, _TOPIC, _TOPIC_ID, _PARTITION, _ERROR
cdef unsigned int _GROUP, _TRANSACTION, _ACKS, _OFFSET, _RECORDS
cdef long long _SIGN_32, _ALL_32
cdef int _ATTRIBUTES, _MAX_LISTED, _MAX_NAMES


@cython.final
cdef class Body:
    cdef bint flexible
    cdef public bint lists, learns
    cdef readonly dict names
    cdef Py_ssize_t length
    cdef readonly int topics, error
    cdef readonly unsigned int acks
    cdef readonly long long partition
    cdef readonly Py_ssize_t topic, topic_length, last_topic, last_topic_length, topic_id
    cdef readonly Py_ssize_t group, group_length, transaction, transaction_length, offset, records, records_length

    cpdef void reset(self) noexcept
    cpdef Py_ssize_t read(
        self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Py_ssize_t program, bint flexible, Message message
    ) except? -3
    @cython.locals(count=cython.Py_ssize_t)
    cpdef Py_ssize_t skip_tags(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
    @cython.locals(operation=cython.uint, argument=cython.Py_ssize_t)
    cdef Py_ssize_t _walk(
        self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Py_ssize_t place, Message message
    ) except? -3
    @cython.locals(count=cython.Py_ssize_t, begun=cython.Py_ssize_t)
    cdef Py_ssize_t _array(
        self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Py_ssize_t place, Message message
    ) except? -3
    cdef void _note(
        self, Cursor cursor, Py_ssize_t at, Py_ssize_t length, unsigned int operation, Message message
    ) noexcept
    cdef void _list(self, Cursor cursor, Py_ssize_t at, Py_ssize_t length, Message message) noexcept
    @cython.locals(name=bytes)
    cdef void _note_id(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end) except *
    cdef Py_ssize_t _measure(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, bint wide) noexcept
    @cython.locals(value=cython.longlong, shift=cython.int, octet=cython.longlong)
    cdef Py_ssize_t _varint(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
