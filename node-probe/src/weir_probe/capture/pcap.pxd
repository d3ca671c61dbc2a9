cimport cython

from weir_probe.streams.call_engine cimport CallEngine
from weir_probe.streams.engine cimport FlowEngine
from weir_probe.wire.cursor cimport Cursor

cdef unsigned int _MAX_CAPTURED, _MAX_BLOCK
cdef int _UNKNOWN, _PCAP, _PCAPNG
cdef unsigned int _MICROSECONDS, _NANOSECONDS, _SECTION, _INTERFACE, _PACKET, _SIMPLE, _ENHANCED, _BYTE_ORDER
cdef unsigned long long _SECOND_NS
cdef long long _MAX_SECONDS
cdef unsigned int _END_OF_OPTIONS, _TSRESOL, _TSOFFSET


@cython.final
cdef class CaptureDecoder:
    cdef readonly FlowEngine engine
    cdef readonly CallEngine calls
    cdef Cursor cursor
    cdef int format
    cdef bint big_endian
    cdef readonly Py_ssize_t offset, needed
    cdef int[::1] links
    cdef unsigned int[::1] snap_lengths
    cdef unsigned char[::1] resolutions
    cdef long long[::1] time_offsets
    cdef Py_ssize_t interfaces
    cdef unsigned long long[::1] powers
    cdef unsigned long long last_ns
    cdef readonly unsigned long long earliest_ns, latest_ns

    @cython.locals(at=cython.Py_ssize_t)
    cpdef Py_ssize_t feed(self, data) except -1
    cdef unsigned int _u16(self, Py_ssize_t at) noexcept nogil
    cdef unsigned int _u32(self, Py_ssize_t at) noexcept nogil
    @cython.locals(magic=cython.uint)
    cdef Py_ssize_t _start(self) except -1
    @cython.locals(unit=cython.ulonglong, link=cython.int, captured=cython.uint, ts_ns=cython.ulonglong)
    cdef Py_ssize_t _records(self, Py_ssize_t at) except -1
    cdef void _frame(
        self, Py_ssize_t at, Py_ssize_t captured, unsigned long long length, unsigned long long ts_ns, int link
    ) except *
    @cython.locals(kind=cython.uint, total=cython.uint, end=cython.Py_ssize_t)
    cdef Py_ssize_t _blocks(self, Py_ssize_t at) except -1
    cdef int _byte_order(self, Py_ssize_t at) except -1
    cdef int _section(self, Py_ssize_t at, Py_ssize_t end) except -1
    @cython.locals(row=cython.Py_ssize_t, code=cython.uint, size=cython.uint)
    cdef int _interface(self, Py_ssize_t at, Py_ssize_t end) except -1
    @cython.locals(first=object, second=object, high=object, low=object, value=object)
    cdef object _seconds(self, Py_ssize_t at)
    @cython.locals(row=cython.Py_ssize_t, captured=cython.Py_ssize_t, high=cython.ulonglong, ts_ns=cython.ulonglong)
    cdef int _packet(self, Py_ssize_t at, Py_ssize_t end, unsigned int kind) except -1
    @cython.locals(length=cython.uint, captured=cython.Py_ssize_t)
    cdef int _simple_packet(self, Py_ssize_t at, Py_ssize_t end) except -1
    cdef int _captured(
        self,
        Py_ssize_t at,
        Py_ssize_t captured,
        unsigned int length,
        unsigned long long ts_ns,
        Py_ssize_t row,
        Py_ssize_t block,
    ) except -1
    @cython.locals(
        unit=cython.uint,
        bits=cython.uint,
        seconds=cython.ulonglong,
        rest=cython.ulonglong,
        ns=cython.ulonglong,
        whole=cython.longlong,
    )
    cdef unsigned long long _nanoseconds(self, unsigned long long ticks, Py_ssize_t row) noexcept nogil
