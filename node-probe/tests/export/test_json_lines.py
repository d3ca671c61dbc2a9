"""Rotated files of JSON lines: bounded, whole lines only, the same after a restart."""

import json
import os
from pathlib import Path

import pytest

from export.blocks import lines, of
from weir_probe.export.jsonl import LEAST_BYTES, JsonLines
from weir_probe.export.sink import WriteError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flows.jsonl"


def sequence(folder: Path) -> list[str]:
    """The flow ids in all files, oldest first; every line is whole."""
    files = sorted(folder.iterdir(), key=lambda file: -int(file.suffix[1:]) if file.suffix != ".jsonl" else 0)
    content = b"".join(file.read_bytes() for file in files)
    assert content.endswith(b"\n")
    return [json.loads(line)["flow_id"] for line in content.splitlines()]


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def test_lines_arrive(path: Path) -> None:
    block = of(10)
    sink = JsonLines(path)
    sink.write(block)
    sink.write(block)
    sink.close()
    assert path.read_bytes() == b"".join(lines(block)) * 2
    assert path.stat().st_mode & 0o7777 == 0o640


def test_files_and_their_sizes_are_bounded(path: Path) -> None:
    sink = JsonLines(path, max_bytes=LEAST_BYTES, files=3)
    block = of(600)
    size = sum(map(len, lines(block)))
    for _ in range(5):
        sink.write(block)
        assert all(file.stat().st_size <= LEAST_BYTES for file in path.parent.iterdir())
    assert 5 * size > 4 * LEAST_BYTES
    assert names(path.parent) == {"flows.jsonl", "flows.jsonl.1", "flows.jsonl.2"}
    found = sequence(path.parent)
    whole = [json.loads(line)["flow_id"] for line in lines(block)] * 5
    assert found == whole[-len(found) :]  # the newest ones, without a gap


def test_nothing_is_lost_by_rotation(path: Path) -> None:
    block = of(2000)
    JsonLines(path, max_bytes=LEAST_BYTES, files=50).write(block)
    assert len(names(path.parent)) > 5
    assert sequence(path.parent) == [json.loads(line)["flow_id"] for line in lines(block)]


def test_one_file(path: Path) -> None:
    sink = JsonLines(path, max_bytes=LEAST_BYTES, files=1)
    for _ in range(5):
        sink.write(of(200))
    assert names(path.parent) == {"flows.jsonl"}
    assert path.stat().st_size <= LEAST_BYTES


def test_fewer_files_than_before(path: Path) -> None:
    block = of(2000)
    JsonLines(path, max_bytes=LEAST_BYTES, files=8).write(block)
    JsonLines(path, max_bytes=LEAST_BYTES, files=2).write(block)
    assert names(path.parent) == {"flows.jsonl", "flows.jsonl.1"}


def test_a_restart_appends(path: Path) -> None:
    block = of(3)
    for _ in range(2):
        sink = JsonLines(path)
        sink.write(block)
        sink.close()
    assert path.read_bytes() == b"".join(lines(block)) * 2


def test_a_restart_counts_what_is_there(path: Path) -> None:
    block = of(150)
    for _ in range(4):
        JsonLines(path, max_bytes=LEAST_BYTES).write(block)
    assert all(file.stat().st_size <= LEAST_BYTES for file in path.parent.iterdir())
    assert len(sequence(path.parent)) == 600


def test_a_line_that_a_crash_cut_is_ended_first(path: Path) -> None:
    block = of(2)
    whole = lines(block)
    path.write_bytes(whole[0] + whole[1][:50])
    JsonLines(path).write(block)
    assert path.read_bytes().splitlines(keepends=True) == [whole[0], whole[1][:50] + b"\n", *whole]


def test_a_file_that_was_moved_away_is_begun_again(path: Path) -> None:
    block = of(2)
    sink = JsonLines(path)
    sink.write(block)
    path.rename(path.with_name("taken"))
    sink.write(block)
    assert path.read_bytes() == path.with_name("taken").read_bytes() == b"".join(lines(block))


def test_an_old_number_that_is_missing(path: Path) -> None:
    sink = JsonLines(path, max_bytes=LEAST_BYTES, files=5)
    sink.write(of(1000))
    path.with_name("flows.jsonl.1").unlink()
    sink.write(of(1000))
    assert len(names(path.parent)) == 5


def test_the_folder_goes_and_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    sink = JsonLines(folder / "flows.jsonl")
    block = of(3)
    sink.write(block)
    (folder / "flows.jsonl").unlink()
    folder.rmdir()
    for _ in range(2):
        with pytest.raises(WriteError, match="No such file or directory") as error:
            sink.write(block)
        assert error.value.lost == 3
    folder.mkdir()
    sink.write(block)
    assert (folder / "flows.jsonl").read_bytes() == b"".join(lines(block))


def test_a_fifo_in_its_place_does_not_hold_it_up(path: Path) -> None:
    sink = JsonLines(path)
    os.mkfifo(path)
    with pytest.raises(WriteError) as error:
        sink.write(of(3))
    assert error.value.lost == 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_bytes": LEAST_BYTES - 1}, "max_bytes: 131071 is less than 131072"),
        ({"files": 0}, "files: 0 is not at least 1"),
    ],
)
def test_settings_that_cannot_work(path: Path, settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        JsonLines(path, **settings)


def test_paths_that_cannot_work(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"path: .*/absent is no folder; make it first"):
        JsonLines(tmp_path / "absent" / "flows.jsonl")
    with pytest.raises(ValueError, match=r"path: .* is not a regular file"):
        JsonLines(tmp_path)
