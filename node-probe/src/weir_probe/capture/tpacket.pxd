cimport cython

from weir_probe.streams.engine cimport FlowEngine
from weir_probe.streams.intake cimport Intake
from weir_probe.wire.cursor cimport Cursor

cdef unsigned int _OUTGOING
cdef int _ETHERNET, _RAW
cdef unsigned long long _SECOND_NS
cdef Py_ssize_t _NUM_PKTS, _FIRST_PACKET, _NEXT, _SEC, _NSEC, _SNAPLEN, _LEN, _MAC, _HEADER, _PKTTYPE, _GSO_SIZE

@cython.locals(cursor=Cursor, walked=cython.Py_ssize_t, takes=cython.bint)
cpdef Py_ssize_t walk_block(
    ring, Py_ssize_t block_offset, FlowEngine engine, Py_ssize_t iface_index, Intake intake=?, bint segmented=?
) except -1
@cython.locals(
    count=cython.Py_ssize_t,
    walked=cython.Py_ssize_t,
    at=cython.Py_ssize_t,
    frame=cython.Py_ssize_t,
    captured=cython.Py_ssize_t,
    following=cython.Py_ssize_t,
    length=cython.ulonglong,
    ts_ns=cython.ulonglong,
    outgoing=cython.bint,
    link=cython.int,
)
cdef Py_ssize_t _walk(
    Cursor cursor, Py_ssize_t block, FlowEngine engine, Py_ssize_t iface, Intake intake, bint takes, bint segmented
) noexcept nogil
