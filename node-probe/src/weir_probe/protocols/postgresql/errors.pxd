cimport cython

from weir_probe.protocols.message cimport Message
from weir_probe.protocols.sql_errors cimport put_error, status_of_sqlstate
from weir_probe.protocols.strings cimport text_end
from weir_probe.wire.cursor cimport Cursor

cdef int _CODE

@cython.locals(fatal=cython.bint, code=cython.Py_ssize_t, field=cython.uint, stop=cython.Py_ssize_t)
cpdef bint read_error(Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message, bint redacts) noexcept
@cython.locals(first=cython.uint, second=cython.uint)
cdef bint _quotes_values(Cursor cursor, Py_ssize_t at) noexcept
