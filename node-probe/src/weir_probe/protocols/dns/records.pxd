cimport cython

from weir_probe.protocols.dns.names cimport add_name, name_end
from weir_probe.protocols.message cimport Message
from weir_probe.wire.cursor cimport Cursor

cdef unsigned int _A, _NS, _CNAME, _SOA, _PTR, _MX, _TXT, _AAAA, _SRV, _DNAME, _SVCB, _HTTPS
cdef Py_ssize_t _MAX_TEXT
cdef tuple _TYPES

cpdef void add_type(unsigned int number, Message message) except *
@cython.locals(size=cython.Py_ssize_t)
cpdef void add_record(
    Cursor cursor,
    unsigned int kind,
    unsigned int ttl,
    Py_ssize_t at,
    Py_ssize_t behind,
    Py_ssize_t base,
    Py_ssize_t end,
    Message message,
) except *
@cython.locals(place=cython.Py_ssize_t)
cpdef long long serial(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
@cython.locals(number=cython.int)
cdef void _add_numbers(Cursor cursor, Py_ssize_t at, int count, Message message) noexcept
@cython.locals(place=cython.int)
cdef void _add_ipv4(Cursor cursor, Py_ssize_t at, Message message) noexcept
@cython.locals(longest=cython.int, run=cython.int, gap=cython.int, group=cython.int)
cdef void _add_ipv6(Cursor cursor, Py_ssize_t at, Message message) noexcept
@cython.locals(shift=cython.int, digit=cython.uint)
cdef void _add_hex(unsigned int number, Message message) noexcept
@cython.locals(left=cython.Py_ssize_t, length=cython.Py_ssize_t)
cdef void _add_strings(Cursor cursor, Py_ssize_t at, Py_ssize_t behind, Message message) noexcept
