cimport cython

from weir_probe.protocols.message cimport Message
from weir_probe.streams.calls cimport CallBook
from weir_probe.streams.conversation cimport Conversation
from weir_probe.streams.endpoints cimport Endpoints, Memory
from weir_probe.streams.engine cimport FlowEngine
from weir_probe.streams.table cimport FlowTable
from weir_probe.wire.cursor cimport Cursor
from weir_probe.wire.packet cimport Packet

cdef unsigned long long _RETRY_NS, _SWEEP_NS, _CALL_TIMEOUT_NS, _IDLE_TIMEOUT_NS
cdef unsigned long long _PLACE
cdef int _PLACE_BITS
cdef unsigned int _TCP, _UDP, _FIN, _SYN, _RST, _ACK


@cython.final
cdef class CallEngine:
    cdef readonly tuple protocols
    cdef readonly CallBook book
    cdef readonly Message message
    cdef readonly bint redacts
    cdef readonly list readers
    cdef list free
    cdef unsigned long long begun
    cdef Py_ssize_t room
    cdef readonly unsigned long long unread
    cdef readonly Endpoints endpoints
    cdef object on_done
    cdef readonly int most_done
    cdef unsigned long long swept_ns
    cdef public unsigned long long now_ns

    @cython.locals(
        table=FlowTable,
        p=Packet,
        reader=Conversation,
        at=cython.Py_ssize_t,
        captured=cython.Py_ssize_t,
        seq=cython.uint,
    )
    cpdef void take(self, FlowEngine engine, unsigned long long ts_ns) except *
    cdef void hear(
        self,
        Conversation reader,
        int way,
        unsigned int tcp_flags,
        unsigned int seq,
        unsigned int ack,
        Cursor cursor,
        Py_ssize_t at,
        Py_ssize_t captured,
        Py_ssize_t length,
        unsigned long long ts_ns,
    ) except *
    @cython.locals(reader=Conversation)
    cdef Conversation reader(self, unsigned long long number)
    @cython.locals(place=cython.Py_ssize_t, reader=Conversation, memory=Memory)
    cpdef Conversation begin(
        self,
        unsigned long long[:, ::1] words,
        Py_ssize_t at,
        int opener,
        int workload_side,
        int index=?,
        unsigned long long observations=?,
    )
    @cython.locals(client=cython.int, row=cython.int, side=cython.int, of_flow=cython.int, memory=Memory)
    cpdef int enrol(self, Conversation reader, int protocol) except? -2
    cpdef void end(self, Conversation reader) except *
    @cython.locals(reader=Conversation)
    cpdef void sweep(self) except *
