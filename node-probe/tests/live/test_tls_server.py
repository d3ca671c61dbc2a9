"""TLS live: each handshake in nginx's log is a call, as a replay of the same packets tells it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from live.stage import OnWire, apart, observed, same_as_on_tape
from protocols.test_tls_server import (
    CLIENTS,
    all_are_refused,
    all_connect,
    compare,
    compare_refused,
    folder,
    keys,
)
from weir_probe.capture.model import Capture

__all__ = ["folder", "keys"]
pytestmark = pytest.mark.root


def test_handshakes(capture: Capture, tape: OnWire, folder: Path) -> None:
    with observed(capture, tape.wire) as live:
        apart(partial(all_connect, tape.address, 600))
        compare(same_as_on_tape(live, tape), folder, 600)


def test_refusals(capture: Capture, tape: OnWire, folder: Path) -> None:
    with observed(capture, tape.wire) as live:
        apart(partial(all_are_refused, tape.address, 20))
        compare_refused(same_as_on_tape(live, tape), folder, 20 * CLIENTS)
