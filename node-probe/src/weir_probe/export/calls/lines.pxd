cimport cython

from weir_probe.export.jsontext cimport JsonText
from weir_probe.wire.copying cimport copy_bytes

cdef Py_ssize_t _plain_end(unsigned char[::1] text, Py_ssize_t at, Py_ssize_t end) noexcept
cdef int _VARIANTS, _FIXED, _COLUMNS, _ATTRIBUTES, _CODE, _REQUEST_ID, _QUOTE, _BACKSLASH
cdef Py_ssize_t _CALL_SIZE, _TEXT_AT
cdef int _START, _SRC_PORT, _DST_PORT, _TRANSPORT, _PROTOCOL
cdef int _STATUS, _REQUEST_BYTES, _RESPONSE_BYTES, _LATENCY, _NO_LATENCY
cdef int _ATTRIBUTES_OF, _TRUNCATED, _NOT_TRUNCATED, _END, _NULL, _EMPTY
cdef int _FIRST_COLUMN, _FIRST_STATUS, _FIRST_TRANSPORT, _FIRST_TITLE


@cython.final
cdef class LineWriter(JsonText):
    cdef object teller
    cdef bint sparse
    cdef int slots
    cdef unsigned short[:] iface, peer_iface
    cdef unsigned char[:] by_id
    cdef unsigned long long block, mask
    cdef unsigned long long[::1] looked_up
    cdef long long[:, ::1] end_at, end_size
    cdef dict told, told_observations
    cdef Py_ssize_t mask_at, mask_size
    cdef unsigned long long[:] request_ns, response_ns, id, request_bytes, response_bytes
    cdef int[:] conversation, code, slot
    cdef unsigned short[:] used
    cdef unsigned short[:, :] start, length, port
    cdef unsigned char[:] protocol, variant, status, has_code, cut, proto, workload
    cdef unsigned char[::1] bytes
    cdef unsigned long long[:, :, :] addr

    @cython.locals(number=cython.Py_ssize_t)
    cdef void _lines(
        self, int[:] rows, unsigned long long[:] masks, Py_ssize_t count, long long wall_offset_ns
    ) except *
    @cython.locals(
        conversation=cython.int,
        most=cython.Py_ssize_t,
        side=cython.int,
        column=cython.int,
        took_ns=cython.ulonglong,
    )
    cdef void _line(self, int row, unsigned long long mask, long long wall_offset_ns) except *
    @cython.locals(size=cython.Py_ssize_t, at=cython.Py_ssize_t)
    cdef void _column(self, int row, int column) noexcept
    @cython.locals(at=cython.Py_ssize_t, end=cython.Py_ssize_t, middle=cython.Py_ssize_t, last=cython.Py_ssize_t, first=cython.bint)
    cdef void _attributes(self, int row) noexcept
    cdef Py_ssize_t _zero(self, Py_ssize_t at, Py_ssize_t end) noexcept
    @cython.locals(slot=cython.int, side=cython.int, iface=cython.uint, first=cython.ulonglong, second=cython.ulonglong, at=cython.Py_ssize_t)
    cdef void _look_up(self, int conversation) except *
    @cython.locals(at=cython.Py_ssize_t)
    cdef void _look_up_observations(self, unsigned long long mask) except *
    @cython.locals(byte=cython.uchar, plain=cython.Py_ssize_t)
    cdef void _string(self, Py_ssize_t at, Py_ssize_t end) noexcept
    @cython.locals(
        lead=cython.uint,
        byte=cython.uint,
        point=cython.uint,
        least=cython.uint,
        size=cython.int,
        valid=cython.bint,
        place=cython.Py_ssize_t,
    )
    cdef Py_ssize_t _beyond_ascii(self, Py_ssize_t at, Py_ssize_t end) noexcept
    cdef void _unit(self, unsigned int value) noexcept
