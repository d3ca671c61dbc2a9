"""Captures with known figures: every field of every one."""

import json
from pathlib import Path
from typing import Any

import pytest

from weir_probe.replay import replay

CAPTURES = Path(__file__).parents[4] / "shared" / "fixtures" / "pcap" / "tcp"
EXPECTED = CAPTURES / "expected.json"
FILES: dict[str, dict[str, Any]] = json.loads(EXPECTED.read_text()) if EXPECTED.exists() else {}


@pytest.mark.skipif(not FILES, reason="the captures (../shared/fixtures/pcap/tcp) are not here")
@pytest.mark.parametrize("name", FILES)
def test_every_field_is_as_expected(name: str) -> None:
    [flow] = replay(CAPTURES / name).flows()
    expected = {
        f"{field}_{part}" if isinstance(value, dict) else field: value[part] if isinstance(value, dict) else value
        for field, value in FILES[name].items()
        for part in (value if isinstance(value, dict) else ("",))
    }
    assert {field: getattr(flow, field) for field in expected} == expected


@pytest.mark.skipif(not FILES, reason="the captures (../shared/fixtures/pcap/tcp) are not here")
@pytest.mark.parametrize(
    ("name", "close_type"),
    [
        ("client-keep-alive", "finish"),
        ("client-no-response", "server_establish_rst"),
        ("handshake-error", "server_queue_lack"),
        ("http", "finish"),
        ("l4-source-port-reuse", "client_source_port_reuse"),
        ("server-reset", "server_reset"),
        ("tcp-segment", "unknown"),
        ("tcp-syn-ack-zerowin", "client_ack_miss"),
        ("udp_normal", "unknown"),
    ],
)
def test_how_they_ended(name: str, close_type: str) -> None:
    [flow] = replay(CAPTURES / f"{name}.pcap").flows()
    assert flow.close_type == close_type
