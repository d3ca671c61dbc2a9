"""The bpf(2) system call: the few commands that capture needs, with errors that say what failed.

libbpf 1.1 (Debian 12) knows neither TCX links nor several of the structs' newer fields; the system call is stable ABI
(linux/bpf.h), so it is called directly. Every descriptor returned is close-on-exec and the caller's.
"""

import ctypes
import os
import platform
import struct
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

MAP_HASH: Final = 1
MAP_ARRAY: Final = 2
MAP_PERCPU_ARRAY: Final = 6
MAP_LRU_HASH: Final = 9
MAP_LPM_TRIE: Final = 11
MAP_RINGBUF: Final = 27
F_NO_PREALLOC: Final = 1 << 0
F_MMAPABLE: Final = 1 << 10
F_BEFORE: Final = 1 << 3  # attach before those that are there (Linux 6.6)

TCX_INGRESS: Final = 46
TCX_EGRESS: Final = 47

_MAP_CREATE, _MAP_LOOKUP, _MAP_UPDATE, _MAP_DELETE, _MAP_NEXT_KEY = 0, 1, 2, 3, 4
_PROG_LOAD = 5
_PROG_TEST_RUN, _OBJ_INFO, _PROG_QUERY, _LINK_CREATE, _ENABLE_STATS, _LINK_DETACH = 10, 15, 16, 28, 32, 34
_TRACEPOINT_OPEN, _ITER_CREATE = 17, 33
_TRACE_ITER: Final = 28

_NUMBER: Final = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "s390x": 351, "ppc64le": 361}
_ATTR_BYTES: Final = 144

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_ulong)
_libc.syscall.restype = ctypes.c_long


def _bpf(command: int, attr: bytes, what: str) -> tuple[int, bytes]:
    """Result and the attributes as the kernel left them. Raises OSError naming `what`."""
    number = _NUMBER.get(platform.machine())
    if number is None:
        raise OSError(38, f"bpf(2): no system call number known for {platform.machine()}")
    buffer = ctypes.create_string_buffer(attr, _ATTR_BYTES)
    result = _libc.syscall(number, command, ctypes.addressof(buffer), _ATTR_BYTES)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"bpf(2) {what}: {os.strerror(error)}")
    return result, buffer.raw


def _address(buffer: "ctypes.Array[ctypes.c_char]") -> int:
    return ctypes.addressof(buffer)


@cache
def possible_cpus() -> int:
    """How many values a per-CPU map entry has."""
    last = Path("/sys/devices/system/cpu/possible").read_text(encoding="ascii").strip().split(",")[-1]
    return int(last.split("-")[-1]) + 1


def map_create(name: str, kind: int, sizes: tuple[int, int], entries: int, flags: int) -> int:
    """`sizes`: bytes of a key and of a value."""
    attr = struct.pack("=IIIIIII16s", kind, *sizes, entries, flags, 0, 0, f"weir_{name}".encode("ascii")[:15])
    return _bpf(_MAP_CREATE, attr, f"map {name}")[0]


def map_lookup(fd: int, key: bytes, value_bytes: int) -> bytes | None:
    """The value, or None. Of a per-CPU map `value_bytes` counts all CPUs'."""
    keys = ctypes.create_string_buffer(key, len(key))
    value = ctypes.create_string_buffer(value_bytes)
    try:
        _bpf(_MAP_LOOKUP, struct.pack("=IIQQQ", fd, 0, _address(keys), _address(value), 0), "map lookup")
    except FileNotFoundError:
        return None
    return value.raw


def map_update(fd: int, key: bytes, value: bytes) -> None:
    keys = ctypes.create_string_buffer(key, len(key))
    values = ctypes.create_string_buffer(value, len(value))
    _bpf(_MAP_UPDATE, struct.pack("=IIQQQ", fd, 0, _address(keys), _address(values), 0), "map update")


def map_delete(fd: int, key: bytes) -> bool:
    """Whether there was such a key."""
    keys = ctypes.create_string_buffer(key, len(key))
    try:
        _bpf(_MAP_DELETE, struct.pack("=IIQQQ", fd, 0, _address(keys), 0, 0), "map delete")
    except FileNotFoundError:
        return False
    return True


def map_keys(fd: int, key_bytes: int, limit: int) -> list[bytes]:
    """Up to `limit` keys; entries that come and go meanwhile may be missed or repeated."""
    keys: list[bytes] = []
    current: bytes | None = None
    following = ctypes.create_string_buffer(key_bytes)
    while len(keys) < limit:
        before = ctypes.create_string_buffer(current, key_bytes) if current is not None else None
        attr = struct.pack("=IIQQ", fd, 0, _address(before) if before is not None else 0, _address(following))
        try:
            _bpf(_MAP_NEXT_KEY, attr, "map next key")
        except FileNotFoundError:
            break
        current = following.raw
        keys.append(current)
    return keys


