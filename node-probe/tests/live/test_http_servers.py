"""HTTP/1, HTTP/2 and gRPC live: each call that a server logs is told, as a replay of the same packets tells it.

AF_PACKET too where the traffic leaves its ring of 1 MiB room while the machine is busy with other tests.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from live.stage import OnWire, apart, observed, same_as_on_tape
from protocols import test_grpc_server as grpc
from protocols import test_http1_nginx as http1
from protocols import test_http2_nginx as http2
from protocols.test_grpc_server import talk
from protocols.test_http1_nginx import log as http1_log
from protocols.test_http2_nginx import log as http2_log
from weir_probe.capture.model import Capture

__all__ = ["http1_log", "http2_log", "talk"]
pytestmark = pytest.mark.root


def test_http1_kept_alive_and_pipelined(core: Capture, tape: OnWire, http1_log: Path) -> None:
    with observed(core, tape.wire) as live:
        apart(partial(http1.shop, tape.address, 12, 180))
        calls = same_as_on_tape(live, tape)
    http1.compare(calls, [line for line in http1.logged(http1_log) if line["dst_port"] == http1.PORT])
    assert len(calls) == 12 * 180


def test_http2_multiplexed(capture: Capture, tape: OnWire, http2_log: Path, tmp_path: Path) -> None:
    with observed(capture, tape.wire) as live:
        http2.fetch(tape, tmp_path, 1500)
        http2.compare(same_as_on_tape(live, tape), http2_log, 1500)


def test_grpc_unary_and_streaming(capture: Capture, tape: OnWire, talk: Callable[[int], dict[str, Any]]) -> None:
    with observed(capture, tape.wire) as live:
        log = talk(1500)
        grpc.compare(same_as_on_tape(live, tape), log, 1500)
