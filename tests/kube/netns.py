"""Work inside another network namespace without leaving this process's own."""

import ctypes
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from kube.patience import patience

CLONE_NEWNET = 0x40000000

T = TypeVar("T")
_libc = ctypes.CDLL(None, use_errno=True)


def call_in(pid: int, function: Callable[[], T]) -> T:
    """Call a function in the network namespace of process `pid`; sockets it opens stay in that namespace.

    setns(2) moves one thread, so a thread of its own enters the namespace and ends there.
    """

    def enter_and_call() -> T:
        fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if _libc.setns(fd, CLONE_NEWNET) != 0:
                error = ctypes.get_errno()
                raise OSError(error, f"enter the network namespace of process {pid}: {os.strerror(error)}")
        finally:
            os.close(fd)
        return function()

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="netns") as thread:
        return thread.submit(enter_and_call).result()


def wait_for_own_namespace(pid: int, timeout_s: float = 10.0) -> None:
    """Wait until a process that was started by `unshare --net` has left our network namespace.

    Raises ProcessLookupError when the process ended instead, TimeoutError when it still shares ours.
    """
    ours = Path("/proc/thread-self/ns/net").readlink()
    began = time.monotonic()
    while True:
        try:
            if Path(f"/proc/{pid}/ns/net").readlink() != ours:
                return
        except FileNotFoundError:
            raise ProcessLookupError(f"process {pid} ended before it had a network namespace of its own") from None
        if time.monotonic() > began + patience(timeout_s):
            raise TimeoutError(f"process {pid} has no network namespace of its own after {timeout_s:g} s")
        threading.Event().wait(0.001)


def set_sysctl(name: str, value: int) -> None:
    """Set e.g. `net.ipv4.ip_forward` in the calling thread's network namespace (/proc/sys/net is the reader's)."""
    Path("/proc/sys", *name.split(".")).write_text(str(value))
