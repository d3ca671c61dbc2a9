"""A disk that a test can fill."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small(folder: Path) -> Iterator[Path]:
    """A tmpfs of 512 KiB in a mount namespace of its own, which goes when this process does, however it ends."""
    if os.geteuid() != 0:
        pytest.skip("needs root: it mounts a file system")
    script = f"mount -t tmpfs -o size=512k tmpfs {folder} && echo mounted && read -r _"
    keeper = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert keeper.stdout is not None
    assert keeper.stderr is not None
    try:
        if keeper.stdout.readline() != "mounted\n":
            pytest.skip(f"cannot mount a tmpfs: {keeper.stderr.read().strip()}")
        yield Path(f"/proc/{keeper.pid}/root{folder}")
    finally:
        keeper.communicate()


def fill(disk: Path, free: int) -> Path:
    """Leave so many bytes, in whole pages."""
    ballast = disk / "ballast"
    found = os.statvfs(disk)
    ballast.write_bytes(bytes(found.f_bavail * found.f_frsize - free))
    return ballast
