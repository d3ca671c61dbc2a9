"""DNS live: each question and each answer in dnsmasq's log is a call, as a replay of the same packets tells it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from live.stage import OnWire, apart, observed, same_as_on_tape
from protocols.test_dns_server import all_ask, compare, log, over_tcp, over_udp
from weir_probe.capture.model import Capture

__all__ = ["log"]
pytestmark = pytest.mark.root


@pytest.mark.parametrize("ask", [over_udp, over_tcp])
def test_many_questions_at_once(core: Capture, tape: OnWire, log: Path, ask: Callable[[str, int], None]) -> None:
    with observed(core, tape.wire) as live:
        apart(partial(all_ask, ask, tape.address))
        compare(same_as_on_tape(live, tape), log)
