"""Captures recorded by others: totals equal those of the file, read here with struct and slices."""

import struct
from pathlib import Path

import pytest

from conversation import Frame
from reference import Reference, parse
from weir_probe.replay import replay

FOLDER = Path(__file__).parents[4] / "shared/fixtures/pcap"
CAPTURES = sorted(FOLDER.rglob("*.pcap"))


def frames_of(path: Path) -> list[Frame]:
    """Little-endian pcap of Ethernet in microseconds, as all of these are."""
    data = path.read_bytes()
    assert struct.unpack_from("<IHHiIII", data)[::6] == (0xA1B2C3D4, 1)
    frames, at = [], 24
    while at < len(data):
        seconds, micros, captured, length = struct.unpack_from("<IIII", data, at)
        frames.append(Frame(data[at + 16 : at + 16 + captured], seconds * 10**9 + micros * 1000, length))
        at += 16 + captured
    return frames


@pytest.mark.skipif(not CAPTURES, reason="../shared/fixtures/pcap is absent")
def test_totals_equal_the_captures() -> None:
    for path in CAPTURES:
        frames, result = frames_of(path), replay(path)
        summary = result.summary()
        ip_frames = [frame for frame in frames if not isinstance(parse(frame), str)]
        assert summary.frames.packets == len(frames), path
        assert summary.counted.packets == len(ip_frames), path
        assert summary.counted.bytes == sum(frame.size for frame in ip_frames), path
        expected = [(row[0], row[1], row[2], row[3], *row[7:]) for row in Reference(frames).rows()]
        assert [
            (f.src, f.src_port, f.dst, f.dst_port, f.packets_tx, f.packets_rx, f.bytes_tx, f.bytes_rx)
            for f in result.flows()
        ] == expected, path


@pytest.mark.skipif(not CAPTURES, reason="../shared/fixtures/pcap is absent")
def test_a_port_reused_in_a_real_capture() -> None:
    [flow] = replay(FOLDER / "tcp/l4-source-port-reuse.pcap").flows()
    assert (flow.dst_port, flow.packets_tx, flow.packets_rx) == (443, 3, 1)