class TestRun(NamedTuple):
    """Of BPF_PROG_TEST_RUN: what the program returned, and the mean time of a run."""

    returned: int
    duration_ns: int


def test_run(  # noqa: PLR0917
    prog_fd: int, frame: bytes, repeat: int = 1, ifindex: int = 0, ts_ns: int = 0, segments: int = 0
) -> TestRun:
    """Run a tc program on a frame, without sending it. What it sees of struct __sk_buff: `ifindex` (default: loopback),
    `ts_ns` as tstamp, `segments` as gso_segs."""
    data = ctypes.create_string_buffer(frame, len(frame))
    context = ctypes.create_string_buffer(192)
    struct.pack_into("=I", context, 40, ifindex)
    struct.pack_into("=QII", context, 152, ts_ns, 0, segments)
    attr = struct.pack(
        "=IIIIQQIIIIQQ",
        *(prog_fd, 0, len(frame), 0, _address(data), 0, repeat, 0),
        *((len(context), 0, _address(context), 0) if ifindex else (0, 0, 0, 0)),
    )
    after = _bpf(_PROG_TEST_RUN, attr, "test run")[1]
    return TestRun(struct.unpack_from("=i", after, 4)[0], struct.unpack_from("=I", after, 36)[0])


def _info(fd: int, length: int) -> bytes:
    info = ctypes.create_string_buffer(length)
    _bpf(_OBJ_INFO, struct.pack("=IIQ", fd, length, _address(info)), "object info")
    return info.raw


class ProgramInfo(NamedTuple):
    """Of struct bpf_prog_info."""

    id: int
    name: str
    run_time_ns: int
    run_count: int


def program_info(fd: int) -> ProgramInfo:
    info = _info(fd, 232)
    run_time_ns, run_count = struct.unpack_from("=QQ", info, 192)
    return ProgramInfo(struct.unpack_from("=I", info, 4)[0], info[64:80].rstrip(b"\0").decode(), run_time_ns, run_count)


class LinkInfo(NamedTuple):
    """Of struct bpf_link_info; `ifindex` is 0 once the interface is gone or the link detached."""

    id: int
    program_id: int
    ifindex: int


def tcx_link_info(fd: int) -> LinkInfo:
    info = _info(fd, 64)
    return LinkInfo(*struct.unpack_from("=II", info, 4), *struct.unpack_from("=I", info, 16))


def tcx_link_create(prog_fd: int, ifindex: int, attach_type: int) -> int:
    """Attach at the head of the interface's TCX programs (Linux 6.6), in the calling thread's network namespace.

    At the head, because a program that gives a verdict (a CNI's, say) ends the chain.
    """
    attr = struct.pack("=IIIIIIQ", prog_fd, ifindex, attach_type, F_BEFORE, 0, 0, 0)
    return _bpf(_LINK_CREATE, attr, f"TCX link on interface {ifindex}")[0]


def link_detach(fd: int) -> None:
    """Detach at once, even if other processes hold the link."""
    _bpf(_LINK_DETACH, struct.pack("=I", fd), "link detach")


def tcx_programs(ifindex: int, attach_type: int) -> list[int]:
    """Ids of the programs attached to an interface of the calling thread's network namespace."""
    ids = (ctypes.c_uint32 * 64)()
    attr = struct.pack("=IIIIQII", ifindex, attach_type, 0, 0, ctypes.addressof(ids), 64, 0)
    after = _bpf(_PROG_QUERY, attr, f"TCX query of interface {ifindex}")[1]
    return list(ids[: struct.unpack_from("=I", after, 24)[0]])


def enable_stats() -> int:
    """Programs are timed while the returned descriptor is open (Linux 5.8)."""
    return _bpf(_ENABLE_STATS, struct.pack("=I", 0), "enable run-time statistics")[0]


def program_load(kind: int, instructions: int, count: int, licence: int) -> int:
    """Load `count` instructions at an address as they are; for programs that need no loader."""
    return _bpf(_PROG_LOAD, struct.pack("=IIQQ", kind, count, instructions, licence), "program load")[0]


def tracepoint_attach(prog_fd: int) -> int:
    """Attach a tp_btf program to the tracepoint that it was loaded for; detached when the descriptor is closed."""
    return _bpf(_TRACEPOINT_OPEN, struct.pack("=QII", 0, prog_fd, 0), "tracepoint")[0]


def iterate(prog_fd: int) -> None:
    """Run a BPF iterator (Linux 5.8) over all that there is."""
    link = _bpf(_LINK_CREATE, struct.pack("=IIIIQ", prog_fd, 0, _TRACE_ITER, 0, 0), "iterator link")[0]
    try:
        with os.fdopen(_bpf(_ITER_CREATE, struct.pack("=II", link, 0), "iterator")[0], "rb") as iterator:
            while iterator.read(1 << 16):
                pass
    finally:
        os.close(link)
