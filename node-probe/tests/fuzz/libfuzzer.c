// libFuzzer around harness.py: Python is embedded, the instrumented modules find libFuzzer's symbols in this program.
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>

static PyObject *target;

static void fail(void)
{
	PyErr_Print();
	abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	PyObject *harness;

	Py_InitializeEx(0); // signals are libFuzzer's
	harness = PyImport_ImportModule("fuzz.harness");
	if (!harness)
		fail();
	target = PyObject_CallMethod(harness, "target", "s", getenv("WEIR_FUZZ"));
	if (!target)
		fail();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	PyObject *input = PyBytes_FromStringAndSize((const char *)data, (Py_ssize_t)size);
	PyObject *nothing = input ? PyObject_CallOneArg(target, input) : NULL;

	if (!nothing)
		fail();
	Py_DECREF(nothing);
	Py_DECREF(input);
	return 0;
}
