"""`make protocol`: what it makes is a protocol that works, compiled and not, and passes lint."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from protocol.__main__ import FILES, REGISTRY, begin

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the probe as it is, compiled modules and all, with a protocol begun in it."""
    root = tmp_path_factory.mktemp("copy")
    leave = shutil.ignore_patterns("build", "__pycache__", "*.egg-info", ".*_cache")
    for part in ("api", "node-probe"):
        shutil.copytree(ROOT / part, root / part, ignore=leave)
    shutil.copy(ROOT / "pyproject.toml", root)
    begin("gopher", root)
    return root


def run(copy: Path, *command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": f"{copy}/node-probe/src:{copy}/api/src", "CFLAGS": "-O0"}
    done = subprocess.run(
        [sys.executable, *command], cwd=copy, env=environment, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def made(copy: Path) -> list[str]:
    return [str(copy / target.replace("name", "gopher")) for target in FILES.values() if target.endswith(".py")]


@pytest.mark.parametrize("how", ["--uncompiled", "compiled"])
def test_its_tests_pass(copy: Path, how: str) -> None:
    tests = "node-probe/tests/protocols/test_gopher.py", "node-probe/tests/protocols/test_fuzz.py"
    if how == "compiled":
        run(copy, "-m", "Cython.Build.Cythonize", "-i", "-3", "-q", *(path for path in made(copy) if "/src/" in path))
        assert list((copy / "node-probe/src/weir_probe/protocols/gopher").glob("parse.*.so"))
        how = "-q"
    assert " passed" in run(copy, "-m", "pytest", how, "-p", "no:cacheprovider", "-k", "gopher", *tests)


def test_it_passes_lint(copy: Path) -> None:
    paths = [*made(copy), str(copy / REGISTRY)]
    run(copy, "-m", "ruff", "check", "--no-cache", *paths)
    run(copy, "-m", "ruff", "format", "--no-cache", "--check", *paths)
    run(copy, "-m", "mypy", "--cache-dir", str(copy / ".mypy_cache"), *paths)


@pytest.mark.parametrize("name", ["", "Gopher", "my-protocol", "../up", "http1", "9p", "gopher"])
def test_a_name_that_is_none_or_taken(copy: Path, name: str) -> None:
    before = (copy / REGISTRY).read_text()
    with pytest.raises(ValueError, match=r"name|such"):
        begin(name, copy)
    assert (copy / REGISTRY).read_text() == before
