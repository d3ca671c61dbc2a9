cimport cython

cdef unsigned long long BYTES, _NEVER, _UNASKED
cdef Py_ssize_t _COUNTERS, _TIMES, _REASONS
cdef unsigned long long MOST_PACKETS
cdef unsigned long long MOST_BYTES

cdef class Recorder:
    cdef public unsigned long long logged
    cdef readonly Py_ssize_t written
    cdef unsigned long long now_ns, before_ns
    cdef readonly object interval_ns
    cdef readonly object records
    cdef object slots
    cdef unsigned long long[:] interval, due
    cdef unsigned long long[:] observations
    cdef unsigned long long[:] peer_observations
    cdef unsigned short[:] peer_iface
    cdef unsigned long long[:, :] recorded
    cdef unsigned long long[:] recorded_ns
    cdef unsigned int[:] sequence
    cdef unsigned long long[:] flow_id
    cdef unsigned int[:] row_slot
    cdef unsigned int[:] row_event
    cdef unsigned long long[:, :] row_delta
    cdef unsigned int[:] out_slot
    cdef unsigned int[:] out_sequence
    cdef unsigned int[:] out_ended
    cdef unsigned long long[:] out_flow_id
    cdef unsigned long long[:] out_observations
    cdef unsigned long long[:, :] out_traffic
    cdef unsigned int[:] out_timed_out
    cdef unsigned long long[:, :] out_counters, out_count, out_sum_ns, out_max_ns
    cdef unsigned long long[:, :] count, sum_ns, max_ns, recorded_counters, row_counters
    cdef unsigned int[:, :] out_dropped, out_drop_reason, out_retransmitted, dropped, drop_reason, retransmitted

    cpdef void begin(self, unsigned long long now_ns)

    @cython.locals(row=cython.Py_ssize_t, i=cython.Py_ssize_t, written=cython.Py_ssize_t, mask=cython.ulonglong,
                   a=cython.ulonglong, b=cython.ulonglong, ended=cython.bint, now_ns=cython.ulonglong, which=cython.Py_ssize_t,
                   what=cython.Py_ssize_t)
    cpdef void consume(self, Py_ssize_t first, Py_ssize_t end)

    @cython.locals(which=cython.Py_ssize_t, what=cython.Py_ssize_t)
    cdef void _begin(self, Py_ssize_t i)

    @cython.locals(shortest=cython.ulonglong, bit=cython.Py_ssize_t)
    cdef unsigned long long _interval(self, unsigned long long mask)

cdef bint _large(unsigned long long word) noexcept
