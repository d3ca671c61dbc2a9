"""Kafka as others have captured it: calls equal what their publisher's parser saw."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from weir_probe.replay import replay_calls

FOLDER = Path(__file__).parents[4] / "shared/fixtures/pcap/kafka"
CAPTURES = sorted(FOLDER.glob("*.pcap"))
_STATUSES = {"Ok": "ok", "ServerError": "server_error", "ClientError": "client_error"}


def published(path: Path) -> list[dict[str, str]]:
    """The messages of a .result, one to a line: `name: Some("value")`, or without the Some."""
    found = []
    for line in path.with_suffix(".result").read_text().splitlines():
        pairs = re.findall(r'(\w+): (?:Some\()?"?([\w\-.:]*)"?\)?', line)
        found.append({name: "" if value == "None" else value for name, value in pairs})
    return found


@pytest.mark.skipif(not CAPTURES, reason="../shared/fixtures/pcap is absent")
@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_calls_equal_what_was_published(path: Path) -> None:
    lines: list[str] = []
    summary = replay_calls(path, lines.extend)
    assert summary.lost == dict.fromkeys(summary.lost, 0)
    [call] = map(json.loads, lines)
    asked, told = published(path)
    attributes = call["attributes"]
    assert (call["protocol"], call["type"], call["request_id"]) == (
        "Kafka",
        asked["command"],
        int(asked["correlation_id"]),
    )
    assert attributes["messaging.kafka.api_version"] == asked["api_version"]
    assert attributes["messaging.client.id"] == asked["client_id"]
    assert attributes.get("messaging.consumer.group.name", "") == asked["group_id"]
    assert (call["resource"], call["endpoint"]) == (asked["topic_name"], asked["endpoint"])
    # what they call a resource is a topic, a partition and an offset: a request's, or what a response says
    offset = attributes.get("messaging.kafka.offset")
    assert asked["resource"] == (f"{call['endpoint']}:{offset}" if offset else "")
    assert call["result"] == told["resource"]
    assert (call["status"], call["code"]) == (_STATUSES[told["status"]], int(told["status_code"]))
    assert (call["request_bytes"], call["response_bytes"]) == (
        int(asked["req_msg_size"]) + 4,
        int(told["resp_msg_size"]) + 4,
    )
    assert call["latency_us"] == pytest.approx(int(told["rrt"]), abs=1)
