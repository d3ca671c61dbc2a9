"""Real failures of a disk: full, read by others only, limited in size. What is lost is counted, lines stay whole."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from export.blocks import of
from weir_probe.export.jsonl import LEAST_BYTES, JsonLines
from weir_probe.export.records import lines
from weir_probe.export.sink import CLOSED, QUEUE_FULL, WRITE_FAILED, Queued, WriteError

root = pytest.mark.root
NOBODY = 65534


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 512 KiB in a mount namespace of its own, which goes when this process does, however it ends."""
    if os.geteuid() != 0:
        pytest.skip("needs root: it mounts a file system")
    script = f"mount -t tmpfs -o size=512k tmpfs {tmp_path} && echo mounted && read -r _"
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
        yield Path(f"/proc/{keeper.pid}/root{tmp_path}")
    finally:
        keeper.communicate()


def whole_lines(path: Path) -> int:
    """How many; every one is there to its end."""
    content = path.read_bytes()
    assert not content or content.endswith(b"\n")
    found = content.splitlines(keepends=True)
    assert all(line.startswith(b'{"flow_id":"') and line.endswith(b"}\n") for line in found)
    return len(found)


@root
def test_a_full_disk_loses_records_and_nothing_else(small_disk: Path) -> None:
    path = small_disk / "flows.jsonl"
    ballast = small_disk / "ballast"
    sink = JsonLines(path)
    block = of(100)
    sink.write(block)
    ballast.write_bytes(bytes(512 * 1024 - 100 * 1024 - path.stat().st_size))

    lost = 0
    for _ in range(4):
        with pytest.raises(WriteError, match="No space left on device") if lost else _either() as error:
            sink.write(of(300))
        if error is not None:
            lost += error.value.lost
            assert whole_lines(path) == 100 + 4 * 0 + (300 - lost if lost <= 300 else whole_lines(path) - 100)
    assert lost > 0
    kept = whole_lines(path)

    ballast.unlink()
    sink.write(block)
    assert whole_lines(path) == kept + 100


@contextmanager
def _either() -> Iterator[None]:
    yield None
