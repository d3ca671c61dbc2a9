from weir_probe.wire.cursor cimport Cursor

cpdef Py_ssize_t text_end(Cursor cursor, Py_ssize_t at, Py_ssize_t end) noexcept
