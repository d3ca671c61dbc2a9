cimport cython

from weir_probe.export.calls.endpoints cimport Endpoints
from weir_probe.export.rowindex cimport RowIndex
from weir_probe.export.series cimport SeriesTable

cdef int _BUCKETS, _BEFORE, _REPORTED, _TRACE_ID
cdef unsigned long long _OVERFLOW, _OTHER, _SERVER


@cython.final
cdef class CallSeries:
    cdef readonly object rows, overflowed
    cdef readonly Py_ssize_t used
    cdef readonly Endpoints endpoints
    cdef SeriesTable flows
    cdef Py_ssize_t capacity
    cdef unsigned long long[:] overflow, reported
    cdef unsigned long long[:] whose, what, request_bytes, response_bytes, sum_ns, exemplar_ns, exemplar_at
    cdef unsigned long long[:, :] requests, buckets
    cdef unsigned char[:] trace_size
    cdef unsigned char[:, :] trace_id
    cdef RowIndex index

    @cython.locals(whose=cython.ulonglong, what=cython.ulonglong, at=cython.Py_ssize_t)
    cpdef Py_ssize_t add(
        self,
        unsigned long long bit,
        unsigned int role,
        unsigned long long protocol,
        unsigned long long local,
        unsigned long long peer,
        unsigned long long endpoint,
        int status,
        unsigned long long request_bytes,
        unsigned long long response_bytes,
    ) except -1
    @cython.locals(whose=cython.ulonglong, what=cython.ulonglong, at=cython.Py_ssize_t)
    cdef Py_ssize_t _beyond(self, unsigned long long bit, unsigned long long protocol) except -1
    @cython.locals(low=cython.int, high=cython.int, middle=cython.int)
    cpdef int bucket(self, unsigned long long took_ns) noexcept
    cpdef void time(self, Py_ssize_t at, int bucket, unsigned long long took_ns) noexcept
    @cython.locals(place=cython.int)
    cdef void exemplify(
        self,
        Py_ssize_t at,
        unsigned long long took_ns,
        unsigned long long at_ns,
        unsigned char[:, :] texts,
        int row,
        int start,
        int size,
    ) noexcept
    @cython.locals(row=cython.Py_ssize_t)
    cdef Py_ssize_t _append(self, unsigned long long whose, unsigned long long what) except -1
