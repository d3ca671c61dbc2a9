"""gRPC as grpcio speaks it, many calls at once on few connections: each is in the server's log, and as it says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from recording import Recording

pytestmark = pytest.mark.root
PEER = Path(__file__).with_name("grpc_peer.py")
PORT = 50_051
SERVERS = {2, 4, 12, 13, 14, 15}


@pytest.fixture
def talk(tape: Recording, tmp_path: Path) -> Callable[[int], dict[str, Any]]:
    """Make so many calls; what the server's log says of each."""
    log = tmp_path / "calls"
    tape.start(sys.executable, PEER, "serve", f"{tape.address}:{PORT}", log, ready=PORT)

    def work(count: int) -> dict[str, Any]:
        command = [sys.executable, str(PEER), "call", f"{tape.address}:{PORT}", str(count)]
        tape.inside(lambda: subprocess.run(command, check=True, timeout=280))
        return {line["id"]: line for line in map(json.loads, log.read_text().splitlines())}

    return work


def compare(calls: list[dict[str, Any]], log: dict[str, Any], count: int) -> None:
    told = {call["x_request_id"]: call for call in calls}
    assert len(told) == len(calls)
    slow = {f"r{number}" for number in range(700, count, 701)}
    assert set(log) | slow >= set(told) >= set(log)
    assert len(log) >= count - len(slow)
    for name, call in told.items():
        assert call["protocol"] == "gRPC"
        assert (call["type"], call["domain"], call["resource"]) == ("POST", f"{call['dst']}:{PORT}", "shop.Cart")
        if name in slow:  # its client cancels the stream, or the server is faster in saying that time is up
            assert call["code"] in {1, 4}
            continue
        line = log[name]
        assert call["endpoint"] == f"/shop.Cart/{line['method']}"
        assert (call["code"], call["exception"]) == (line["code"], line["text"])
        assert call["status"] == (
            "ok" if not line["code"] else "server_error" if line["code"] in SERVERS else "client_error"
        )
        assert call["latency_us"] > 0
        assert call["attributes"]["rpc.requests_per_rpc"] == str(line["requests"])
        assert call["attributes"]["rpc.responses_per_rpc"] == str(line["responses"])


def test_a_few_calls(tape: Recording, talk: Callable[[int], dict[str, Any]]) -> None:
    log = talk(60)
    compare(tape.calls(), log, 60)
    tape.keep("http2/grpc")


def test_ten_thousand_calls(tape: Recording, talk: Callable[[int], dict[str, Any]]) -> None:
    log = talk(10_500)
    compare(tape.calls(), log, 10_500)
