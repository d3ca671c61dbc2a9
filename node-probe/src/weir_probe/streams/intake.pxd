cimport cython

from weir_probe.streams.engine cimport FlowEngine
from weir_probe.wire.copying cimport copy_bytes

cdef unsigned char _FRESH, _FIRST, _GIVEN_UP
cdef Py_ssize_t _TURN_BYTES, _TURN_REACH, _CHUNK_BYTES, _SEGMENT_BYTES, _HEAD_BYTES
cdef unsigned int _FRESH_BYTES, _DISCARDED, _WORD, _TCP, _UDP, _FIN, _SYN, _RST
cdef int _RECORD_HEAD, _WINDOW_BITS, _RING_FULL, _FLOW_RATE, _NODE_RATE
cdef unsigned char _NOBODY


@cython.final
cdef class Intake:
    cdef readonly object ring
    cdef object heads
    cdef public unsigned long long mask
    cdef unsigned long long size, at
    cdef unsigned char[::1] bytes
    cdef unsigned int[::1] words
    cdef unsigned long long[:] tail
    cdef unsigned int[:] born, window, used, taken, turn_end
    cdef unsigned char[:] mode, spoke
    cdef unsigned int[:] flow_limit, node_limit
    cdef unsigned long long[:] node_window, node_used
    cdef unsigned long long[:, :] lost

    cpdef void publish(self) except *
    @cython.locals(
        index=cython.Py_ssize_t,
        born=cython.uint,
        left=cython.Py_ssize_t,
        length=cython.Py_ssize_t,
        seq=cython.uint,
        at=cython.Py_ssize_t,
        count=cython.Py_ssize_t,
        follows=cython.bint,
        told=cython.Py_ssize_t,
        flags=cython.uint,
        captured=cython.Py_ssize_t,
        place=cython.Py_ssize_t,
        word=cython.Py_ssize_t,
    )
    cpdef void take(self, FlowEngine engine, unsigned long long ts_ns) noexcept nogil
    @cython.locals(count=cython.Py_ssize_t, left=cython.uint)
    cdef Py_ssize_t _wanted(self, Py_ssize_t index, FlowEngine engine) noexcept nogil
    @cython.locals(window=cython.ulonglong)
    cdef bint _within_rate(self, Py_ssize_t index, unsigned long long ts_ns, Py_ssize_t count) noexcept nogil
    @cython.locals(size=cython.ulonglong, place=cython.ulonglong, rest=cython.ulonglong, skipped=cython.ulonglong)
    cdef Py_ssize_t _reserve(self, unsigned long long count) noexcept nogil
