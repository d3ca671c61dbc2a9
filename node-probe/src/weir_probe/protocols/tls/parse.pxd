cimport cython

from weir_probe.protocols.message cimport Message
from weir_probe.protocols.parser cimport Parser
from weir_probe.protocols.tls.hello cimport Hello
from weir_probe.protocols.tls.names cimport alert_name, cipher_name, version_name
from weir_probe.wire.cursor cimport Cursor

cdef Py_ssize_t _LARGEST, _MAX_MESSAGE, _NEED_MORE, _INVALID, _MAX_ALPN, _PADDING
cdef int _NOTHING, _REQUEST, _REQUEST_MORE, _RESPONSE
cdef int _TYPE, _DOMAIN, _RESOURCE, _EXCEPTION, _ATTRIBUTES
cdef int _OK, _CLIENT_ERROR, _SERVER_ERROR
cdef unsigned int _CHANGE_CIPHER_SPEC, _ALERT, _HANDSHAKE, _DATA, _CLIENT_HELLO, _SERVER_HELLO, _CERTIFICATE, _HELLO_DONE, _FATAL
cdef unsigned int _TLS_1_3, _CCM_8
cdef int _INTERNAL_ERROR, _USER_CANCELED


@cython.final
cdef class Side:
    cdef bytes begun
    cdef bint deaf, changed_cipher, finished


cdef class Tls(Parser):
    cdef Side client, server
    cdef Hello hello
    cdef Cursor cursor
    cdef bint opened, server_spoke, full
    cdef unsigned int version

    @cython.locals(kind=cython.uint, size=cython.Py_ssize_t, side=Side)
    cpdef Py_ssize_t frame(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way) except? -2
    @cython.locals(kind=cython.uint, length=cython.Py_ssize_t, side=Side)
    cpdef bint parse(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way, Message message) except? -1
    @cython.locals(behind=cython.Py_ssize_t)
    cpdef Py_ssize_t resync(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way) except? -2
    @cython.locals(side=Side)
    cpdef void lost(self, int way) except *
    @cython.locals(size=cython.Py_ssize_t)
    cdef bint _handshake(
        self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, bint whole, int way, Side side, Message message
    ) except? -1
    @cython.locals(kind=cython.uint, size=cython.Py_ssize_t)
    cdef bint _message(
        self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, int way, bint whole, Message message
    ) except? -1
    @cython.locals(at=cython.Py_ssize_t, stop=cython.Py_ssize_t, length=cython.Py_ssize_t)
    cdef void _alpn(self, Cursor cursor, Message message) noexcept
    cdef void _attribute(self, bytes name, bytes value, Message message) noexcept
    cdef bint _is_alert(self, Py_ssize_t length) noexcept
    cdef void _established(self, Message message) except *
    @cython.locals(own=cython.bint)
    cdef void _failed(self, int way, int alert, Message message) except *
    cdef void _end(self, Message message, int status) except *
