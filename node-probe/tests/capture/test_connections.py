"""A port used again is another flow; a table that is full says so."""

from collections.abc import Callable

import pytest

import frames
from capture.wires import Wire, flows, take_all, totals, totals_and_counters
from weir_probe.capture.model import Capture
from weir_probe.streams.layout import LIVE, RETIRED

pytestmark = pytest.mark.root
FLOWS = 500


def test_a_port_used_again_is_another_flow(capture: Capture, wire: Wire) -> None:
    capture.attach(wire.host)
    take_all(capture, wire.host)
    wire.up()
    ends = (wire.pod4, wire.host4)

    def segment(flags: int, back: bool = False) -> bytes:
        source, destination = ends[::-1] if back else ends
        ports = (80, 4000) if back else (4000, 80)
        return frames.ethernet(frames.ip(source, destination, frames.TCP, frames.tcp(*ports, flags)))

    syn, ack, fin, rst = frames.SYN, frames.ACK, frames.FIN, frames.RST
    first = [segment(syn), segment(ack), segment(syn)]  # a repeated SYN is of the same flow
    half_closed = [segment(fin | ack), segment(syn)]
    for part in (first, half_closed):
        wire.inject(part)
    wire.inject([segment(fin | ack, back=True)], from_pod=False)
    wire.inject([segment(ack), segment(syn), segment(rst), segment(syn)])
    found = [flow for flow in flows(capture) if flow.protocol == frames.TCP]
    assert sorted((flow.state, flow.sent[0], flow.received[0]) for flow in found) == [
        (LIVE, 1, 0),
        (RETIRED, 2, 0),
        (RETIRED, 6, 1),
    ]


@pytest.mark.parametrize("rung", ["core", "bcc", "afpacket"])
def test_a_full_table_is_counted(open_rung: Callable[..., Capture], wire: Wire, rung: str) -> None:
    capture = open_rung(rung, slots=64)
    capture.attach(wire.host)
    take_all(capture, wire.host)
    wire.up()
    packets = [frames.ip(wire.pod4, wire.host4, frames.UDP, frames.udp(1 + n, 53)) for n in range(FLOWS)]
    for _ in range(2):
        wire.inject([frames.ethernet(packet) for packet in packets])
    seen, counters = totals_and_counters(capture, wire)
    assert seen.seen() == counters
    kept = sum(flow.state == LIVE for flow in flows(capture))
    assert 50 <= kept <= 64, "two choices fill a table well before they refuse"
    assert seen.outcomes["table_full"][0] >= 2 * (FLOWS - 64)
    assert totals(capture).outcomes["contended"] == (0, 0)
