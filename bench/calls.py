"""What calls cost: prints figures, asserts nothing. `.venv/bin/python bench/calls.py [protocol …]`.

Captures of real servers (node-probe/tests/recorded) are played from memory, each time from another client, through
packet decoding, flow table, reassembly, parsing and pairing, to rows of the call book. CPU time of one core.
"""

from __future__ import annotations

import statistics
import struct
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Final

from weir_probe.capture.pcap import CaptureDecoder, read_capture
from weir_probe.protocols.registry import NAMES, PROTOCOLS
from weir_probe.streams.call_engine import CallEngine
from weir_probe.streams.engine import FlowEngine
from weir_probe.streams.table import FlowTable

RECORDED: Final = Path(__file__).parents[1] / "node-probe/tests/recorded"
PACKETS, ROUNDS = 50_000, 3
_FILE_HEADER, _PACKET_HEADER = 24, 16
_ETHERNET, _IPV4 = 14, 20


def packets(capture: bytes) -> Iterator[tuple[int, bytes]]:
    """Time in ns and frame of each, as recording.py writes them: Ethernet, IPv4, little-endian nanoseconds."""
    at = _FILE_HEADER
    while at < len(capture):
        seconds, nanoseconds, size, _ = struct.unpack_from("<IIII", capture, at)
        at += _PACKET_HEADER
        yield seconds * 1_000_000_000 + nanoseconds, capture[at : at + size]
        at += size


def many_times(capture: bytes, count: int) -> bytes:
    """The capture again and again, about so many packets: 1 ms later, and from a client of its own, each time."""
    whole = list(packets(capture))
    clients: dict[tuple[int, int], bool] = {}  # of a connection: whether its lower port is the client's
    out = [capture[:_FILE_HEADER]]
    for round_ in range(max(1, count // len(whole))):
        address = struct.pack(">I", 0x0A000000 + round_)
        for ts_ns, frame in whole:
            ports = struct.unpack_from(">HH", frame, _ETHERNET + _IPV4)
            from_client = clients.setdefault((min(ports), max(ports)), ports[0] < ports[1]) == (ports[0] < ports[1])
            place = _ETHERNET + (12 if from_client else 16)
            seconds, nanoseconds = divmod(ts_ns + round_ * 1_000_000, 1_000_000_000)
            out.append(struct.pack("<IIII", seconds, nanoseconds, len(frame), len(frame)))
            out.append(frame[:place] + address + frame[place + 4 :])
    return b"".join(out)


def play(capture: bytes) -> tuple[float, int, int]:
    """CPU seconds, calls and packets of one capture."""
    calls = 0

    def release() -> None:
        nonlocal calls
        calls += engine.book.count
        engine.book.release()

    flows = FlowEngine(FlowTable(capacity=65_536, max_flows=1 << 20))
    engine = CallEngine(PROTOCOLS, on_done=release)
    decoder = CaptureDecoder(flows, engine)
    begin = time.process_time()
    read_capture(BytesIO(capture), decoder)
    engine.finish()
    spent = time.process_time() - begin
    release()
    return spent, calls, sum(1 for _ in packets(capture))


def main(names: list[str]) -> None:
    print(f"{'capture':<28}{'calls':>10}{'packets':>10}{'calls/s/core':>15}{'ns/call':>10}{'ns/packet':>12}")
    for path in sorted(RECORDED.rglob("*.pcap")):
        if path.parent.name not in names:
            continue
        capture = many_times(path.read_bytes(), PACKETS)
        rounds = [play(capture) for _ in range(ROUNDS)]
        spent = statistics.median(spent for spent, _, _ in rounds)
        _, calls, count = rounds[0]
        print(
            f"{path.parent.name + '/' + path.stem:<28}{calls:>10}{count:>10}"
            f"{calls / spent:>15,.0f}{spent / calls * 1e9:>10.0f}{spent / count * 1e9:>12.0f}"
        )


if __name__ == "__main__":
    main(sys.argv[1:] or list(NAMES))
