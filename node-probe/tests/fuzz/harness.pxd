cimport cython

from weir_probe.streams.call_engine cimport CallEngine
from weir_probe.streams.calls cimport CallBook
from weir_probe.streams.conversation cimport Conversation
from weir_probe.streams.half cimport Half
from weir_probe.wire.cursor cimport Cursor

cdef int KNOWN, SERVER_FIRST, DATAGRAMS, REVEALS
cdef int SERVER, LOST, CUT, PIECES, SILENCE, UNACKNOWLEDGED
cdef int TOLD, _CALLS
cdef unsigned int _MASK


@cython.final
cdef class Target:
    cdef object spec
    cdef tuple protocols
    cdef Py_ssize_t most_kept
    cdef dict engines, writers
    cdef unsigned long long inputs
    cdef Cursor cursor
    cdef unsigned long long[:, ::1] flows

    @cython.locals(
        options=cython.int,
        told=cython.int,
        flags=cython.int,
        said=bytes,
        piece=bytes,
        engine=CallEngine,
        reader=Conversation,
        half=Half,
        cursor=Cursor,
        datagrams=cython.bint,
        side=cython.int,
        seq=cython.uint[2],
        length=cython.Py_ssize_t,
        captured=cython.Py_ssize_t,
        now_ns=cython.ulonglong,
    )
    cpdef void play(self, bytes data) except *
    @cython.locals(book=CallBook)
    cpdef void _check(self, CallEngine engine) except *
