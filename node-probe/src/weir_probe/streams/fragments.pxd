cimport cython

from weir_probe.streams.hashing cimport KeyHash

@cython.final
cdef class FragmentTable:
    cdef readonly Py_ssize_t size
    cdef KeyHash hash
    cdef int[::1] heads
    cdef unsigned long long mask
    cdef readonly object entries
    cdef unsigned long long[:, :] key
    cdef unsigned long long[:] pending, l3_bytes, l4_bytes, first_ns, last_ns, serial
    cdef int[:] iface, next
    cdef unsigned int[:] bucket
    cdef unsigned short[:] src_port, dst_port
    cdef unsigned char[:] protocol, known, outgoing, used
    cdef Py_ssize_t tail
    cdef readonly Py_ssize_t count

    @cython.locals(entry=cython.Py_ssize_t)
    cdef Py_ssize_t find(
        self,
        unsigned long long src0,
        unsigned long long src1,
        unsigned long long dst0,
        unsigned long long dst1,
        unsigned long long ident,
    ) noexcept nogil
    @cython.locals(entry=cython.Py_ssize_t, bucket=cython.Py_ssize_t)
    cdef Py_ssize_t add(
        self,
        unsigned long long src0,
        unsigned long long src1,
        unsigned long long dst0,
        unsigned long long dst1,
        unsigned long long ident,
        unsigned long long ts_ns,
    ) noexcept nogil
    @cython.locals(at=cython.Py_ssize_t, bucket=cython.Py_ssize_t)
    cdef void remove(self, Py_ssize_t entry) noexcept nogil
    cdef Py_ssize_t oldest(self) noexcept nogil
