"""The lines and the summary that `weir replay` writes."""

import io
import json

import pytest

from captures import pcap
from conversation import C, Conversation, Frame, S
from frames import ACK, ARP, SYN, UDP, ethernet, ip, udp
from weir_probe.capture.pcap import PcapError
from weir_probe.replay import replay

TALK = Conversation("10.0.0.9", 40000, "10.0.0.2", 80) >> C(SYN) >> S(SYN | ACK) >> C(ACK) >> S(b"hello")
FRAMES = [
    *TALK,
    Frame(ethernet(ip("fd00::1", "fd00:0:0:1::2", UDP, udp(5, 6))), 5_000_000_001),
    Frame(ethernet(bytes(28), ARP), 500_000_000),
    Frame(ethernet(ip("10.0.0.1", "10.0.0.2", 253, b"?")), 5_000_000_002),
    Frame(ethernet(b"\x45"), 5_000_000_003),
]


def test_a_line_per_flow() -> None:
    out = io.StringIO()
    replay(io.BytesIO(pcap(FRAMES))).write_jsonl(out)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    known = {
        "src": "10.0.0.9",
        "dst": "10.0.0.2",
        "src_port": 40000,
        "dst_port": 80,
        "protocol": "TCP",
        "start": "1970-01-01T00:00:01.000000000Z",
        "end": "1970-01-01T00:00:01.003000000Z",
        "packets_tx": 2,
        "packets_rx": 2,
        "bytes_tx": 108,
        "bytes_rx": 113,
        "l3_bytes_tx": 80,
        "l3_bytes_rx": 85,
        "l4_bytes_tx": 0,
        "l4_bytes_rx": 5,
        "syn": 1,
        "synack": 1,
        "fin": 0,
        "close_type": "unknown",
    }
    assert {name: lines[0][name] for name in known} == known
    assert [(line["src"], line["dst"], line["protocol"]) for line in lines[1:]] == [
        ("fd00::1", "fd00:0:0:1::2", "UDP"),
        ("10.0.0.1", "10.0.0.2", 253),
    ]


def test_lines_and_flows_are_the_same() -> None:
    result = replay(io.BytesIO(pcap(FRAMES)))
    for line, flow in zip(result.lines(), result.flows(), strict=True):
        assert json.loads(line) == {name: getattr(flow, name) for name in flow.__slots__}


def test_the_summary() -> None:
    summary = replay(io.BytesIO(pcap(FRAMES))).summary()
    assert json.loads(json.dumps(summary.as_dict())) == {
        "flows": 3,
        "frames": {"packets": 8, "bytes": 221 + 62 + 42 + 35 + 15},
        "counted": {"packets": 6, "bytes": 221 + 62 + 35},
        "non_ip": {"packets": 1, "bytes": 42},
        "lost": {"malformed": {"packets": 1, "bytes": 15}, "table_full": {"packets": 0, "bytes": 0}},
        "unassembled": {"packets": 0, "bytes": 0},
        "start": "1970-01-01T00:00:00.500000000Z",
        "end": "1970-01-01T00:00:05.000000003Z",
        "duration_s": 4.500000003,
    }


def test_nothing_captured() -> None:
    result = replay(io.BytesIO(pcap([])))
    assert list(result.lines()) == []
    assert (result.summary().start, result.summary().end, result.summary().duration_s) == (None, None, 0.0)


def test_lines_before_damage_are_written() -> None:
    out = io.StringIO()
    with pytest.raises(PcapError):
        replay(io.BytesIO(pcap(FRAMES)[:-1])).write_jsonl(out)
    assert len(out.getvalue().splitlines()) == 3
