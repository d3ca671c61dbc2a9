"""DNS as others have captured it: calls equal what their publisher's parser saw, or what the RFC says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from weir_probe.replay import replay_calls

FOLDER = Path(__file__).parents[4] / "shared/fixtures/pcap/dns"
CAPTURES = sorted(FOLDER.glob("*.pcap"))


def published(path: Path) -> list[dict[str, Any]]:
    """The messages of a .result, one to a line."""
    lines = path.with_suffix(".result").read_text().splitlines()
    return [json.loads(line[: line.rindex("}") + 1]) for line in lines if line]


@pytest.mark.skipif(not CAPTURES, reason="../shared/fixtures/pcap is absent")
@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_calls_equal_what_was_published(path: Path) -> None:
    lines: list[str] = []
    summary = replay_calls(path, lines.extend)
    calls = {call["request_id"]: call for call in map(json.loads, lines)}
    messages = published(path)
    assert summary.lost == dict.fromkeys(summary.lost, 0)
    assert len(lines) == len(calls) == len(messages) / 2
    for message in messages:
        call = calls[message["request_id"]]
        assert (call["protocol"], call["type"]) == ("DNS", message["request_type"])
        assert call["domain"] == call["resource"] == message["request_resource"]
        if message["msg_type"] == "Response":
            # one result has an NXDOMAIN as ok: RCODE 3 is an error (RFC 1035 §4.1.1)
            status = "client_error" if message["response_code"] == 3 else message["response_status"]
            assert (call["status"], call["code"]) == (status, message["response_code"])
            assert call["result"] == message.get("response_result", "")
            assert call["latency_us"] == pytest.approx(message["rrt"], abs=1)
