"""What an AF_PACKET ring was given is in the table, however late the reader is, and when an interface leaves."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest

from capture.wires import Wire, take_all, totals
from weir_probe.capture.afpacket import AfPacketCapture
from weir_probe.capture.model import Capture

pytestmark = pytest.mark.root


@pytest.fixture
def capture(open_rung: Callable[..., Capture], wire: Wire) -> AfPacketCapture:
    opened = open_rung("afpacket")
    assert isinstance(opened, AfPacketCapture)
    opened.attach(wire.host)
    take_all(opened, wire.host)
    wire.up()
    return opened


def send(wire: Wire, packets: int, every_s: float) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(packets):
            sender.sendto(b"x", (wire.pod4, 9))
            time.sleep(every_s)


def test_a_reader_held_up_for_a_second_loses_nothing(capture: AfPacketCapture, wire: Wire) -> None:
    before = totals(capture).stored[0]
    with capture._lock:
        send(wire, 100, 0.01)
    assert totals(capture).stored[0] - before >= 100
    assert capture.losses() == {"ring_full": 0}


def test_an_interface_that_leaves_takes_no_packet_with_it(capture: AfPacketCapture, wire: Wire) -> None:
    before = totals(capture).stored[0]
    for turn in range(1, 6):
        send(wire, 20, 0)
        capture.detach(wire.host)
        assert totals(capture).stored[0] - before >= 20 * turn
        capture.attach(wire.host)


def test_an_interface_that_is_gone_takes_no_packet_with_it(capture: AfPacketCapture, wire: Wire) -> None:
    before = totals(capture).stored[0]
    send(wire, 20, 0)
    wire.remove()
    capture.detach(wire.host)
    assert totals(capture).stored[0] - before >= 20
