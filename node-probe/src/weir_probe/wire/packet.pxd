cimport cython

from weir_probe.wire.cursor cimport Cursor

cdef int _NON_IP, _MALFORMED, _IP
cdef int _WHOLE, _FIRST, _LATER
cdef int _NULL, _LOOP, _ETHERNET, _SLL, _SLL2, _LINK_IPV4, _LINK_IPV6
cdef unsigned long long _ICMP, _TCP, _UDP, _DCCP, _ICMPV6, _SCTP, _UDPLITE, _FRAGMENT, _AH
cdef unsigned int _TYPE_IPV4, _TYPE_IPV6
cdef int _MAX_TAGS, _MAX_EXTENSIONS
cdef unsigned int _SYN_ACK
cdef unsigned int _FRELAY, _RADIOTAP, _NETLINK
cdef unsigned long long _V4_MAPPED

cdef bint has_ports(unsigned long long protocol) noexcept nogil
cdef bint _is_extension(unsigned long long protocol) noexcept nogil
cdef bint _is_tag(unsigned int ethertype) noexcept nogil


@cython.final
cdef class Packet:
    cdef public unsigned long long src0, src1, dst0, dst1
    cdef public unsigned int src_port, dst_port
    cdef public unsigned long long protocol
    cdef public unsigned int tcp_flags
    cdef public bint answers
    cdef public int fragment
    cdef public unsigned int fragment_id, fragment_protocol
    cdef Py_ssize_t network
    cdef public unsigned long long l3_bytes, l4_bytes
    cdef public bint complete
    cdef public unsigned int seq, ack, window, payload
    cdef public Py_ssize_t payload_at
    cdef public unsigned int gso_size

    cpdef unsigned int segments(self) noexcept nogil

    @cython.locals(ethertype=cython.uint)
    cpdef int parse(self, Cursor cursor, Py_ssize_t start, Py_ssize_t length, int link) noexcept nogil
    @cython.locals(family=cython.uint)
    cdef unsigned int _link(self, Cursor cursor, Py_ssize_t start, int link) noexcept nogil
    @cython.locals(hardware=cython.uint, ethertype=cython.uint)
    cdef unsigned int _cooked(self, Cursor cursor, Py_ssize_t start, int link) noexcept nogil
    @cython.locals(ethertype=cython.uint, _=cython.int)
    cdef unsigned int _tags(self, Cursor cursor, Py_ssize_t at) noexcept nogil
    @cython.locals(first=cython.uint, place=cython.uint, header=cython.Py_ssize_t, total=cython.Py_ssize_t, end=cython.Py_ssize_t, word=cython.ulonglong)
    cdef int _ipv4(self, Cursor cursor, Py_ssize_t at, Py_ssize_t frame_end) noexcept nogil
    @cython.locals(payload=cython.Py_ssize_t, end=cython.Py_ssize_t, extension=cython.ulonglong, place=cython.uint, _=cython.int)
    cdef int _ipv6(self, Cursor cursor, Py_ssize_t at, Py_ssize_t frame_end) noexcept nogil
    cdef void _later(self, unsigned long long size) noexcept nogil
    cdef void _echo(self, Cursor cursor, Py_ssize_t at, Py_ssize_t room, unsigned int request) noexcept nogil
    @cython.locals(room=cython.Py_ssize_t)
    cdef void _transport(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept nogil
