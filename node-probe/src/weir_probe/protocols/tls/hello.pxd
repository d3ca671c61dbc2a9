cimport cython

from weir_probe.wire.copying cimport copy_bytes
from weir_probe.wire.cursor cimport Cursor

cdef Py_ssize_t _ROOM, _MAX_FINGERPRINTS
cdef unsigned char[::1] _lists
cdef Cursor _listed
cdef dict _fingerprints
cdef unsigned int _TLS_1_3, _RETRY_FIRST, _RETRY_LAST
cdef unsigned int _SERVER_NAME, _SIGNATURES, _ALPN, _PRE_SHARED_KEY, _VERSIONS


@cython.final
cdef class Hello:
    cdef public unsigned int version, cipher
    cdef public bint retries, resumes
    cdef public Py_ssize_t name, name_length, alpn, alpn_length
    cdef Py_ssize_t ciphers, ciphers_length, kinds_length, signatures, signatures_length
    cdef public bytes fingerprint

    @cython.locals(
        place=cython.Py_ssize_t,
        stop=cython.Py_ssize_t,
        kind=cython.uint,
        length=cython.Py_ssize_t,
    )
    cpdef bint read_client(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end, bint whole) except? -1
    @cython.locals(place=cython.Py_ssize_t, stop=cython.Py_ssize_t, kind=cython.uint, length=cython.Py_ssize_t)
    cpdef bint read_server(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
    @cython.locals(length=cython.Py_ssize_t)
    cdef void _server_name(self, Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
    cdef void _protocols(self, Cursor cursor, Py_ssize_t at, Py_ssize_t length) noexcept
    @cython.locals(highest=cython.uint, version=cython.uint, place=cython.Py_ssize_t)
    cdef void _highest(self, Cursor cursor, Py_ssize_t at, Py_ssize_t length) noexcept

    @cython.locals(
        first=cython.Py_ssize_t, used=cython.Py_ssize_t, behind=cython.Py_ssize_t, told=bytes, known=bytes
    )
    cdef bytes _told_by(self, Cursor cursor)
