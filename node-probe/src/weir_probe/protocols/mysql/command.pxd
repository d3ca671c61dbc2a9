cimport cython

from weir_probe.protocols cimport trace
from weir_probe.protocols.message cimport Message
from weir_probe.protocols.mysql.wire cimport behind, number
from weir_probe.protocols.strings cimport text_end
from weir_probe.wire.cursor cimport Cursor

cdef unsigned int _CONNECT_WITH_DB, _SECURE_CONNECTION, _PLUGIN_AUTH_LENENC
cdef int _RESOURCE, _ENDPOINT
cdef Py_ssize_t _MAX_NAME
cdef unsigned long long _MAX_ATTRIBUTES

@cython.locals(user_end=cython.Py_ssize_t, place=cython.Py_ssize_t, database=cython.Py_ssize_t, column=cython.int)
cpdef void read_login(
    Cursor cursor, Py_ssize_t at, Py_ssize_t end, unsigned int capabilities, Message message
) noexcept
@cython.locals(
    count=cython.ulonglong,
    nulls=cython.Py_ssize_t,
    values=cython.Py_ssize_t,
    value=cython.Py_ssize_t,
    name=cython.Py_ssize_t,
    index=cython.int,
    _=cython.int,
    kind=cython.uint,
    size=cython.Py_ssize_t,
    announced=cython.int,
    length=cython.Py_ssize_t,
)
cpdef Py_ssize_t behind_attributes(Cursor cursor, Py_ssize_t at, Py_ssize_t end, Message message) noexcept
cdef Py_ssize_t _length(Cursor cursor, Py_ssize_t at, unsigned int kind) noexcept
