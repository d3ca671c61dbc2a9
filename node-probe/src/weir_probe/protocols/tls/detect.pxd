cimport cython

from weir_probe.wire.cursor cimport Cursor

@cython.locals(length=cython.Py_ssize_t, records=cython.int)
cpdef int detect(Cursor cursor, Py_ssize_t at, Py_ssize_t end) except? -3
