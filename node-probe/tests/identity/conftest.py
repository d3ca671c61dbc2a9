"""An operator that stands in, and a way to wait."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from capture.wires import make_wire, needs_root
from identity.standin import Operator
from kube.patience import patience

__all__ = ["make_wire", "needs_root"]


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    running = Operator(tmp_path)
    yield running
    running.close()


@pytest.fixture
def until() -> Callable[..., None]:
    """Wait for a condition."""

    def wait(condition: Callable[[], object], what: str, timeout_s: float = 20) -> None:
        began = time.monotonic()
        while not condition():
            assert time.monotonic() < began + patience(timeout_s), f"waited {timeout_s} s for {what}"
            time.sleep(0.02)

    return wait
