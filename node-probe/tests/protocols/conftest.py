"""A tape for tests of real servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from recording import Recording


@pytest.fixture
def tape(pytestconfig: pytest.Config) -> Iterator[Recording]:
    """Running, in a namespace of its own."""
    from recording import Recording  # not before --uncompiled has taken effect

    with Recording(keeps=pytestconfig.getoption("--record")) as recording:
        yield recording
