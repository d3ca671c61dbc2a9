"""Captures of real servers (recording.py) give the calls that were compared with the servers' own logs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recording import RECORDED, calls_of, kept


@pytest.mark.parametrize("path", kept(), ids=lambda path: str(path.relative_to(RECORDED)))
def test_the_calls_of_a_capture(path: Path) -> None:
    wanted = [json.loads(line) for line in path.with_suffix(".jsonl").read_text().splitlines()]
    told = calls_of(path)
    assert len(wanted) == len(told) > 0
    for call, want in zip(told, wanted, strict=True):
        assert {name: call[name] for name in want} == want
