"""Real failures of a disk: full, read by others only, limited in size. What is lost is counted, lines stay whole."""

import os
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from disks import fill, small
from export.blocks import of
from weir_probe.export.jsonl import LEAST_BYTES, JsonLines
from weir_probe.export.sink import CLOSED, QUEUE_FULL, WRITE_FAILED, Queued, WriteError

root = pytest.mark.root
NOBODY = 65534


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small(tmp_path) as disk:
        yield disk


def whole_lines(path: Path) -> int:
    """How many; every one is there to its end."""
    content = path.read_bytes()
    assert not content or content.endswith(b"\n")
    found = content.splitlines(keepends=True)
    assert all(line.startswith(b'{"flow_id":"') and line.endswith(b"}\n") for line in found)
    return len(found)


def write(sink: JsonLines, count: int) -> int:
    """How many of so many records are lost."""
    try:
        sink.write(of(count))
    except WriteError as error:
        assert "flows.jsonl: [Errno" in str(error)
        return error.lost
    return 0


@root
def test_a_full_disk_loses_what_it_says_and_cuts_no_line(small_disk: Path) -> None:
    path = small_disk / "flows.jsonl"
    sink = JsonLines(path)
    assert write(sink, 100) == 0
    ballast = fill(small_disk, 64 * 1024)
    lost = [write(sink, 150) for _ in range(3)]
    assert 0 < lost[0] < 150 or 0 < lost[1] < 150  # some of a block fits
    assert lost[2] == 150  # nothing does by now
    assert whole_lines(path) == 100 + 450 - sum(lost)
    ballast.unlink()
    assert write(sink, 150) == 0
    assert whole_lines(path) == 100 + 600 - sum(lost)


@root
def test_a_disk_that_is_full_from_the_start(small_disk: Path) -> None:
    path = small_disk / "flows.jsonl"
    ballast = fill(small_disk, 0)
    sink = JsonLines(path)
    assert [write(sink, 5), write(sink, 5)] == [5, 5]
    assert whole_lines(path) == 0
    ballast.unlink()
    assert write(sink, 5) == 0
    assert whole_lines(path) == 5


@root
def test_a_disk_too_small_for_all_files(small_disk: Path) -> None:
    path = small_disk / "flows.jsonl"
    sink = JsonLines(path, max_bytes=LEAST_BYTES, files=10)
    lost = sum(write(sink, 100) for _ in range(20))
    assert sum(map(whole_lines, small_disk.iterdir())) == 2000 - lost


@root
def test_behind_the_queue_everything_adds_up(small_disk: Path) -> None:
    path = small_disk / "flows.jsonl"
    ballast = fill(small_disk, 64 * 1024)
    queue = Queued(JsonLines(path))
    for _ in range(5):
        queue.write(of(150))
    while queue.account().queued:
        time.sleep(0.01)
    ballast.unlink()
    queue.write(of(150))
    queue.close()
    stats = queue.stats()
    assert stats["written"] == whole_lines(path) > 150
    assert stats[WRITE_FAILED] == 900 - stats["written"]
    assert stats[QUEUE_FULL] == stats[CLOSED] == 0


@root
def test_permission_that_is_lost_and_given_back() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: it becomes another user for a while")
    folder = Path(tempfile.mkdtemp(prefix="weir-", dir="/tmp"))
    try:
        os.chown(folder, NOBODY, NOBODY)
        path = folder / "flows.jsonl"
        os.seteuid(NOBODY)
        sink = JsonLines(path, max_bytes=LEAST_BYTES, files=2)
        assert write(sink, 150) == 0
        folder.chmod(0o500)  # the file can be written, and not be rotated
        lost = [write(sink, 150) for _ in range(3)]
        assert lost[1:] == [150, 150]
        assert whole_lines(path) == 600 - sum(lost)
        assert path.stat().st_size <= LEAST_BYTES
        folder.chmod(0o700)
        assert write(sink, 150) == 0
        assert sum(map(whole_lines, folder.iterdir())) == 750 - sum(lost)
    finally:
        os.seteuid(0)
        shutil.rmtree(folder)


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    path = tmp_path / "flows.jsonl"
    sink = JsonLines(path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        lost = [write(sink, 50), write(sink, 50)]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert 0 < lost[0] < 50
    assert lost[1] == 50
    assert write(sink, 50) == 0
    assert whole_lines(path) == 150 - sum(lost)
