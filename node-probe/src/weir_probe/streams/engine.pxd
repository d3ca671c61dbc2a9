cimport cython

from weir_probe.streams.fragments cimport FragmentTable
from weir_probe.streams.ports cimport PortMasks
from weir_probe.streams.prefixes cimport PrefixMasks
from weir_probe.streams.table cimport FlowTable
from weir_probe.wire.cursor cimport Cursor
from weir_probe.wire.packet cimport Packet

cdef unsigned long long _FRAGMENT_TIME_NS, _LIVE, _BYTES_MASK, _ONE_PACKET, _HALF_FULL
cdef int _BYTES_BITS
cdef Py_ssize_t _HEAD
cdef Py_ssize_t _NON_IP, _NOT_SELECTED, _DUPLICATE, _MALFORMED, _TABLE_FULL, _FRAGMENTS_FULL
cdef int _PACKET_NON_IP, _PACKET_MALFORMED, _WHOLE, _FIRST, _LATER
cdef unsigned int _TCP, _UDP, _FIN, _SYN, _ACK


@cython.final
cdef class FlowEngine:
    cdef readonly FlowTable table
    cdef readonly FragmentTable fragments
    cdef readonly PortMasks port_masks
    cdef readonly PrefixMasks peer_masks
    cdef Cursor cursor
    cdef Packet packet, orphan
    cdef readonly Py_ssize_t carried
    cdef readonly int way
    cdef bint selects
    cdef readonly object ifaces, outcomes
    cdef unsigned short[:] iface_id
    cdef unsigned char[:] iface_pod_side, iface_raw_ip
    cdef unsigned int[:] iface_generation
    cdef unsigned long long[:] opened_in, opened_out, by_port, by_peer
    cdef unsigned long long[:, ::1] tally
    cdef readonly unsigned long long frames, bytes
    cdef public long long clock_shift_ns

    cpdef void bind(self, buffer) except *
    @cython.locals(word=cython.ulonglong, kind=cython.int)
    cpdef void frame(
        self,
        Py_ssize_t start,
        Py_ssize_t captured,
        unsigned long long length,
        unsigned long long ts_ns,
        Py_ssize_t iface,
        bint outgoing,
        int link,
    ) noexcept nogil
    @cython.locals(entry=cython.Py_ssize_t)
    cpdef void expire_fragments(self, unsigned long long now_ns) noexcept nogil
    @cython.locals(entry=cython.Py_ssize_t)
    cpdef void flush_fragments(self) noexcept nogil
    cdef void _tell(self, Py_ssize_t outcome, unsigned long long word) noexcept nogil
    @cython.locals(
        protocol=cython.ulonglong,
        ident=cython.ulonglong,
        entry=cython.Py_ssize_t,
        first_ns=cython.ulonglong,
        last_ns=cython.ulonglong,
        serial=cython.ulonglong,
    )
    cdef void _fragment(
        self, Packet p, unsigned long long word, unsigned long long ts_ns, Py_ssize_t iface, bint outgoing
    ) noexcept nogil
    @cython.locals(oldest=cython.Py_ssize_t, entry=cython.Py_ssize_t)
    cdef Py_ssize_t _remember(
        self, Packet p, unsigned long long ident, unsigned long long ts_ns, Py_ssize_t iface, bint outgoing
    ) noexcept nogil
    @cython.locals(word=cython.ulonglong)
    cdef void _release(self, Py_ssize_t entry) noexcept nogil
    @cython.locals( ports=cython.ulonglong, key=cython.ulonglong, sender=cython.Py_ssize_t, index=cython.Py_ssize_t, late=cython.bint
    )
    cdef void _account(
        self,
        Packet p,
        unsigned long long word,
        unsigned long long first_ns,
        unsigned long long last_ns,
        unsigned long long serial,
        Py_ssize_t iface,
        bint outgoing,
    ) noexcept nogil
    @cython.locals(
        opener=cython.Py_ssize_t,
        side=cython.Py_ssize_t,
        mask=cython.ulonglong,
        generation=cython.uint,
        iface_id=cython.ulonglong,
        index=cython.Py_ssize_t,
        low=cython.Py_ssize_t,
    )
    cdef void _insert(
        self,
        Packet p,
        unsigned long long key,
        Py_ssize_t sender,
        unsigned long long word,
        unsigned long long first_ns,
        unsigned long long last_ns,
        unsigned long long serial,
        Py_ssize_t iface,
        bint outgoing,
    ) noexcept nogil
    @cython.locals(link=cython.ulonglong)
    cdef unsigned long long _headers(self, Packet p, unsigned long long word) noexcept nogil
    @cython.locals(way=cython.Py_ssize_t, fins=cython.uint)
    cdef void _measure(
        self, Py_ssize_t index, Packet p, Py_ssize_t sender, unsigned long long ts_ns
    ) noexcept nogil
    @cython.locals(
        iface_id=cython.ushort,
        generation=cython.uint,
        counted_by=cython.ushort,
        other=cython.ushort,
        side=cython.Py_ssize_t,
        opener=cython.Py_ssize_t,
        flags=cython.uint,
        mask=cython.ulonglong,
    )
    cdef bint _counts_here(
        self,
        Py_ssize_t index,
        Packet p,
        unsigned long long key,
        Py_ssize_t sender,
        unsigned long long word,
        Py_ssize_t iface,
        bint outgoing,
    ) noexcept nogil
    cdef Py_ssize_t _workload_side(self, Py_ssize_t sender, Py_ssize_t iface, bint outgoing) noexcept nogil
    @cython.locals(
        mask=cython.ulonglong,
        by_port=cython.ulonglong,
        by_peer=cython.ulonglong,
        protocol=cython.uint,
        low=cython.uint,
        high=cython.uint,
        named=cython.ulonglong,
    )
    cdef unsigned long long _select(
        self, Packet p, Py_ssize_t iface, unsigned long long key, Py_ssize_t opener, Py_ssize_t side, Py_ssize_t sender,
        unsigned int flags
    ) noexcept nogil
    cdef void _carry(self, Py_ssize_t index, Packet p, int sender) noexcept nogil
