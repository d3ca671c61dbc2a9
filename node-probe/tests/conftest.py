"""Tests of the node probe, compiled or, with `--uncompiled`, from the same sources run by Python."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest


class SourcesFirst(MetaPathFinder):
    """Finds modules of the probe as .py where Python would take the extension built next to it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith("weir_probe."):
            return None
        for folder in path or ():
            source = Path(folder, fullname.rpartition(".")[2] + ".py")
            if source.exists():
                return spec_from_file_location(fullname, source)
        return None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--uncompiled", action="store_true", help="run the probe's compiled modules as plain Python")
    parser.addoption("--record", action="store_true", help="keep captures of real servers in node-probe/tests/recorded")


def pytest_configure(config: pytest.Config) -> None:
    pytest.register_assert_rewrite("live.stage")  # so that it says what differs
    if config.getoption("--uncompiled"):
        loaded = [name for name in sys.modules if name.startswith("weir_probe.")]
        if loaded:
            raise pytest.UsageError(f"--uncompiled comes too late: {', '.join(loaded)} is loaded")
        sys.meta_path.insert(0, SourcesFirst())


@pytest.fixture
def uncompiled(pytestconfig: pytest.Config) -> bool:
    """Whether the probe's modules run as plain Python."""
    return bool(pytestconfig.getoption("--uncompiled"))
