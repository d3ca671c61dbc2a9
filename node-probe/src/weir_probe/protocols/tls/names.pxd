cdef dict _VERSIONS, _ALERTS, _CIPHERS

cpdef bytes version_name(unsigned int number)
cpdef bytes alert_name(unsigned int number)
cpdef bytes cipher_name(unsigned int number)
