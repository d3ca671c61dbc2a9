cimport cython

from weir_probe.wire.packet cimport Packet

cdef int _RANGES
cdef int _RTT_CLIENT, _RTT_SERVER, _SRT, _ART, _CIT
cdef unsigned int _FIN, _SYN, _RST, _PSH, _ACK, _KIND
cdef unsigned int _MASK, _HALF, _WINDOW
cdef unsigned long long _SRT_LIMIT, _ART_LIMIT, _RTT_LIMIT
cdef unsigned int _SENT_SYN, _SENT_SYNACK, _SPOKE, _SYN_FIRST, _ANSWERED, _IDLE, _AWAITS_ACK, _AWAITS_DATA
cdef unsigned int _PUSHED, _HELD, _RESPONDED, _SHOOK, _REQUEST
cdef int _NONE, _OPENS, _ANSWERS, _CHALLENGED, _ESTABLISHED, _QUEUE_LACK
cdef int _FINISH, _SERVER_RESET, _CLIENT_ESTABLISH_RST, _PORT_REUSE, _LACK, _CLIENT_RST

cdef bint _before(unsigned int one, unsigned int other) noexcept nogil


@cython.final
cdef class Performance:
    cdef unsigned long long[:, :] l3_bytes, l4_bytes, count, sum_ns, max_ns, last_ns
    cdef unsigned long long[:] rtt_ns, syn_ns, synack_ns, held_ns
    cdef unsigned int[:, :, :] range_low, range_high
    cdef unsigned int[:, :] last_seq, next_seq, initial_seq, retrans, retrans_opening, retrans_kind, ooo, zero_win
    cdef unsigned int[:] synack_ack, echo, syn, synack, fin, marks
    cdef unsigned char[:, :] ranges
    cdef unsigned char[:] opening, reset

    cpdef void use(self, rows) except *
    cdef void add_bytes(
        self, Py_ssize_t index, Py_ssize_t way, unsigned long long l3_bytes, unsigned long long l4_bytes
    ) noexcept nogil
    cdef void observe_udp(self, Py_ssize_t index, Py_ssize_t way, unsigned long long ts_ns) noexcept nogil
    cdef void observe_echo(self, Py_ssize_t index, Packet p, Py_ssize_t way, unsigned long long ts_ns) noexcept nogil
    @cython.locals(kind=cython.uint)
    cdef void observe_tcp(
        self, Py_ssize_t index, Packet p, Py_ssize_t way, bint both_fins, unsigned long long ts_ns
    ) noexcept nogil
    @cython.locals(took=cython.ulonglong)
    cdef void _time(
        self, Py_ssize_t index, int what, unsigned long long since_ns, unsigned long long ts_ns
    ) noexcept nogil
    @cython.locals(answer=cython.int, sent=cython.uint, known=cython.uint)
    cdef void _count_opening(self, Py_ssize_t index, Packet p, Py_ssize_t way) noexcept nogil
    cdef void _time_opening(
        self, Py_ssize_t index, Packet p, unsigned int kind, Py_ssize_t way, unsigned long long ts_ns
    ) noexcept nogil
    @cython.locals(marks=cython.uint)
    cdef void _time_synack(self, Py_ssize_t index, Packet p, unsigned long long ts_ns) noexcept nogil
    @cython.locals(marks=cython.uint)
    cdef void _time_client(
        self, Py_ssize_t index, Packet p, unsigned int kind, unsigned long long ts_ns
    ) noexcept nogil
    @cython.locals(marks=cython.uint, took=cython.ulonglong)
    cdef void _time_server(
        self, Py_ssize_t index, Packet p, unsigned int kind, unsigned long long ts_ns
    ) noexcept nogil
    @cython.locals(count=cython.int, end=cython.uint, top=cython.int, high=cython.uint)
    cdef void _count_data(
        self, Py_ssize_t index, Py_ssize_t way, unsigned int seq, unsigned int length
    ) noexcept nogil
    @cython.locals(at=cython.int, low=cython.uint)
    cdef bint _seen(self, Py_ssize_t index, Py_ssize_t way, unsigned int seq) noexcept nogil
    @cython.locals(at=cython.int, count=cython.int)
    cdef void _drop_lowest(self, Py_ssize_t index, Py_ssize_t way) noexcept nogil
    @cython.locals(at=cython.int, count=cython.int, first=cython.int, after=cython.int, seen=cython.uint)
    cdef void _cover(self, Py_ssize_t index, Py_ssize_t way, unsigned int seq, unsigned int end) noexcept nogil
    @cython.locals(state=cython.int)
    cdef void _follow(self, Py_ssize_t index, unsigned int kind, Py_ssize_t way, bint both_fins) noexcept nogil
    cdef int _reset_in(self, Py_ssize_t index, int state, Py_ssize_t way, bint both_fins) noexcept nogil
