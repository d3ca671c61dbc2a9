cimport cython

from weir_probe.protocols.dns.detect cimport detect_framed
from weir_probe.protocols.dns.names cimport add_name, name_end
from weir_probe.protocols.dns.records cimport add_record, add_type, serial
from weir_probe.protocols.dns.transfer cimport Transfer
from weir_probe.protocols.message cimport Message
from weir_probe.protocols.parser cimport Parser
from weir_probe.wire.cursor cimport Cursor

cdef Py_ssize_t _HEADER, _MAX_RESULT, _NEED_MORE, _INVALID
cdef int _NOTHING, _REQUEST_AGAIN, _RESPONSE, _RESPONSE_MORE
cdef int _TYPE, _DOMAIN, _RESOURCE, _RESULT, _EXCEPTION, _ATTRIBUTES
cdef int _OK, _CLIENT_ERROR, _SERVER_ERROR
cdef int _SILENT, _ALL, _NOTHING_ELSE
cdef int _FROM_CLIENT, _FROM_SERVER
cdef unsigned int _NS, _SOA, _OPT, _IXFR, _AXFR, _DSO
cdef unsigned long long _FNV_BASIS, _FNV_PRIME, _WORD
cdef tuple _OPCODES, _RCODES


cdef class Dns(Parser):
    cdef Transfer transfer
    cdef unsigned int rcode

    @cython.locals(length=cython.Py_ssize_t)
    cpdef Py_ssize_t frame(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way) except? -2
    @cython.locals(
        base=cython.Py_ssize_t,
        flags=cython.uint,
        questions=cython.int,
        question=cython.Py_ssize_t,
        behind=cython.Py_ssize_t,
        whole=cython.bint,
        kind=cython.uint,
        _=cython.int,
    )
    cpdef bint parse(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way, Message message) except? -1
    cpdef Py_ssize_t resync(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way) except? -2
    @cython.locals(opcode=cython.uint)
    cdef bint _query(
        self, Cursor cursor, Py_ssize_t base, Py_ssize_t end, Py_ssize_t behind, unsigned int flags, Message message
    ) except? -1
    @cython.locals(answers=cython.int, authority=cython.int, transfers=cython.bint)
    cdef bint _response(
        self,
        Cursor cursor,
        Py_ssize_t base,
        Py_ssize_t at,
        Py_ssize_t end,
        unsigned int kind,
        unsigned int flags,
        Message message,
    ) except? -1
    @cython.locals(place=cython.Py_ssize_t, kind=cython.uint, ttl=cython.uint, _=cython.int)
    cdef Py_ssize_t _section(
        self,
        Cursor cursor,
        Py_ssize_t base,
        Py_ssize_t at,
        Py_ssize_t end,
        int count,
        int tells,
        bint transfers,
        Message message,
    ) except? -2
    cdef void _add_known(self, tuple names, unsigned int number, Message message) except *


@cython.locals(value=cython.ulonglong, place=cython.Py_ssize_t, octet=cython.uint)
cdef unsigned long long _fingerprint(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
