"""`weir replay`: formats, totals, damage, pipes. The engine's own tests are the probe's."""

import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Weir = Callable[..., subprocess.CompletedProcess[str]]
_FIXTURES = Path(__file__).resolve().parents[3] / "shared" / "fixtures" / "pcap"
_PARTS = ("count", "sum_us", "max_us")
_FIELDS = [
    *("src", "dst", "src_port", "dst_port", "protocol", "start", "end"),
    *(f"{part}_{way}" for part in ("packets", "bytes", "l3_bytes", "l4_bytes") for way in ("tx", "rx")),
    *(f"{time}_{part}" for time in ("rtt_client", "rtt_server", "srt", "art", "cit") for part in _PARTS),
    *("rtt_us", "retrans_tx", "retrans_rx", "retrans_syn_tx", "retrans_syn_rx", "retrans_syn", "retrans_synack"),
    *("ooo_tx", "ooo_rx", "zero_win_tx", "zero_win_rx", "syn", "synack", "fin", "close_type"),
]


def _udp(src: str, dst: str, sport: int, dport: int, payload: int) -> bytes:
    """An Ethernet frame; checksums are not looked at."""
    family = socket.AF_INET6 if ":" in src else socket.AF_INET
    addresses = socket.inet_pton(family, src) + socket.inet_pton(family, dst)
    udp = struct.pack("!4H", sport, dport, 8 + payload, 0) + bytes(payload)
    if family == socket.AF_INET6:
        return bytes(12) + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(udp), 17, 64) + addresses + udp
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
    return bytes(12) + b"\x08\x00" + header + addresses + udp


def _pcap(*frames: bytes) -> bytes:
    records = [struct.pack("<4I", 1_700_000_000 + n, 0, len(f), len(f)) + f for n, f in enumerate(frames)]
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + b"".join(records)


QUESTION = _udp("10.0.0.1", "10.0.0.2", 5000, 53, 30)
ANSWER = _udp("10.0.0.2", "10.0.0.1", 53, 5000, 90)
OTHER = _udp("fd00::1", "fd00::2", 6000, 123, 48)
ARP = bytes(12) + b"\x08\x06" + bytes(28)


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "some.pcap"
    path.write_bytes(_pcap(QUESTION, ANSWER, OTHER, ARP))
    return path


def test_a_line_per_flow_with_the_documented_fields(weir: Weir, capture: Path) -> None:
    done = weir("replay", capture)
    first, second = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 0
    assert list(first) == list(second) == _FIELDS
    told = {
        "src": "10.0.0.1",
        "dst": "10.0.0.2",
        "src_port": 5000,
        "dst_port": 53,
        "protocol": "UDP",
        "start": "2023-11-14T22:13:20.000000000Z",
        "end": "2023-11-14T22:13:21.000000000Z",
        "packets_tx": 1,
        "packets_rx": 1,
        "bytes_tx": len(QUESTION),
        "bytes_rx": len(ANSWER),
        "l3_bytes_rx": len(ANSWER) - 14,
        "l4_bytes_rx": 90,
        "art_count": 1,
        "art_sum_us": 1_000_000.0,
    }
    assert {name: first[name] for name in told} == told
    assert (second["src"], second["packets_rx"]) == ("fd00::1", 0)


def test_totals_go_to_standard_error(weir: Weir, capture: Path) -> None:
    octets = len(QUESTION) + len(ANSWER) + len(OTHER)
    assert weir("replay", capture).stderr == (
        f"2 flows, 3 packets, {octets} bytes in 3.000000 s; not IP: 1 frame, {len(ARP)} bytes\n"
    )


def test_json_is_one_object(weir: Weir, capture: Path) -> None:
    shown = json.loads(weir("replay", "-o", "json", capture).stdout)
    assert [flow["protocol"] for flow in shown["flows"]] == ["UDP", "UDP"]
    assert shown["summary"]["counted"]["packets"] == 3
    assert shown["error"] is None


def test_a_table_on_a_pipe_is_neither_cut_nor_coloured(weir: Weir, capture: Path) -> None:
    shown = weir("replay", "-o", "table", capture, env={**os.environ, "COLUMNS": "20"}).stdout
    heading, first, second = shown.splitlines()
    assert heading.split()[:5] == ["START", "SECONDS", "PROTOCOL", "SRC", "DST"]
    assert "10.0.0.1:5000" in first
    assert "[fd00::1]:6000" in second
    assert "\x1b" not in shown
    assert first.index("10.0.0.1:5000") == second.index("[fd00::1]:6000") == heading.index("SRC")


def test_standard_input(weir: Weir, capture: Path) -> None:
    with capture.open("rb") as stdin:
        assert weir("replay", "-", stdin=stdin).stdout == weir("replay", capture).stdout


@pytest.mark.parametrize("output", ["jsonl", "json", "table"])
def test_a_damaged_file_gives_what_was_before_the_damage_then_the_offset(
    weir: Weir, tmp_path: Path, output: str
) -> None:
    whole = _pcap(QUESTION, ANSWER)
    path = tmp_path / "cut.pcap"
    path.write_bytes(whole[:-10])
    done = weir("replay", "-o", output, path)
    assert done.returncode == 1
    assert "10.0.0.1" in done.stdout
    assert f"weir: {path}: offset {24 + 16 + len(QUESTION)}: " in done.stderr
    if output == "json":
        assert json.loads(done.stdout)["error"]["offset"] == 24 + 16 + len(QUESTION)


def test_a_file_that_is_no_capture(weir: Weir, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, and no capture")
    done = weir("replay", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"weir: {path}: offset 0: " in done.stderr


def test_a_file_that_is_not_there(weir: Weir, tmp_path: Path) -> None:
    done = weir("replay", tmp_path / "none.pcap")
    assert done.returncode == 1
    assert done.stderr == f"weir: {tmp_path}/none.pcap: No such file or directory\n"


def test_flows_beyond_the_limit_are_counted_as_lost(weir: Weir, capture: Path) -> None:
    done = weir("replay", "--max-flows", "1", capture)
    assert len(done.stdout.splitlines()) == 1
    assert f"lost (table_full): 1 packet, {len(OTHER)} bytes" in done.stderr


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "many.pcap"
    path.write_bytes(_pcap(*(_udp("10.0.0.1", "10.0.0.2", port, 53, 8) for port in range(1, 20_000))))
    weir = Path(sys.executable).parent / "weir"
    with subprocess.Popen([weir, "replay", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (141, "")


@pytest.mark.skipif(not _FIXTURES.is_dir(), reason="no ../shared/fixtures/pcap beside the project")
@pytest.mark.parametrize("protocol", ["dns", "http", "mysql", "tcp"])
def test_the_flows_of_a_real_capture_add_up(weir: Weir, protocol: str) -> None:
    path = max((_FIXTURES / protocol).glob("*.pcap"), key=lambda path: path.stat().st_size)
    done = weir("replay", "-o", "json", path)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    flows, counted = shown["flows"], shown["summary"]["counted"]
    assert sum(flow["packets_tx"] + flow["packets_rx"] for flow in flows) == counted["packets"] > 0
    assert sum(flow["bytes_tx"] + flow["bytes_rx"] for flow in flows) == counted["bytes"]
