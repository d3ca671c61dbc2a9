cimport cython
from posix.unistd cimport usleep

from weir_probe.wire.cursor cimport Cursor
from weir_probe.wire.prefetching cimport Prefetch


@cython.final
cdef class Segments:
    cdef readonly object tails, heads, intakes, payload
    cdef readonly unsigned long long size
    cdef unsigned long long[:] tail
    cdef const unsigned long long[:] head
    cdef unsigned long long[:, :] losses
    cdef readonly Cursor cursor
    cdef Prefetch soon

    cpdef unsigned long long lost(self) noexcept
    @cython.locals(_=cython.int)
    cpdef void wait(self, unsigned int interval_us, int most) noexcept
