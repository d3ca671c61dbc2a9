"""Whose sockets a flow has: the processes at its observed ends, also those that were there before the probe."""

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from capture.wires import Wire
from kernel_signals.conftest import Watch
from kernel_signals.stage import server

pytestmark = pytest.mark.root
CONTAINER = "5e11ed" + "0" * 58


def connect(wire: Wire, address: str, port: int, *, in_pod: bool) -> int:
    """A shell connects and reads one byte; its pid."""
    script = f"echo $$; exec 3<>/dev/tcp/{address}/{port}; read -N1 -u3 byte; test $byte = !"
    command = [*(["ip", "netns", "exec", wire.name] if in_pod else []), "bash", "-c", script]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A container's cgroup, as Docker names it."""
    roots = [
        path for path in (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")) if (path / "cgroup.procs").exists()
    ]
    if not roots:
        pytest.skip("no hierarchy of cgroup v2 is mounted")
    made = roots[0] / f"docker-{CONTAINER}.scope"
    made.mkdir()
    yield made
    made.rmdir()


def test_a_server(watch: Watch, up: Wire) -> None:
    watched = watch(up)
    with server(up, 7000) as process:
        connect(up, up.pod4, 7000, in_pod=False)
        record = watched.record(dst_port=7000)
    assert (record["dst_pid"], record["dst_command"]) == (process.pid, "python3")
    assert record["dst_bytes_acked"] == 2, "one byte, and a FIN"
    assert "src_pid" not in record, "the other end is not observed"
    assert "src_cwnd" not in record


def test_a_server_that_listened_before(watch: Watch, up: Wire) -> None:
    with server(up, 7000) as process:
        watched = watch(up)
        connect(up, up.pod4, 7000, in_pod=False)
        record = watched.record(dst_port=7000)
    assert (record["dst_pid"], record["dst_command"]) == (process.pid, "python3")


def test_a_client(watch: Watch, up: Wire) -> None:
    watched = watch(up)
    with server(up, 7001, inside=False):
        pid = connect(up, up.host4, 7001, in_pod=True)
        record = watched.record(dst_port=7001)
    assert (record["src_pid"], record["src_command"]) == (pid, "bash")
    assert record["src_srtt_us"] >= record["src_min_rtt_us"] > 0
    assert record["src_bytes_received"] >= 1
    assert "dst_pid" not in record


def test_a_connection_that_was_open_before(watch: Watch, up: Wire) -> None:
    """It has no SYN that anybody saw, and its owner's connect(2) is long over."""
    with server(up, 7000) as process, socket.create_connection((up.pod4, 7000)) as client:
        assert client.recv(1) == b"!"
        watched = watch(up)
        client.sendall(b"more")
        client.close()
        record = watched.record(dst_port=7000)
    assert (record["dst_pid"], record["dst_command"]) == (process.pid, "python3")


def test_a_container(watch: Watch, up: Wire, cgroup: Path) -> None:
    watched = watch(up)
    with server(up, 7000, cgroup=cgroup) as process:
        connect(up, up.pod4, 7000, in_pod=False)
        record = watched.record(dst_port=7000)
    assert record["dst_pid"] == process.pid
    assert record["dst_cgroup"] == cgroup.stat().st_ino
    assert record["dst_container"] == CONTAINER
