cimport cython

from weir_probe.protocols.message cimport Message
from weir_probe.streams.calls cimport CallBook
from weir_probe.streams.conversation cimport Conversation
from weir_probe.streams.engine cimport FlowEngine
from weir_probe.streams.table cimport FlowTable
from weir_probe.wire.packet cimport Packet

cdef unsigned long long _SWEEP_NS, _CALL_TIMEOUT_NS, _IDLE_TIMEOUT_NS
cdef unsigned int _TCP, _UDP, _FIN, _SYN, _RST, _ACK


@cython.final
cdef class CallEngine:
    cdef readonly tuple protocols
    cdef readonly CallBook book
    cdef readonly Message message
    cdef readonly bint redacts
    cdef readonly list readers
    cdef list free
    cdef Py_ssize_t room
    cdef readonly unsigned long long unread
    cdef readonly dict known
    cdef dict orders
    cdef object on_done
    cdef int most_done
    cdef unsigned long long swept_ns
    cdef readonly unsigned long long now_ns

    @cython.locals(
        table=FlowTable,
        p=Packet,
        number=cython.Py_ssize_t,
        reader=Conversation,
        captured=cython.Py_ssize_t,
        way=cython.int,
        seq=cython.uint,
    )
    cpdef void take(self, FlowEngine engine, unsigned long long ts_ns) except *
    cdef Py_ssize_t _begin(self, FlowTable table, Py_ssize_t index) except -1
