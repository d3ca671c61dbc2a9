"""What a demo has made, written down before it is made, so that the next run can remove what a killed one left behind.

Processes are known by pid and start time: a pid that another program has got meanwhile is left alone.
"""

import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from weir_cli.exits import Exit, Failure

FOLDER: Final = Path("/run/weir/demo")
_END_S: Final = 3.0


@dataclass(slots=True)
class Leftovers:
    """Everything to remove; `save` after each addition and before it exists where its name is known."""

    #: pid → start time in clock ticks since boot (field 22 of /proc/PID/stat)
    processes: dict[int, int] = field(default_factory=dict)
    namespaces: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)

    def save(self) -> None:
        new = _record().with_suffix(".new")
        new.write_text(json.dumps(asdict(self)))
        new.replace(_record())

    def add_process(self, pid: int) -> None:
        started = _start_time(pid)
        if started is not None:
            self.processes[pid] = started
            self.save()

    def remove(self) -> None:
        """End the processes, delete the namespaces and folders, and forget them. What is gone already is no error."""
        _end_all(self.processes)
        for name in self.namespaces:
            if Path("/run/netns", name).exists():
                subprocess.run(["ip", "netns", "delete", name], check=False)
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)
        _record().unlink(missing_ok=True)


def load() -> Leftovers:
    """What is written down; nothing where there is no record. Raises Failure for a record that cannot be read."""
    try:
        raw = json.loads(_record().read_text())
        processes = {int(pid): int(started) for pid, started in raw["processes"].items()}
        return Leftovers(processes, [str(n) for n in raw["namespaces"]], [str(f) for f in raw["folders"]])
    except FileNotFoundError:
        return Leftovers()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Failure(f"{_record()}: not a record of a demo ({error}); delete it") from error


@contextmanager
def only_demo() -> Iterator[None]:
    """Hold the right to make the shop. Raises Failure when another demo has it, or the folder cannot be written."""
    try:
        FOLDER.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(FOLDER / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Failure(f"{FOLDER}: {error.strerror}; run as root", Exit.MISSING) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Failure("another `weir demo` is running on this machine; stop it first") from None
    try:
        yield
    finally:
        os.close(descriptor)


def _record() -> Path:
    return FOLDER / "made.json"


def _start_time(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(")")[2].split()[19])  # the program's name, in brackets, may hold spaces


def _end_all(processes: dict[int, int]) -> None:
    """SIGTERM, and SIGKILL for those that stay. A pidfd keeps meaning the process whose start time was checked."""
    waiting = []
    for pid, started in processes.items():
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        if _start_time(pid) == started:
            _send(descriptor, signal.SIGTERM)
            waiting.append(descriptor)
        else:
            os.close(descriptor)
    for sent, time_s in ((signal.SIGKILL, _END_S), (None, _END_S)):
        waiting = _still_running(waiting, time_s)
        for descriptor in waiting:
            if sent is not None:
                _send(descriptor, sent)
    for descriptor in waiting:
        os.close(descriptor)


def _still_running(descriptors: list[int], time_s: float) -> list[int]:
    """Wait until all have ended (a pidfd is readable then), and close those that have."""
    left = []
    for descriptor in descriptors:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if poll.poll(time_s * 1000):
            os.close(descriptor)
        else:
            left.append(descriptor)
    return left


def _send(descriptor: int, number: signal.Signals) -> None:
    try:
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return  # ended by itself
