cimport cython

from weir_probe.protocols.message cimport Message
from weir_probe.protocols.parser cimport Parser
from weir_probe.streams.calls cimport CallBook
from weir_probe.streams.endpoints cimport Choice, Memory
from weir_probe.streams.half cimport Half
from weir_probe.streams.preamble cimport preamble
from weir_probe.wire.cursor cimport Cursor

cdef Py_ssize_t _NEED_MORE, _INVALID, _DETECT_LIMIT
cdef int _FROM_CLIENT, _FROM_SERVER, _MAX_TRIES, _MAX_ERRORS, _MAX_SWITCHES
cdef unsigned int _MASK, _BEHIND
cdef unsigned long long _QUIET_NS
cdef int _REQUEST, _UDP, _SLOT_HEAD, _PROTO_AT
cdef unsigned long long _PORTS


@cython.final
cdef class Conversation:
    cdef object owner
    cdef CallBook book
    cdef Message message
    cdef tuple protocols
    cdef public Choice choice
    cdef public Memory memory
    cdef readonly unsigned long long[4] addr
    cdef readonly unsigned short[2] port
    cdef readonly int proto, opener, slot, workload_side
    cdef readonly Half first, second
    cdef readonly Parser parser
    cdef readonly int protocol, turned, row, tries, errors, switches
    cdef public bint needs_all
    cdef bint by_id, waits_for_more, switched, takes_turns, quiet
    cdef int spoke
    cdef Py_ssize_t limit
    cdef public bint mute, over
    cdef readonly unsigned long long frames, missing, senseless
    cdef public unsigned long long last_ns, number
    cdef public int fins

    @cython.locals(word=cython.int)
    cdef void begin(
        self, unsigned long long[:, ::1] words, Py_ssize_t at, int opener, int workload_side, int index
    ) noexcept
    cpdef tuple endpoint(self, int side)
    @cython.locals(half=Half)
    cpdef void opens(self, int way, unsigned int seq) except *
    @cython.locals(half=Half, ahead=cython.uint, known=cython.uint)
    cpdef void segment(
        self,
        int way,
        Cursor cursor,
        Py_ssize_t at,
        Py_ssize_t captured,
        Py_ssize_t length,
        unsigned int seq,
        unsigned long long ts_ns,
    ) except *
    @cython.locals(half=Half, ahead=cython.uint)
    cpdef void acknowledged(self, int way, unsigned int ack) except *
    @cython.locals(half=Half, rest=cython.Py_ssize_t)
    cpdef void datagram(
        self, int way, Cursor cursor, Py_ssize_t at, Py_ssize_t captured, Py_ssize_t length, unsigned long long ts_ns
    ) except *
    cdef void _leave(self) noexcept
    cdef void _listen(self, int way, unsigned long long ts_ns) noexcept
    @cython.locals(way=cython.int, half=Half)
    cpdef void finish(self) except *
    @cython.locals(ahead=cython.uint, seen=cython.uint, seq=cython.uint)
    cdef void _release(self, int way, Half half, unsigned int known) except *
    cdef void _pass(self, int way, Half half, Py_ssize_t count) except *
    @cython.locals(missing=cython.Py_ssize_t, passed=cython.Py_ssize_t)
    cdef void _in_order(
        self,
        int way,
        Half half,
        Cursor cursor,
        Py_ssize_t at,
        Py_ssize_t captured,
        Py_ssize_t length,
        unsigned long long ts_ns,
    ) except *
    @cython.locals(end=cython.Py_ssize_t, rest=cython.Py_ssize_t, taken=cython.Py_ssize_t, passed=cython.Py_ssize_t)
    cdef void _consume(
        self, int way, Half half, Cursor cursor, Py_ssize_t at, Py_ssize_t count, unsigned long long ts_ns
    ) except *
    @cython.locals(passed=cython.Py_ssize_t)
    cdef void _missing(self, int way, Half half, Py_ssize_t count) except *
    @cython.locals(rest=cython.Py_ssize_t)
    cdef void _cut(self, int way, Half half) except *
    @cython.locals(side=cython.int)
    cdef void _lose(self, int way, Half half, Py_ssize_t count) except *
    @cython.locals(
        parser=Parser,
        side=cython.int,
        begun_ns=cython.ulonglong,
        place=cython.Py_ssize_t,
        size=cython.Py_ssize_t,
        there=cython.Py_ssize_t,
        enough=cython.Py_ssize_t,
        ident=cython.longlong,
        seq=cython.uint,
    )
    cdef Py_ssize_t _run(
        self,
        int way,
        Half half,
        Cursor cursor,
        Py_ssize_t at,
        Py_ssize_t end,
        unsigned long long first_ns,
        unsigned long long ts_ns,
    ) except -1
    @cython.locals(row=cython.int)
    cdef void _hint(self, unsigned long long ident) except *
    @cython.locals(half=Half)
    cdef void _stumble(self, int way, Half half) except *
    @cython.locals(half=Half)
    cdef void _doubt(self) except *
    cdef void _switch(self) except *
    @cython.locals(half=Half)
    cdef void _forget_protocol(self) except *
    @cython.locals(half=Half, rest=cython.Py_ssize_t)
    cdef void _look_back(self, int way) except *
    cdef void _tried(self, int count) except *
    cdef bint _detect(self, int way, Cursor cursor, Py_ssize_t at, Py_ssize_t end) except? -1
    @cython.locals(half=Half)
    cdef void _sift(self, int way) except *
    cdef bint _settle(self, int index, int turned) except? -1
