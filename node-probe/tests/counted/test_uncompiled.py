"""The same tests hold for the sources run by Python."""

import subprocess
import sys
from pathlib import Path

import pytest

from weir_probe.export.calls import counter, endpoints, lines, series

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("module", [counter, endpoints, lines, series])
def test_modules_run_as_asked(module: object, uncompiled: bool) -> None:
    assert Path(str(module.__file__)).suffix == (".py" if uncompiled else ".so")  # type: ignore[attr-defined]  # a module


def test_the_same_uncompiled(uncompiled: bool) -> None:
    if uncompiled:
        pytest.skip("this is the run without compiled modules")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "--uncompiled", "-q", "-p", "no:cacheprovider", str(TESTS / "counted")],
        cwd=TESTS.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
