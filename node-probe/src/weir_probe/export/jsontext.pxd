cimport cython

@cython.locals(place=cython.Py_ssize_t)
cdef void _copied(
    unsigned char[::1] to, Py_ssize_t at, unsigned char[::1] source, Py_ssize_t start, Py_ssize_t count
) noexcept
@cython.locals(place=cython.Py_ssize_t)
cdef void _put_digits(
    unsigned char[::1] to, Py_ssize_t at, unsigned long long value, Py_ssize_t count
) noexcept

cdef unsigned long long _NS, _NEVER
cdef int _FIRST_ROOM, _QUOTE


cdef class JsonText:
    cdef unsigned char[::1] pool, out, day_and_time
    cdef Py_ssize_t pool_room, room, pooled, at, constant
    cdef long long[::1] piece_at
    cdef unsigned long long second

    @cython.locals(byte=cython.uchar)
    cdef void _enter(self, bytes words) except *
    cdef void _make_room(self, Py_ssize_t wanted) except *
    cdef void _byte(self, unsigned char byte) noexcept
    @cython.locals(at=cython.Py_ssize_t, count=cython.Py_ssize_t)
    cdef void _piece(self, int number) noexcept
    cdef void _copy(self, Py_ssize_t at, Py_ssize_t count) noexcept
    cdef void _member(self, int number, unsigned long long value) noexcept
    @cython.locals(count=cython.int, power=cython.ulonglong)
    cdef void _number(self, unsigned long long value) noexcept
    cdef void _digits(self, unsigned long long value, int count) noexcept
    @cython.locals(place=cython.int, digit=cython.uint)
    cdef void _hex(self, unsigned long long value, int count) noexcept
    @cython.locals(second=cython.ulonglong)
    cdef void _instant(self, unsigned long long ns) except *
    @cython.locals(place=cython.int)
    cdef void _calendar(self, unsigned long long second) except *
