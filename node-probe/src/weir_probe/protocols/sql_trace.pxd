cimport cython

from weir_probe.protocols cimport trace
from weir_probe.protocols.message cimport Message
from weir_probe.protocols.sql_summary cimport in_word
from weir_probe.wire.cursor cimport Cursor

cdef bint _in_key(unsigned int byte) noexcept
@cython.locals(name=cython.Py_ssize_t, value=cython.Py_ssize_t, kind=cython.int)
cpdef void read_comment(Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) noexcept
