from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A keeper that is yet to be started, and what sees its agents."""
    made = Stage(tmp_path)
    yield made
    made.close()
