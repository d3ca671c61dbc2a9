"""The first rung's loader: libbpf.so.1 through ctypes, on the object that clang made in the build."""

import ctypes
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, Final

from weir_probe.capture.model import CaptureError, Constants

OBJECT: Final = Path(__file__).parent.parent / "bpf" / "flow.bpf.o"
_PRINT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
_WARN: Final = 0
_LOG_CHARS: Final = 1500
_VERIFIER_LOG: Final = 1 << 24

_lock = Lock()  # the print callback is the process's
_lines: list[str] = []


def _print(level: int, template: bytes, arguments: int) -> int:
    if level == _WARN:
        text = ctypes.create_string_buffer(_VERIFIER_LOG if b"LOG" in template else _LOG_CHARS)
        ctypes.CDLL(None).vsnprintf(text, len(text), template, ctypes.c_void_p(arguments))
        _lines.append(text.value.decode(errors="replace").strip()[-_LOG_CHARS:])  # the verdict is at the end
    return 0


_callback = _PRINT(_print)  # kept: libbpf holds no reference


@cache
def _library() -> Any:
    try:
        lib = ctypes.CDLL("libbpf.so.1", use_errno=True)
    except OSError as error:
        raise CaptureError(f"libbpf.so.1: {error}; install the package libbpf1") from None
    pointer = ctypes.c_void_p
    for name, result, arguments in (
        ("bpf_object__open_file", pointer, (ctypes.c_char_p, pointer)),
        ("bpf_object__find_map_by_name", pointer, (pointer, ctypes.c_char_p)),
        ("bpf_object__find_program_by_name", pointer, (pointer, ctypes.c_char_p)),
        ("bpf_object__next_program", pointer, (pointer, pointer)),
        ("bpf_object__load", ctypes.c_int, (pointer,)),
        ("bpf_object__close", None, (pointer,)),
        ("bpf_map__reuse_fd", ctypes.c_int, (pointer, ctypes.c_int)),
        ("bpf_map__initial_value", pointer, (pointer, ctypes.POINTER(ctypes.c_size_t))),
        ("bpf_program__fd", ctypes.c_int, (pointer,)),
        ("bpf_program__name", ctypes.c_char_p, (pointer,)),
        ("bpf_program__set_autoload", ctypes.c_int, (pointer, ctypes.c_bool)),
        ("libbpf_set_print", pointer, (_PRINT,)),
    ):
        function = getattr(lib, name)
        function.restype = result
        function.argtypes = arguments
    lib.libbpf_set_print(_callback)
    return lib


def load(maps: Mapping[str, int], constants: Constants, programs: Sequence[str]) -> dict[str, int]:
    """Load `programs` of flow.bpf.o over existing `maps`: {program: descriptor}.

    Raises CaptureError with the kernel's word.
    """
    lib = _library()
    if not OBJECT.exists():
        raise CaptureError(f"{OBJECT.name} is not built: run setup.py build_ext where clang is installed")
    with _lock:
        _lines.clear()
        opened = lib.bpf_object__open_file(os.fsencode(OBJECT), None)
        if not opened:
            raise CaptureError(f"libbpf cannot open {OBJECT.name}: {_complaint()}")
        try:
            _set_rodata(lib, opened, constants)
            for name, fd in maps.items():
                found = lib.bpf_object__find_map_by_name(opened, name.encode())
                if found and lib.bpf_map__reuse_fd(found, fd):
                    raise CaptureError(f"libbpf cannot use map {name}: {_complaint()}")
            loaded = _select(lib, opened, programs)
            result = lib.bpf_object__load(opened)
            if result:
                raise CaptureError(f"the kernel refuses flow.bpf.o: {os.strerror(-result)}: {_complaint()}")
            return {name: os.dup(lib.bpf_program__fd(program)) for name, program in loaded.items()}
        finally:
            lib.bpf_object__close(opened)


def _complaint() -> str:
    """What libbpf said; of the verifier's log its end, which is the verdict."""
    return " / ".join(_lines)[-2 * _LOG_CHARS :] or "no reason given"


def _set_rodata(lib: Any, opened: int, constants: Constants) -> None:
    size = ctypes.c_size_t()
    rodata = lib.bpf_object__find_map_by_name(opened, b".rodata")
    memory = lib.bpf_map__initial_value(rodata, ctypes.byref(size)) if rodata else None
    packed = constants.pack()
    if not memory or size.value != len(packed):
        raise CaptureError(f"{OBJECT.name} and this probe differ in struct weir_constants: build both together")
    ctypes.memmove(memory, packed, len(packed))


def _select(lib: Any, opened: int, programs: Sequence[str]) -> dict[str, int]:
    """Mark only `programs` for loading; {name: libbpf's handle}."""
    selected: dict[str, int] = {}
    program = lib.bpf_object__next_program(opened, None)
    while program:
        name = lib.bpf_program__name(program).decode()
        if name in programs:
            selected[name] = program
        else:
            lib.bpf_program__set_autoload(program, False)
        program = lib.bpf_object__next_program(opened, program)
    return selected
