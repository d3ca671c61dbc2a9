"""The first rung's loader: libbpf.so.1 through ctypes, on the objects that clang made in the build."""

import ctypes
import os
import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
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

_ENUM: Final = 6  # BTF_KIND_ENUM
_TYPE: Final = struct.Struct("=III")  # struct btf_type: name, kind and number of values, size
_ENUM_VALUE: Final = struct.Struct("=Ii")

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
        ("bpf_object__next_map", pointer, (pointer, pointer)),
        ("bpf_object__next_program", pointer, (pointer, pointer)),
        ("bpf_object__load", ctypes.c_int, (pointer,)),
        ("bpf_object__close", None, (pointer,)),
        ("bpf_map__fd", ctypes.c_int, (pointer,)),
        ("bpf_map__name", ctypes.c_char_p, (pointer,)),
        ("bpf_map__reuse_fd", ctypes.c_int, (pointer, ctypes.c_int)),
        ("bpf_map__set_autocreate", ctypes.c_int, (pointer, ctypes.c_bool)),
        ("bpf_map__initial_value", pointer, (pointer, ctypes.POINTER(ctypes.c_size_t))),
        ("bpf_program__fd", ctypes.c_int, (pointer,)),
        ("bpf_program__name", ctypes.c_char_p, (pointer,)),
        ("bpf_program__set_autoload", ctypes.c_int, (pointer, ctypes.c_bool)),
        ("btf__load_vmlinux_btf", pointer, ()),
        ("btf__find_by_name_kind", ctypes.c_int, (pointer, ctypes.c_char_p, ctypes.c_uint32)),
        ("btf__type_by_id", pointer, (pointer, ctypes.c_uint32)),
        ("btf__name_by_offset", ctypes.c_char_p, (pointer, ctypes.c_uint32)),
        ("btf__free", None, (pointer,)),
        ("libbpf_set_print", pointer, (_PRINT,)),
    ):
        function = getattr(lib, name)
        function.restype = result
        function.argtypes = arguments
    lib.libbpf_set_print(_callback)
    return lib


def load(
    maps: Mapping[str, int], constants: Constants, programs: Sequence[str], source: Path = OBJECT
) -> dict[str, int]:
    """Load `programs` of an object over existing `maps`: {program: descriptor}.

    Raises CaptureError with the kernel's word.
    """
    with _opened(source, constants) as (lib, opened):
        for name, fd in maps.items():
            found = lib.bpf_object__find_map_by_name(opened, name.encode())
            if found and lib.bpf_map__reuse_fd(found, fd):
                raise CaptureError(f"libbpf cannot use map {name}: {_complaint()}")
        loaded = _select(lib, opened, programs)
        _load(lib, opened, source)
        return {name: os.dup(lib.bpf_program__fd(program)) for name, program in loaded.items()}


def create_map(name: str, constants: Constants, source: Path) -> int:
    """A map of the kinds whose making takes the object's BTF, and so libbpf. Raises CaptureError."""
    with _opened(source, constants) as (lib, opened):
        _select(lib, opened, ())
        found, each = None, lib.bpf_object__next_map(opened, None)
        while each:
            if lib.bpf_map__name(each) == name.encode():
                found = each
            else:
                lib.bpf_map__set_autocreate(each, False)
            each = lib.bpf_object__next_map(opened, each)
        _load(lib, opened, source)
        return os.dup(lib.bpf_map__fd(found))


@contextmanager
def _opened(source: Path, constants: Constants) -> Iterator[tuple[Any, int]]:
    """libbpf, and its handle of the object with its read-only data set."""
    lib = _library()
    if not source.exists():
        raise CaptureError(f"{source.name} is not built: run setup.py build_ext where clang is installed")
    with _lock:
        _lines.clear()
        opened = lib.bpf_object__open_file(os.fsencode(source), None)
        if not opened:
            raise CaptureError(f"libbpf cannot open {source.name}: {_complaint()}")
        try:
            _set_rodata(lib, opened, constants, source)
            yield lib, opened
        finally:
            lib.bpf_object__close(opened)


def _load(lib: Any, opened: int, source: Path) -> None:
    result = lib.bpf_object__load(opened)
    if result:
        raise CaptureError(f"the kernel refuses {source.name}: {os.strerror(-result)}: {_complaint()}")


def _complaint() -> str:
    """What libbpf said; of the verifier's log its end, which is the verdict."""
    return " / ".join(_lines)[-2 * _LOG_CHARS :] or "no reason given"


def _set_rodata(lib: Any, opened: int, constants: Constants, source: Path) -> None:
    size = ctypes.c_size_t()
    rodata = lib.bpf_object__find_map_by_name(opened, b".rodata")
    memory = lib.bpf_map__initial_value(rodata, ctypes.byref(size)) if rodata else None
    packed = constants.pack()
    if not memory or size.value != len(packed):
        raise CaptureError(f"{source.name} and this probe differ in struct weir_constants: build both together")
    ctypes.memmove(memory, packed, len(packed))


def _select(lib: Any, opened: int, programs: Collection[str]) -> dict[str, int]:
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


def enum_names(name: str) -> dict[int, str]:
    """The names of an enumeration of the running kernel, by value; none where its BTF has none."""
    lib = _library()
    with _lock:
        btf = lib.btf__load_vmlinux_btf()
        if not btf:
            return {}
        try:
            found = lib.btf__find_by_name_kind(btf, name.encode(), _ENUM)
            if found < 0:
                return {}
            at = lib.btf__type_by_id(btf, found)
            count = _TYPE.unpack(ctypes.string_at(at, _TYPE.size))[1] & 0xFFFF
            values = ctypes.string_at(at + _TYPE.size, count * _ENUM_VALUE.size)
            return {
                value: lib.btf__name_by_offset(btf, offset).decode()
                for offset, value in _ENUM_VALUE.iter_unpack(values)
            }
        finally:
            lib.btf__free(btf)
