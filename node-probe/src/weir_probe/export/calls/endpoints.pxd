cimport cython

from weir_probe.streams.hashing cimport KeyHash

cdef int _OTHER, _MAX_PER_WORKLOAD, _MAX_TEXT


@cython.final
cdef class Endpoints:
    cdef readonly object rows
    cdef readonly int used
    cdef int capacity
    cdef KeyHash key
    cdef unsigned char[::1] scratch
    cdef unsigned short[::1] held
    cdef unsigned long long[:] hash
    cdef unsigned int[:] workload
    cdef unsigned short[:] size, type_size
    cdef unsigned char[:, :] text
    cdef int[::1] index

    cpdef void _hold(self, rows, int used) except *
    @cython.locals(mask=cython.ulonglong, place=cython.ulonglong)
    cdef void _enter(self, int row) noexcept
    @cython.locals(
        hashed=cython.ulonglong,
        place=cython.int,
        word=cython.ulonglong,
        mask=cython.ulonglong,
        spot=cython.ulonglong,
        found=cython.int,
    )
    cpdef int find(
        self, unsigned int workload, unsigned char[:, :] texts, int row, int type_at, int type_size, int at, int size
    ) except -1
    @cython.locals(place=cython.int)
    cdef bint _same(self, int row, int size) noexcept
    @cython.locals(row=cython.int, place=cython.int)
    cdef int _append(self, unsigned int workload, unsigned long long hashed, int type_size, int size) except -1
