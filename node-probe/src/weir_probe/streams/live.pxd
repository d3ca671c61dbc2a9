cimport cython

from weir_probe.streams.call_engine cimport CallEngine
from weir_probe.streams.calls cimport CallBook
from weir_probe.streams.conversation cimport Conversation
from weir_probe.streams.segments cimport Segments
from weir_probe.wire.cursor cimport Cursor

cdef unsigned int _BUSY, _DISCARDED, _LENGTH, _WORD
cdef int _RECORD_HEAD, _BATCH
cdef unsigned char _FRESH, _FIRST, _EVERY, _GIVEN_UP, _LIVE
cdef int _NS, _SLOT, _BORN, _SEQ, _ACK, _SIZE, _CAPTURED, _WAY, _FLAGS, _HEAD_BYTES


@cython.final
cdef class LiveCalls:
    cdef readonly object slots, numbers
    cdef readonly Segments ring
    cdef readonly CallEngine engine
    cdef readonly CallBook book
    cdef unsigned long long count
    cdef unsigned long long[:, ::1] words
    cdef unsigned long long[:] first_ns, observations, peer_observations
    cdef unsigned char[:] state, opener, workload_side, mode
    cdef unsigned long long[:] number
    cdef readonly unsigned long long stale, heard
    cdef readonly unsigned long long mask
    cdef int full, unread
    cdef readonly bint crowded
    cdef bint loses
    cdef unsigned long long lost_before
    cdef object on_crowded, given_up, stopping, thread
    cdef readonly object lock
    cdef unsigned long long expired_ns

    @cython.locals(
        ring=Segments,
        cursor=Cursor,
        at=cython.ulonglong,
        following=cython.ulonglong,
        head=cython.ulonglong,
        place=cython.Py_ssize_t,
        word=cython.uint,
        count=cython.int,
        lost=cython.ulonglong,
    )
    cpdef int drain(self, int most) except -1
    @cython.locals(
        cursor=Cursor,
        engine=CallEngine,
        reader=Conversation,
        ts_ns=cython.ulonglong,
        slot=cython.uint,
        way=cython.int,
        seq=cython.uint,
        ack=cython.uint,
        length=cython.Py_ssize_t,
        captured=cython.Py_ssize_t,
        flags=cython.uint,
        wants=cython.uchar,
        missing=cython.ulonglong,
        beyond=cython.bint,
        wanted=cython.ulonglong,
    )
    cdef void hear(self, Py_ssize_t at) except *
    cpdef void leave_alone(self, unsigned int slot, unsigned long long number) except *
    cdef unsigned char mode_for(self, Conversation reader) noexcept
    @cython.locals(reader=Conversation)
    cpdef void forget(self, unsigned int slot) except *
