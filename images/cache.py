"""What is made once on a machine and kept; every part of it can be deleted at any time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def folder(*names: str) -> Path:
    """A folder of the cache, which need not be there."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home, "weir", *names)


@contextmanager
def locked(made_in: Path) -> Iterator[Path]:
    """One process at a time makes what a folder holds: others wait, and find it. The folder is made if need be."""
    made_in.mkdir(parents=True, exist_ok=True)
    with (made_in / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield made_in
