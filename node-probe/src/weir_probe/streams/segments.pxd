cimport cython

from weir_probe.wire.cursor cimport Cursor


@cython.final
cdef class Segments:
    cdef readonly object tails, heads, intakes, payload
    cdef readonly unsigned long long size
    cdef unsigned long long[:] tail
    cdef const unsigned long long[:] head
    cdef unsigned long long[:, :] losses
    cdef readonly Cursor cursor

    cpdef unsigned long long lost(self) noexcept
