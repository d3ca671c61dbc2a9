cimport cython

cdef int _OWNER, _FINAL, _RESET_SENT, _RESET_RECEIVED, _RETRANSMITTED, _DROPPED, _KNOWN
cdef int _REASONS, _COMMAND
cdef unsigned int _NO_RTT


@cython.final
cdef class Signalled:
    cdef readonly object rows, used
    cdef unsigned char[:] fresh, touched, reset_by, reset_known, reset_state
    cdef unsigned long long[:, :] cgroup, acked, received
    cdef unsigned int[:, :] pid, srtt_us, min_rtt_us, retrans, lost, cwnd, dropped, drop_reason, retransmitted
    cdef unsigned int[:] reset_reason
    cdef unsigned char[:, :, :] command

    @cython.locals(
        slot="unsigned int[:]",
        kind="unsigned char[:]",
        sides="unsigned char[:]",
        state="unsigned char[:]",
        reason="unsigned int[:]",
        count="unsigned int[:]",
        cgroup="unsigned long long[:]",
        pid="unsigned int[:]",
        command="unsigned char[:, :]",
        acked="unsigned long long[:]",
        received="unsigned long long[:]",
        srtt_us="unsigned int[:]",
        min_rtt_us="unsigned int[:]",
        retrans="unsigned int[:]",
        lost="unsigned int[:]",
        cwnd="unsigned int[:]",
        at=cython.Py_ssize_t,
        i=cython.Py_ssize_t,
        side=cython.Py_ssize_t,
        byte=cython.Py_ssize_t,
    )
    cpdef void apply(self, signals) except *
    cpdef void forget(self, slots) except *
    @cython.locals(at=cython.Py_ssize_t)
    cdef void _drop(self, Py_ssize_t i, unsigned int reason, unsigned int packets) noexcept nogil
