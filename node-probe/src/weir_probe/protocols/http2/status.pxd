cimport cython

cdef int _OK, _CLIENT_ERROR, _SERVER_ERROR, _UNKNOWN_STATUS
cdef unsigned int _BLAMING, _SERVERS, _MAX_GRPC, _GRPC_UNKNOWN
cdef bytes _OF_ERROR

cpdef int of_http(unsigned int code) noexcept
cpdef int of_grpc(unsigned int code) noexcept
@cython.locals(blames=cython.bint)
cpdef int of_reset(unsigned int error, int way) noexcept
cpdef unsigned int grpc_of_reset(unsigned int error) noexcept
cpdef unsigned int grpc_of_http(unsigned int code) noexcept
