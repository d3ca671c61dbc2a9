cimport cython

from weir_probe.streams.measures cimport Measures
from weir_probe.streams.samples cimport Samples
from weir_probe.wire.packet cimport Packet

cdef int _RTT_CLIENT, _RTT_SERVER, _SRT, _ART, _CIT, _RTT
cdef unsigned int _FIN, _SYN, _RST, _PSH, _ACK, _KIND
cdef unsigned int _MASK, _HALF, _WINDOW
cdef unsigned long long _SRT_LIMIT, _ART_LIMIT, _RTT_LIMIT
cdef unsigned int _SENT_SYN, _SENT_SYNACK, _SPOKE, _SENT_DATA, _HOLES, _SYN_FIRST, _ANSWERED, _IDLE, _AWAITS_ACK, _AWAITS_DATA
cdef unsigned int _PUSHED, _HELD, _RESPONDED, _SHOOK, _REQUEST
cdef int _NONE, _OPENS, _ANSWERS, _CHALLENGED, _ESTABLISHED, _QUEUE_LACK
cdef int _FINISH, _SERVER_RESET, _CLIENT_ESTABLISH_RST, _PORT_REUSE, _LACK, _CLIENT_RST
cdef int _SYN_MISS, _ACK_MISS, _CLIENT_HALF_CLOSE, _SERVER_HALF_CLOSE, _TIMEOUT

cpdef int close_type(
    unsigned int opening, unsigned int reset, unsigned int client_flags, unsigned int server_flags, bint timed_out
) noexcept
cdef bint _before(unsigned int one, unsigned int other) noexcept nogil


@cython.final
cdef class Performance:
    cdef readonly Measures measures
    cdef readonly bint streams
    cdef readonly Samples samples
    cdef unsigned long long[:, :] last_ns
    cdef unsigned long long[:] syn_ns, synack_ns, held_ns
    cdef unsigned int[:, :, :] retrans_opening
    cdef unsigned int[:, :] high, low, next_seq, initial_seq, retrans, zero_win
    cdef unsigned int[:] last_seq, awaited, syn, synack, fin, merged, marks
    cdef unsigned char[:] opening, reset

    cpdef void use(self, slots) except *
    cdef void begin(self, Py_ssize_t index) noexcept nogil
    cdef void observe_udp(self, Py_ssize_t index, Py_ssize_t way, unsigned long long ts_ns) noexcept nogil
    cdef void observe_echo(self, Py_ssize_t index, Packet p, Py_ssize_t way, unsigned long long ts_ns) noexcept nogil
    @cython.locals(kind=cython.uint)
    cdef void observe_tcp(
        self, Py_ssize_t index, Packet p, Py_ssize_t way, bint both_fins, unsigned long long ts_ns
    ) noexcept nogil
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
    @cython.locals(seq=cython.uint, end=cython.uint, high=cython.uint, low=cython.uint, holes=cython.uint)
    cdef void _count_data(self, Py_ssize_t index, Packet p, Py_ssize_t way) noexcept nogil
    @cython.locals(state=cython.int)
    cdef void _follow(self, Py_ssize_t index, unsigned int kind, Py_ssize_t way, bint both_fins) noexcept nogil
    cdef int _reset_in(self, Py_ssize_t index, int state, Py_ssize_t way, bint both_fins) noexcept nogil
