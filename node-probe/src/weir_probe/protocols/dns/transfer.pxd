cimport cython


@cython.final
cdef class Transfer:
    cdef readonly long id
    cdef bint incremental
    cdef long long serial, records
    cdef int closings

    cpdef void begin(self, long ident, bint incremental) noexcept
    cpdef void saw(self, long long serial) noexcept
    @cython.locals(ends=cython.bint)
    cpdef bint message_ends(self) noexcept
