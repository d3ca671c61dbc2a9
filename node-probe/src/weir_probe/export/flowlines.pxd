cimport cython

from weir_probe.export.jsontext cimport JsonText

cdef Py_ssize_t _CHUNK, _FIXED, _COUNTERS, _TIMES
cdef int _QUOTE, _POINT, _ZERO
cdef int _FLOW, _SEQUENCE, _INTERVAL, _END, _START, _LAST, _SRC, _DST
cdef int _SRC_PORT, _DST_PORT, _PROTOCOL, _PACKETS, _BYTES, _FLAGS, _CONNECTION, _NAT, _NAT_PORT, _LINE_END
cdef int _FIRST_FIGURE, _FIRST_COUNT, _FIRST_CLOSE, _FIRST_PROTOCOL


@cython.final
cdef class FlowLines(JsonText):
    cdef object teller, told
    cdef bytes words
    cdef readonly Py_ssize_t row
    cdef Py_ssize_t count, told_row
    cdef unsigned long long[:] flow_id, asked, connection
    cdef unsigned int[:] sequence
    cdef unsigned char[:] ended, proto, close_type
    cdef long long[:] start_ns, end_ns
    cdef unsigned long long[:, :, :] addr
    cdef unsigned short[:, :] port, iface
    cdef unsigned long long[:, :] packets, octets, counters, counted, sum_ns, max_ns, nat_addr
    cdef unsigned char[:, :] tcp_flags
    cdef unsigned short[:] nat_port
    cdef dict known
    cdef long long[::1] part_at, part_size, address_size

    @cython.locals(most=cython.Py_ssize_t)
    cpdef bytes some(self)
    @cython.locals(most=cython.Py_ssize_t, part=cython.int)
    cdef Py_ssize_t _look_up(self, Py_ssize_t row) except -1
    cdef void _end(
        self, int which, unsigned short iface, unsigned long long first, unsigned long long second
    ) except *
    cdef void _part(self, int part, tuple key) except *
    @cython.locals(end=cython.int, way=cython.int, byte=cython.uchar)
    cdef void _line(self, Py_ssize_t row) except *
    cdef void _address(self, int part) noexcept
    @cython.locals(size=cython.Py_ssize_t)
    cdef void _names(self, int part) noexcept
    @cython.locals(which=cython.Py_ssize_t, what=cython.Py_ssize_t)
    cdef void _figures(self, Py_ssize_t row) noexcept
    cdef void _us(self, unsigned long long ns) noexcept
