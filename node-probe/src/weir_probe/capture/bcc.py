"""The second rung's loader: BCC compiles the same program on the node, in a child that passes descriptors back."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from weir_probe.capture.model import CaptureError, Constants

SOURCE: Final = Path(__file__).parent.parent / "bpf" / "flow.bpf.c"
CHILD: Final = Path(__file__).parent / "bcc_child.py"
INTERPRETER: Final = "/usr/bin/python3"  # BCC's module is built for the system's Python
TIMEOUT_S: Final = 60
_FD_BYTES: Final = 4
_MESSAGE_BYTES: Final = 65_536
_COMPLAINT_CHARS: Final = 2000


def load(maps: Mapping[str, int], constants: Constants, programs: Sequence[str]) -> dict[str, int]:
    """Compile and load `programs` over existing `maps`: {program: descriptor}. Raises CaptureError saying why not."""
    if not Path(INTERPRETER).exists():
        raise CaptureError(f"{INTERPRETER} is missing: BCC needs the system's Python and the package python3-bpfcc")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        # -I: its own folder is not on the path, or this module would stand in for BCC's
        command = [INTERPRETER, "-I", str(CHILD), str(theirs.fileno()), str(SOURCE)]
        command += [*_flags(maps, constants), "--", *programs]
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=(theirs.fileno(), *maps.values()),
            env={"PATH": os.defpath, **_kernel_sources()},
        )
        theirs.close()
        try:
            _, complaint = child.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            raise CaptureError(f"BCC did not end within {TIMEOUT_S} s") from None
        ours.setblocking(False)
        return _receive(ours, programs, complaint.decode(errors="replace"))


def _flags(maps: Mapping[str, int], constants: Constants) -> list[str]:
    keys = ",".join(f"{key:#x}" for key in constants.hash_key)
    values = ",".join(f"{number}ull" for number in constants.numbers)
    return [
        "-DWEIR_BCC",
        f"-I{SOURCE.parent}",
        f"-DWEIR_CONSTANTS={values},{{{keys}}}",
        *(f"-DWEIR_FD_{name}={fd}" for name, fd in maps.items()),
    ]


def _kernel_sources() -> dict[str, str]:
    """Where BCC looks for kernel headers, if the environment says so."""
    return {name: os.environ[name] for name in ("BCC_KERNEL_SOURCE", "BCC_LINUX_VERSION_CODE") if name in os.environ}


def _receive(channel: socket.socket, programs: Sequence[str], complaint: str) -> dict[str, int]:
    try:
        # socket.recv_fds of Python 3.11 ignores its flags, and children would inherit what it receives
        room = socket.CMSG_SPACE(len(programs) * _FD_BYTES)
        message, ancillary, _, _ = channel.recvmsg(_MESSAGE_BYTES, room, socket.MSG_CMSG_CLOEXEC)
    except BlockingIOError:
        message, ancillary = b"", []
    fds = [
        int.from_bytes(data[at : at + _FD_BYTES], sys.byteorder)
        for level, kind, data in ancillary
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        for at in range(0, len(data) - _FD_BYTES + 1, _FD_BYTES)
    ]
    answer = json.loads(message or b"{}")
    if answer.get("programs") == list(programs) and len(fds) == len(programs):
        return dict(zip(programs, fds, strict=True))
    for fd in fds:
        os.close(fd)
    reason = " / ".join([answer.get("error", "BCC ended without an answer"), *complaint.strip().splitlines()])
    raise CaptureError(f"BCC: {reason[:_COMPLAINT_CHARS]}")
