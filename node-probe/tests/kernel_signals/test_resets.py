"""Resets: who sent them, why, and in which state."""

import socket
import struct

import pytest

from capture.wires import Wire
from kernel_signals.conftest import Watch
from kernel_signals.stage import server

pytestmark = pytest.mark.root
RESETS = "weir_tcp_resets_total"


def abort(connection: socket.socket) -> None:
    """Close with a RST: SO_LINGER of 0 seconds (RFC 9293 §3.10.4, ABORT)."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_a_closed_port(watch: Watch, up: Wire) -> None:
    watched = watch(up)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((up.pod4, 7100))
    record = watched.record(dst_port=7100)
    assert (record["reset_by"], record["reset_reason"], record["reset_state"]) == ("dst", "NO_SOCKET", "NONE")
    assert watched.metric(RESETS) == {("transmit", "NO_SOCKET", "NONE"): 1}


def test_one_that_is_received(watch: Watch, up: Wire) -> None:
    """Its sender is not observed: nobody here knows why."""
    watched = watch(up)
    with server(up, 7101):
        client = socket.create_connection((up.pod4, 7101))
        assert client.recv(1) == b"!"
        abort(client)
        record = watched.record(dst_port=7101)
    assert (record["reset_by"], record["reset_state"]) == ("src", "ESTABLISHED")
    assert "reset_reason" not in record
    assert watched.metric(RESETS) == {("receive", "", "ESTABLISHED"): 1}


def test_one_that_is_sent(watch: Watch, up: Wire) -> None:
    """Data was not read (RFC 2525 §2.17)."""
    watched = watch(up)
    with socket.create_server((up.host4, 7102)) as listener:
        client = up.in_pod(lambda: socket.create_connection((up.host4, 7102)))
        accepted, _ = listener.accept()
        with accepted:
            accepted.sendall(b"unread")
            assert client.recv(1, socket.MSG_PEEK) == b"u"
            client.close()
            record = watched.record(dst_port=7102)
    assert (record["reset_by"], record["reset_reason"]) == ("src", "TCP_ABORT_ON_CLOSE")
    assert sum(watched.metric(RESETS, direction="transmit", reason="TCP_ABORT_ON_CLOSE").values()) == 1
