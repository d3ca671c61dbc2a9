"""The folder `operator/` must not shadow Python's `operator`."""

import operator
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_import_operator_is_still_pythons() -> None:
    assert operator.add(1, 2) == 3
    assert not (ROOT / "operator" / "__init__.py").exists()
    command = [sys.executable, "-c", "import operator; print(operator.itemgetter.__module__)"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout == "operator\n"
