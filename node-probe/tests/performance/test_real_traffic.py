"""Real connections with packets dropped after the hook: what is measured equals what the kernel's TCP says."""

from __future__ import annotations

import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from capture.wires import Wire, take_all
from weir_probe.capture import ladder
from weir_probe.capture.model import CaptureError, Rung, Settings
from weir_probe.streams.layout import BYTES_BITS, LIVE, TIMES
from weir_probe.streams.measures import Measures

pytestmark = pytest.mark.root
PORT = 7777


@pytest.fixture
def lossy() -> Iterator[Wire]:
    """The pod drops one in seventeen of the segments that reach it: after the host's hook, which sees them all."""
    wire = Wire()
    try:
        wire.up()
        rules = f"add table ip t; add chain ip t c {{ type filter hook prerouting priority -300; }}; add rule ip t c \
tcp dport {PORT} tcp flags & (syn|fin|rst) == 0 meta length > 200 numgen inc mod 17 == 0 drop"
        done = subprocess.run(
            ["ip", "netns", "exec", wire.name, "nft", rules], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"nftables is not to be had: {done.stderr}")
        yield wire
    finally:
        wire.remove()


def send(wire: Wire, size: int) -> int:
    """`size` bytes from the host to the pod; returns how many segments were sent again: what the connection adds to the
    RetransSegs of its network namespace (struct tcp_info, tcpi_total_retrans)."""
    listener = wire.in_pod(lambda: socket.create_server((wire.pod4, PORT)))

    def drain() -> None:
        connection, _ = listener.accept()
        with connection:
            while connection.recv(1 << 16):
                pass
            connection.sendall(b"done")

    reader = threading.Thread(target=drain)
    reader.start()
    with listener, socket.create_connection((wire.pod4, PORT), timeout=60) as sender:
        sender.sendall(bytes(size))
        sender.shutdown(socket.SHUT_WR)
        assert sender.recv(10) == b"done"
        reader.join(60)
        info = sender.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        return int(struct.unpack_from("=I", info, 100)[0])


@pytest.mark.parametrize("rung", ["core", "afpacket"])
@pytest.mark.parametrize("gso", ["on", "off"])
def test_retransmissions_equal_the_kernels(lossy: Wire, gso: str, rung: Rung) -> None:
    subprocess.run(["ethtool", "-K", lossy.name, "gso", gso, "tso", gso], capture_output=True, check=False)
    try:
        capture = ladder.open_capture(Settings(rung=rung, slots=1024))
    except CaptureError as error:
        pytest.skip(f"this machine refuses the rung {rung}: {error}")
    try:
        capture.attach(lossy.host)
        take_all(capture, lossy.host)
        expected = send(lossy, 8_000_000)
        measures = Measures(capture.measured)
        deadline = time.monotonic() + 30
        retrans = -1
        while retrans != expected and time.monotonic() < deadline:  # AF_PACKET reads its ring when it gets to it
            time.sleep(0.05)
            measures.apply(capture.samples())
            flows = np.flatnonzero((capture.slots["state"] >= LIVE) & (capture.slots["proto"] == 6))
            retrans = int((capture.slots["retrans"] + capture.measured["retrans"])[flows].sum())
        if any(capture.losses().values()):
            pytest.skip(f"the machine was too busy to read every frame: {capture.losses()}")
        assert expected > 0
        assert retrans == expected
        assert not any(capture.unmeasured().values())
        packets = (capture.slots["traffic"][flows] >> np.uint64(BYTES_BITS)).sum()
        assert packets + capture.slots["merged"][flows].sum() >= 8_000_000 / 1460, "each segment counts"
        counts = capture.measured["count"][flows].sum(axis=0)
        assert counts[TIMES.index("rtt")] == counts[TIMES.index("rtt_server")] == 1
    finally:
        capture.close()
