"""The cache of what images are made of, used by several at once: `make images` in two checkouts, two tests."""

import multiprocessing
import time
from pathlib import Path

from images import cache


def make(folder: Path) -> None:
    """Make what takes a while, unless it is there; write down that it was made."""
    with cache.locked(folder) as held:
        if not (held / "made").exists():
            with (held / "log").open("a") as log:
                log.write("made\n")
            time.sleep(0.2)
            (held / "made").touch()


def test_of_several_at_once_one_makes_it_and_the_others_find_it(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there yet"
    several = [multiprocessing.get_context("fork").Process(target=make, args=[folder]) for _ in range(4)]
    for each in several:
        each.start()
    for each in several:
        each.join(30)
    assert [each.exitcode for each in several] == [0] * 4
    assert (folder / "log").read_text() == "made\n"
