cimport cython

from weir_probe.protocols.kafka.body cimport Body
from weir_probe.protocols.kafka.records cimport Batch
from weir_probe.protocols.message cimport Message
from weir_probe.protocols.parser cimport Parser
from weir_probe.wire.cursor cimport Cursor

cdef Py_ssize_t _WHOLE, _NEED_MORE, _INVALID
cdef long long _MAX_REQUEST, _MAX_RESPONSE
cdef int _FROM_CLIENT, _REQUEST, _RESPONSE, _ONE_WAY, _OK, _CLIENT_ERROR, _SERVER_ERROR
cdef int _TYPE, _RESOURCE, _ENDPOINT, _EXCEPTION, _RESULT, _ATTRIBUTES
cdef unsigned int _PRODUCE, _FETCH, _METADATA, _API_VERSIONS, _CREATE_TOPICS, _CONTROLLED_SHUTDOWN
cdef int[:, :, ::1] _STARTS
cdef int[::1] _FLEXIBLE
cdef list _NAMES
cdef unsigned int _KEYS, _VERSIONS
cdef unsigned long long _HINTED
cdef tuple _COMPRESSIONS
cdef bytes _BASE64


cdef class Kafka(Parser):
    cdef Body body
    cdef Batch batch
    cdef long long asked
    cdef bytes fetched
    cdef long long fetched_partition

    @cython.locals(size=cython.longlong)
    cpdef Py_ssize_t frame(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way) except? -2
    cpdef bint parse(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way, Message message) except? -1
    @cython.locals(behind=cython.Py_ssize_t)
    cpdef Py_ssize_t resync(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way) except? -2
    cpdef long long answered(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end) except? -2
    cdef bint _is_known(self, unsigned int key) except? -1
    @cython.locals(size=cython.longlong)
    cdef bint _answers(self, Cursor cursor, Py_ssize_t at) noexcept
    @cython.locals(
        key=cython.ulonglong,
        version=cython.ulonglong,
        program=cython.Py_ssize_t,
        flexible=cython.bint,
        client=cython.Py_ssize_t,
        length=cython.Py_ssize_t,
        place=cython.Py_ssize_t,
    )
    cdef bint _request(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) except? -1
    cdef void _attribute(
        self, bytes name, Cursor cursor, Py_ssize_t at, Py_ssize_t length, Message message
    ) noexcept
    @cython.locals(at=cython.Py_ssize_t)
    cdef void _records(self, Cursor cursor, Py_ssize_t end, Message message) except *
    cdef void _topic(self, Cursor cursor, unsigned int key, Message message) except *
    @cython.locals(length=cython.Py_ssize_t, same=cython.bint, place=cython.Py_ssize_t)
    cdef void _remember(self, Message message) except *
    cdef void _add_partition(self, long long partition, Message message) noexcept
    @cython.locals(name=bytes)
    cdef void _add_topic(self, Cursor cursor, Message message) except *
    @cython.locals(held=cython.uint, bits=cython.int, place=cython.Py_ssize_t)
    cdef void _add_id(self, Cursor cursor, Py_ssize_t at, Message message) noexcept
    @cython.locals(at=cython.Py_ssize_t, high=cython.ulonglong)
    cdef void _add_offset(self, Cursor cursor, Message message) noexcept
    @cython.locals(
        key=cython.uint,
        version=cython.uint,
        program=cython.Py_ssize_t,
        flexible=cython.bint,
        place=cython.Py_ssize_t,
    )
    cdef bint _response(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) except? -1
