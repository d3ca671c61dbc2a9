"""Records as JSON lines in rotated files: FILE is the newest, FILE.1 the one before it, and so on."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np

from weir_probe.export.sink import Block, WriteError

MAX_BYTES: Final = 64 << 20
FILES: Final = 5
#: The least `max_bytes`: any line fits (64 observations of 317 characters, escaped six-fold at worst).
LEAST_BYTES: Final = 128 << 10
_CHUNK: Final = 256 << 10  # of whole lines, written at once
_LINE_END: Final = ord("\n")
_MODE: Final = 0o640  # who talks to whom is nobody else's business


class JsonLines:
    """A sink. Files hold whole lines only, at most `max_bytes` each and `files` of them.

    A write that fails (disk full, permission lost, folder gone) loses the rest of its block; the next block opens the
    file anew. Written means handed to the kernel: there is no fsync.
    """

    def __init__(self, path: str | Path, max_bytes: int = MAX_BYTES, files: int = FILES) -> None:
        """ValueError: a setting cannot work, now or ever. Whatever may pass, such as a full disk, is no error here."""
        self._path = Path(path)
        self._max_bytes = max_bytes
        self._files = files
        self._fd = -1
        self._size = 0
        if max_bytes < LEAST_BYTES:
            raise ValueError(f"max_bytes: {max_bytes} is less than {LEAST_BYTES}, which the longest record may need")
        if files < 1:
            raise ValueError(f"files: {files} is not at least 1")
        if not self._path.parent.is_dir():
            raise ValueError(f"path: {self._path.parent} is no folder; make it first")
        if self._path.exists() and not self._path.is_file():
            raise ValueError(f"path: {self._path} is not a regular file, so it cannot be rotated")

    def write(self, block: Block) -> None:
        """Append the records of a block. Raises WriteError."""
        done = 0
        chunk = bytearray()
        try:
            self._ready()
            for some in block.lines():
                rotate = self._size + len(chunk) + len(some) > self._max_bytes
                if rotate or len(chunk) >= _CHUNK:
                    done += self._append(chunk)
                    chunk = bytearray()
                if rotate:
                    self._rotate()
                chunk += some
            done += self._append(chunk)
        except _TornError as torn:
            self._close_file()
            raise WriteError(f"{self._path}: {torn.__cause__}", len(block) - done - torn.kept) from torn
        except OSError as error:
            self._close_file()
            raise WriteError(f"{self._path}: {error}", len(block) - done) from error

    def close(self) -> None:
        """Close the file."""
        self._close_file()

    def _ready(self) -> None:
        """Have the file open that `path` names now: it may have been moved or removed, with its folder perhaps."""
        if self._fd >= 0:
            ours = os.fstat(self._fd)
            with suppress(FileNotFoundError):
                if os.path.samestat(ours, self._path.stat()):
                    return
            self._close_file()
        self._open()

    def _open(self) -> None:
        # O_NONBLOCK: should a FIFO stand there by now, opening it must not wait for its reader
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
        self._fd = os.open(self._path, flags, _MODE)
        found = os.fstat(self._fd)
        if not stat.S_ISREG(found.st_mode):
            raise OSError("not a regular file")
        self._size = found.st_size
        if self._size and os.pread(self._fd, 1, self._size - 1) != b"\n":
            self._append(b"\n")  # a process died within a line: what follows stays whole

    def _append(self, chunk: bytes | bytearray) -> int:
        """Write whole lines; returns how many. Raises _TornError: only some of them are in the file."""
        begin = self._size
        try:
            with memoryview(chunk) as rest:
                while self._size - begin < len(chunk):
                    self._size += os.write(self._fd, rest[self._size - begin :])
        except OSError as error:
            kept = chunk.rfind(b"\n", 0, self._size - begin) + 1
            with suppress(OSError):  # where even this fails, the next _open ends the line
                os.ftruncate(self._fd, begin + kept)
            raise _TornError(_lines(chunk[:kept])) from error
        return _lines(chunk)

    def _rotate(self) -> None:
        """Shift every file by one number and begin a new one; the oldest goes, and any that an earlier setting kept."""
        self._close_file()
        self._numbered(self._files - 1).unlink(missing_ok=True)
        beyond = self._files
        while self._numbered(beyond).exists():
            self._numbered(beyond).unlink()
            beyond += 1
        for number in range(self._files - 1, 0, -1):
            with suppress(FileNotFoundError):
                self._numbered(number - 1).replace(self._numbered(number))
        self._open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path

    def _close_file(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            with suppress(OSError):
                os.close(fd)


def _lines(chunk: bytes | bytearray) -> int:
    """How many; bytes.count() takes as long as it takes to write them."""
    return int(np.count_nonzero(np.frombuffer(chunk, np.uint8) == _LINE_END))


class _TornError(Exception):
    """A chunk was written in part: its first `kept` lines are in the file, and nothing of the next one."""

    def __init__(self, kept: int) -> None:
        super().__init__(kept)
        self.kept = kept
