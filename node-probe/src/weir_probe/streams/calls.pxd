cimport cython

from weir_probe.protocols.message cimport Message
from weir_probe.wire.copying cimport copy_bytes
from weir_probe.wire.prefetching cimport Prefetch

cdef int _FREE, _WAITS, _ANSWERED, _DONE, _HELD, _OPEN, _CLOSED, _NONE
cdef int _BOOK_FULL, _TOO_MANY, _NO_REQUEST, _OUT_OF_STEP
cdef int _COLUMNS, _TEXT
cdef Py_ssize_t _CALL_SIZE, _TEXT_AT
cdef int _NOTHING, _REQUEST, _REQUEST_AGAIN, _REQUEST_MORE, _RESPONSE, _ONE_WAY
cdef int _REFUSED, _ATTRIBUTES
cdef int _UNKNOWN, _OK, _TIMEOUT
cdef unsigned int _MAX_IN_FLIGHT


@cython.final
cdef class CallBook:
    cdef readonly object calls, conversations, losses, done
    cdef unsigned long long[:] lost
    cdef int[::1] finished, free_calls, free_conversations
    cdef readonly int count, calls_left, conversations_left, reached
    cdef unsigned long long[:] request_ns, response_ns, id, hint, request_bytes, response_bytes
    cdef int[:] conversation, older, newer, code, slot, oldest, newest
    cdef unsigned long long[:, :, :] addr
    cdef unsigned short[:, :] port
    cdef unsigned long long[:] observations, peer_observations
    cdef unsigned short[:] used
    cdef unsigned short[:, :] start, length
    cdef unsigned char[:] protocol, variant, status, has_code, state, cut
    cdef unsigned char[:, :] text
    cdef unsigned char[::1] bytes
    cdef Prefetch soon
    cdef unsigned int[:] seq, in_flight, unread
    cdef unsigned char[:] proto, workload, open, by_id, out_of_step, pipelines

    @cython.locals(row=cython.int)
    cpdef int begin(self, int proto, bint by_id, int slot=?, int workload=?) noexcept
    cpdef void between(
        self, int conversation, int side, unsigned long long first, unsigned long long second, unsigned short port
    ) noexcept
    @cython.locals(row=cython.int)
    cpdef void switch(self, int conversation, bint by_id) noexcept
    cpdef void end(self, int conversation) noexcept
    cdef void _forget(self, int conversation) noexcept
    cpdef void abandon(self, int conversation) noexcept
    cpdef void step_out(self, int conversation) noexcept
    cpdef void step_in(self, int conversation, bint takes_turns, bint quiet) noexcept
    cpdef bint is_alone(self, int conversation) noexcept
    cpdef int hints(self, int conversation, unsigned long long ident) noexcept
    @cython.locals(row=cython.int)
    cpdef void take(
        self,
        int conversation,
        Message message,
        int protocol,
        int way,
        unsigned long long ts_ns,
        unsigned long long size,
        unsigned int seq=*,
    ) noexcept
    @cython.locals(conversation=cython.int)
    cpdef void expire(self, unsigned long long before_ns) noexcept
    @cython.locals(row=cython.int, newer=cython.int, late=cython.bint)
    cdef void _expire(self, int conversation, unsigned long long before_ns) noexcept
    cpdef void hold(self, int row) noexcept
    @cython.locals(place=cython.int, row=cython.int, conversation=cython.int, held=cython.int)
    cpdef void release(self) noexcept
    @cython.locals(row=cython.int, older=cython.int, column=cython.int)
    cdef void _open(
        self,
        int conversation,
        Message message,
        int protocol,
        int way,
        unsigned long long ts_ns,
        unsigned long long size,
        unsigned int seq,
    ) noexcept
    @cython.locals(row=cython.int, newer=cython.int)
    cdef int _row_of(self, int conversation, Message message) noexcept
    @cython.locals(row=cython.int)
    cdef int _find(self, int conversation, unsigned long long ident, unsigned long long hint) noexcept
    @cython.locals(row=cython.int, older=cython.int)
    cdef void _refuse(self, int conversation, Message message) noexcept
    cdef void _answer(self, int row, Message message, unsigned long long ts_ns) noexcept
    @cython.locals(column=cython.int, count=cython.int, before=cython.int, first=cython.int, at=cython.Py_ssize_t)
    cdef void _write(self, int row, Message message) noexcept
    @cython.locals(conversation=cython.int, older=cython.int, newer=cython.int)
    cdef void _finish(self, int row) noexcept
