"""A wire, and a capture on each rung of the ladder."""

from collections.abc import Callable, Iterator

import pytest

from capture.wires import Wire, make_wire, needs_root
from weir_probe.capture import ladder
from weir_probe.capture.model import Capture, CaptureError, Rung, Settings

__all__ = ["make_wire", "needs_root"]


@pytest.fixture
def wire(make_wire: Callable[[], Wire]) -> Wire:
    return make_wire()


@pytest.fixture
def open_rung() -> Iterator[Callable[..., Capture]]:
    """Opens captures of a given rung, and closes them; skips where the machine refuses it."""
    opened: list[Capture] = []

    def open_it(rung: Rung, slots: int = 65_536, *, stamped: bool = False) -> Capture:
        try:
            opened.append(ladder.open_capture(Settings(rung=rung, slots=slots, stamped=stamped)))
        except CaptureError as error:
            pytest.skip(f"this machine refuses the rung {rung}: {error}")
        return opened[-1]

    yield open_it
    for capture in opened:
        capture.close()


@pytest.fixture(params=["core", "afpacket"])
def capture(request: pytest.FixtureRequest, open_rung: Callable[..., Capture]) -> Capture:
    """An open capture by the kernel, and by AF_PACKET. BCC compiles for a second: `every_rung` adds it to a test."""
    return open_rung(request.param)


@pytest.fixture
def core(open_rung: Callable[..., Capture]) -> Capture:
    return open_rung("core")
