cimport cython

from weir_probe.protocols.message cimport Message

cdef Py_ssize_t _MAX_STATEMENTS, _MAX_BYTES
cdef int _RESOURCE, _ENDPOINT


@cython.final
cdef class Prepared:
    cdef unsigned char[::1] text
    cdef Py_ssize_t room, verb, resource, endpoint
    cdef bint cut

    cpdef void keep(self, Message message, int verb) except *
    @cython.locals(first=cython.Py_ssize_t, place=cython.Py_ssize_t)
    cdef void _take(self, Message message, int column, Py_ssize_t at) noexcept
    cpdef Py_ssize_t size(self) noexcept
    @cython.locals(place=cython.Py_ssize_t)
    cpdef void tell(self, Message message) noexcept
    @cython.locals(place=cython.Py_ssize_t)
    cpdef void tell_verb(self, Message message, int column) noexcept


@cython.final
cdef class Statements:
    cdef dict kept
    cdef Py_ssize_t bytes

    cpdef void remember(self, unsigned long long key, Prepared statement) except *
    cpdef Prepared find(self, unsigned long long key)
    @cython.locals(statement=Prepared)
    cpdef void forget(self, unsigned long long key) except *
    cpdef void clear(self) noexcept
