cimport cython

from weir_probe.protocols.message cimport Message
from weir_probe.protocols.strings cimport text_end
from weir_probe.wire.cursor cimport Cursor

cdef int _TYPE, _RESULT, _ATTRIBUTES
cdef Py_ssize_t _MAX_TAG


@cython.final
cdef class Tally:
    cdef public unsigned long long rows
    cdef public bint returns
    cdef unsigned long long affected, tags
    cdef bint affects

    cpdef void begin(self) noexcept
    @cython.locals(
        stop=cython.Py_ssize_t,
        words=cython.Py_ssize_t,
        number=cython.Py_ssize_t,
        count=cython.ulonglong,
        place=cython.Py_ssize_t,
    )
    cpdef void tag(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) noexcept
    cpdef void tell(self, Message message) noexcept
