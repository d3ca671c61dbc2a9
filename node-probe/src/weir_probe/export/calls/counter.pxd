cimport cython

from weir_probe.export.calls.series cimport CallSeries
from weir_probe.export.peers cimport Peers
from weir_probe.streams.calls cimport CallBook

cdef int _AHEAD
cdef unsigned int _UNKNOWN, _INDEX
cdef int _CLIENT_ERROR, _SERVER_ERROR, _TIMEOUT
cdef int _TYPE, _DOMAIN, _RESOURCE, _ENDPOINT, _TRACE
cdef unsigned long long _ALL, _WORD, _GAMMA, _FIRST_MIX, _SECOND_MIX

cdef unsigned long long _mixed(unsigned long long word) noexcept


@cython.final
cdef class CallCounter:
    cdef readonly CallSeries series
    cdef Peers peers
    cdef public bint patient
    cdef readonly Py_ssize_t waiting, counted
    cdef readonly object totals, slow_ns, kept, included, rows, masks, all_rows, all_masks
    cdef public unsigned long long with_metrics, logged, failed_or_slow
    cdef unsigned long long[:] counted_by, calls, errors, slow, share, wanted_by, log_mask, mask
    cdef unsigned long long[:, :] latencies
    cdef int[:] log_row, row, slot
    cdef unsigned short[:] iface, peer_iface
    cdef unsigned int[:, :] identity
    cdef unsigned char[:] set_of
    cdef unsigned long long[:, :, :] addr
    cdef unsigned long long[:] observations, peer_observations
    cdef unsigned char[:] workload

    @cython.locals(
        logged=cython.Py_ssize_t,
        place=cython.Py_ssize_t,
        row=cython.int,
        conversation=cython.int,
        slot=cython.int,
        iface=cython.uint,
        peer_iface=cython.uint,
        wanted=cython.ulonglong,
        mask=cython.ulonglong,
        peer_mask=cython.ulonglong,
        workload=cython.int,
        side=cython.int,
        peer=cython.uint,
        other=cython.uint,
        elsewhere=cython.ulonglong,
        took_ns=cython.ulonglong,
        bucket=cython.int,
        status=cython.int,
        failed=cython.bint,
        local=cython.uint,
        at_ns=cython.ulonglong,
        asked=cython.ulonglong,
    )
    cdef Py_ssize_t _consume(self, CallBook book, long long wall_offset_ns) except -1
    @cython.locals(bit=cython.int)
    cdef void _total(self, unsigned long long mask, bint failed, int bucket) noexcept
    @cython.locals(local=cython.uint, endpoint=cython.int, protocol=cython.ulonglong, traced=cython.int, bit=cython.int, at=cython.Py_ssize_t)
    cdef void _spread(
        self,
        unsigned long long mask,
        int role,
        unsigned int interface,
        unsigned int workload,
        unsigned int peer,
        CallBook book,
        int row,
        unsigned long long took_ns,
        int bucket,
        unsigned long long at_ns,
    ) except *
    @cython.locals(kept=cython.ulonglong, single=cython.ulonglong, bit=cython.int, slow=cython.bint)
    cdef unsigned long long _kept(
        self, unsigned long long mask, bint failed, bint answered, unsigned long long took_ns, unsigned long long drawn
    ) noexcept
    @cython.locals(hashed=cython.ulonglong)
    cdef unsigned long long _drawn(self, CallBook book, int row) noexcept
    @cython.locals(place=cython.int)
    cdef unsigned long long _digest(
        self, unsigned long long hashed, CallBook book, int row, int column
    ) noexcept
