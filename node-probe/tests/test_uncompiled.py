"""Compiled modules run compiled, and what tests say of them holds for the sources run by Python."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import weir_probe

TESTS = Path(__file__).parent
SOURCES = Path(weir_probe.__file__).parents[1]
MODULES = sorted(
    ".".join(path.relative_to(SOURCES).with_suffix("").parts) for path in SOURCES.glob("weir_probe/**/*.pxd")
)


@pytest.mark.parametrize("module", MODULES)
def test_modules_run_as_asked(module: str, uncompiled: bool) -> None:
    assert Path(str(import_module(module).__file__)).suffix == (".py" if uncompiled else ".so")


@pytest.mark.parametrize("folders", [("wire", "streams", "replay", "performance"), ("tick", "export"), ("counted",)])
def test_the_same_uncompiled(folders: tuple[str, ...], uncompiled: bool) -> None:
    if uncompiled:
        pytest.skip("this is the run without compiled modules")
    places = [__file__, *(str(TESTS / name) for name in folders)]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "--uncompiled", "-q", "-p", "no:cacheprovider", *places],
        cwd=TESTS.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
