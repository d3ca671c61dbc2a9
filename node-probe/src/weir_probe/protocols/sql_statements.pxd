cimport cython

from weir_probe.protocols.message cimport Message

cdef Py_ssize_t _MAX_STATEMENTS, _MAX_BYTES
cdef int _RESOURCE, _ENDPOINT

cpdef Prepared prepared(Message message, int verb)


@cython.final
cdef class Prepared:
    cdef readonly bytes verb, resource, endpoint
    cdef readonly bint cut

    cpdef void tell(self, Message message) noexcept


@cython.final
cdef class Statements:
    cdef dict kept
    cdef Py_ssize_t size

    cpdef void remember(self, unsigned long long key, Prepared statement) except *
    cpdef Prepared find(self, unsigned long long key)
    @cython.locals(statement=Prepared)
    cpdef void forget(self, unsigned long long key) except *
    cpdef void clear(self) noexcept
