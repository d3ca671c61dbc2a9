cimport cython

from weir_probe.wire.cursor cimport Cursor

cdef unsigned int _MAX_MESSAGE

cpdef bint is_kind(unsigned int kind, int way) noexcept
@cython.locals(size=cython.uint)
cpdef Py_ssize_t size_of(Cursor cursor, Py_ssize_t at, int way) noexcept
@cython.locals(key=cython.ulonglong, place=cython.Py_ssize_t)
cpdef unsigned long long key_of(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
@cython.locals(size=cython.Py_ssize_t, _=cython.int)
cpdef bint chains(Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way) noexcept
