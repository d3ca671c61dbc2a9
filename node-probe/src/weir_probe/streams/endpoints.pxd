cimport cython

cdef int _UNKNOWN, _MAX_MERGED, _MAX_FAILURES, _TCP
cdef unsigned long long _GIVE_UP_NS, _MAX_GIVE_UP_NS


@cython.final
cdef class Choice:
    cdef readonly tuple order
    cdef readonly int fixed, port


@cython.final
cdef class Merged:
    cdef object included
    cdef dict ports, choices


@cython.final
cdef class Memory:
    cdef readonly int protocol, failures
    cdef readonly unsigned long long until_ns
    cdef readonly bint needs_all

    cdef bint speaks(self, int protocol) noexcept


@cython.final
cdef class Endpoints:
    cdef object protocols
    cdef Py_ssize_t size
    cdef readonly dict known, sought
    cdef dict merged
    cdef short[::1] tcp_hints, udp_hints
    cdef unsigned char[::1] of_others

    @cython.locals(memory=Memory)
    cpdef void spoke(self, tuple endpoint, int protocol) except *
    @cython.locals(memory=Memory, times=cython.int)
    cpdef void failed(self, tuple endpoint, unsigned long long now_ns) except *
    cpdef Memory find(self, tuple endpoint)
    @cython.locals(
        merged=Merged,
        ports=dict,
        spoken=cython.int,
        hints="short[::1]",
        hinted=cython.int,
        server=cython.ulonglong,
        client=cython.ulonglong,
        key=cython.ulonglong,
        choice=Choice,
    )
    cpdef Choice choose(
        self, int proto, int server_port, int client_port, Memory memory, unsigned long long observations
    )
    @cython.locals(memory=Memory)
    cdef Memory _recall(self, tuple endpoint)
