cimport cython
from weir_probe.export.peers cimport Peers
from weir_probe.export.series cimport SeriesTable
from weir_probe.streams.tick cimport Ticker

cdef unsigned long long BYTES
cdef unsigned int _INDEX, _UNKNOWN

cdef class Aggregator:
    cdef readonly SeriesTable series
    cdef public Peers peers
    cdef public unsigned long long with_metrics
    cdef public bint patient
    cdef readonly Py_ssize_t waiting
    cdef Ticker ticker
    cdef readonly object behind
    cdef readonly object totals
    cdef readonly object stored
    cdef unsigned int[:] identity
    cdef unsigned long long[:, :] total_packets
    cdef unsigned long long[:, :] total_bytes
    cdef unsigned long long[:] opened
    cdef unsigned long long[:] live
    cdef unsigned long long[:] all_stored
    cdef unsigned long long[:, :, :] addr
    cdef unsigned char[:] proto
    cdef unsigned short[:] iface
    cdef unsigned short[:] peer_iface
    cdef unsigned long long[:] observations
    cdef unsigned long long[:] peer_observations
    cdef unsigned char[:] opener
    cdef unsigned char[:] workload_side
    cdef unsigned long long[:] memory
    cdef unsigned int[:] row_slot
    cdef unsigned int[:] row_event
    cdef unsigned long long[:, :] row_delta

    @cython.locals(row=cython.Py_ssize_t, i=cython.Py_ssize_t, mask=cython.ulonglong, peer_mask=cython.ulonglong,
                   a=cython.ulonglong, b=cython.ulonglong, opened=cython.bint, live=cython.bint, side=cython.uint,
                   protocol=cython.uint, role=cython.uint, local=cython.uint, other=cython.uint, iface=cython.ushort,
                   peer_iface=cython.ushort)
    cpdef void consume(self, Py_ssize_t count)

    @cython.locals(bit=cython.uint)
    cdef void _spread(self, unsigned long long mask, unsigned int role, unsigned int protocol, unsigned int local,
                      unsigned int peer, unsigned long long sent, unsigned long long received, bint opened, bint live)

    @cython.locals(bit=cython.uint)
    cdef void _total(self, unsigned long long mask, unsigned long long a, unsigned long long b, bint opened, bint live)

    @cython.locals(first=cython.ulonglong, second=cython.ulonglong, memory=cython.ulonglong, value=cython.uint)
    cdef unsigned int _peer(self, Py_ssize_t i, unsigned int side, bint new) except? 0

cdef unsigned int _protocol(unsigned char proto) noexcept
