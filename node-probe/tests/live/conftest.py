"""Wires and captures, as in capture/; and servers in the pod, whose fixtures are those of protocols/."""

from collections.abc import Iterator

import pytest

from capture.conftest import capture, core, open_rung, wire
from capture.wires import Wire, make_wire, needs_root
from live.stage import OnWire

__all__ = ["capture", "core", "make_wire", "needs_root", "open_rung", "wire"]


@pytest.fixture
def tape(wire: Wire) -> Iterator[OnWire]:
    """Running; servers are in the pod."""
    with OnWire(wire) as recording:
        yield recording
