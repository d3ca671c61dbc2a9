"""Real servers and clients, alone in a network namespace, and all that passes between them on tape.

    tape.start("redis-server", "--port", "6379", ready=6379)
    tape.inside(lambda: talk_to("127.0.0.1", 6379))
    calls = tape.calls()

What is worth keeping is kept by `tape.keep("redis/pipelined")` when pytest runs with `--record`: the capture, and
beside it the calls that it gave, which the test has compared with what the server knows. test_recorded.py plays them.
"""

from __future__ import annotations

import itertools
import json
import os
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from captures import pcap
from conversation import Frame
from weir_probe.capture.model import NetNs
from weir_probe.capture.tc import in_netns
from weir_probe.protocols.parser import Spec
from weir_probe.protocols.registry import PROTOCOLS
from weir_probe.replay import replay_calls

RECORDED: Final = Path(__file__).parent / "recorded"
#: What differs from play to play of one capture, or follows from what the others say.
_NOT_KEPT: Final = ("src", "dst", "transport")
_SO_RCVBUFFORCE, _SO_TIMESTAMPNS = 33, 35
_SOL_PACKET, _PACKET_STATISTICS, _PACKET_IGNORE_OUTGOING = 263, 6, 23
_ETH_P_ALL = socket.htons(0x0003)
_BUFFER = 1 << 29
_numbers = itertools.count(1)

Result = TypeVar("Result")


class Recording:
    """A namespace with loopback in it. Needs root."""

    #: Where servers are to listen.
    address = "127.0.0.1"

    def __init__(self, *, keeps: bool = False) -> None:
        self.name = f"weir-tape-{os.getpid()}-{next(_numbers)}"
        self.netns = self.clients = NetNs(1, f"/run/netns/{self.name}")
        self.keeps = keeps
        self.frames: list[Frame] = []
        self.processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        try:
            subprocess.run(["ip", "-n", self.name, "link", "set", "lo", "up"], check=True)
            raw = self.inside(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, _ETH_P_ALL))
            raw.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)  # loopback shows each packet twice
            self.listen("lo", raw)
        except BaseException:
            subprocess.run(["ip", "netns", "del", self.name], check=False)
            raise
        return self

    def listen(self, interface: str, raw: socket.socket) -> None:
        """Record an interface with this packet socket of its namespace: it keeps all until somebody asks."""
        self.socket = raw
        raw.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        raw.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        raw.bind((interface, 0))
        raw.settimeout(0.15)

    def __exit__(self, *_: object) -> None:
        self.end()
        subprocess.run(["ip", "netns", "del", self.name], check=True)

    def end(self) -> None:
        """End the servers, and what records."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(30)
        self.socket.close()

    def start(
        self, *command: str | Path, ready: int = 0, within_s: float = 60, **options: Any
    ) -> subprocess.Popen[bytes]:
        """Run a server in its namespace until the end; `ready`: wait for a listener on that TCP port."""
        process = subprocess.Popen(["ip", "netns", "exec", self.name, *map(str, command)], **options)
        self.processes.append(process)
        deadline = time.monotonic() + within_s
        while ready and not in_netns(self.netns, lambda: _listens(ready)):
            assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
            assert time.monotonic() < deadline, f"{command[0]} does not listen on {ready}"
            time.sleep(0.05)
        return process

    def inside(self, work: Callable[[], Result]) -> Result:
        """Call it in a thread where clients are; threads that it makes, and programs that it runs, are there too."""
        return in_netns(self.clients, work)

    def erase(self) -> None:
        """Forget what was recorded so far."""
        self.read()
        self.frames.clear()

    def capture(self) -> bytes:
        """What was recorded so far, as a pcap file."""
        self.read()
        return pcap(self.frames)

    def calls(self, protocols: Iterable[Spec] = PROTOCOLS, *, redacts: bool = True) -> list[dict[str, Any]]:
        """The calls in what was recorded so far; none may be lost."""
        return calls_of(self.capture(), protocols, redacts=redacts)

    def keep(self, name: str) -> None:
        """Keep the recording as `recorded/<name>.pcap` and its calls as `.jsonl`, if this is what the run is for."""
        if not self.keeps:
            return
        path = RECORDED / name
        path.parent.mkdir(parents=True, exist_ok=True)
        capture = self.capture()
        path.with_suffix(".pcap").write_bytes(capture)
        with path.with_suffix(".jsonl").open("w") as file:
            for call in calls_of(capture):
                told = {
                    name: value for name, value in call.items() if name not in _NOT_KEPT and value not in ("", {}, None)
                }
                file.write(json.dumps(told) + "\n")

    def read(self) -> None:
        """Put on tape what has passed so far, of which nothing is lost."""
        while True:
            try:
                data, ancillary, _, _ = self.socket.recvmsg(262_144, 64)
            except TimeoutError:
                break
            [(_, _, stamp)] = ancillary
            seconds, nanoseconds = struct.unpack("qq", stamp)
            self.frames.append(Frame(data, seconds * 1_000_000_000 + nanoseconds))
        _, dropped = struct.unpack("II", self.socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        assert dropped == 0, f"{dropped} packets are not on tape"


def calls_of(
    capture: bytes | Path, protocols: Iterable[Spec] = PROTOCOLS, *, redacts: bool = True
) -> list[dict[str, Any]]:
    """The calls in a capture, which is whole: none may be lost."""
    found: list[dict[str, Any]] = []

    def write(lines: Iterable[str]) -> None:
        found.extend(json.loads(line) for line in lines)

    source = BytesIO(capture) if isinstance(capture, bytes) else capture
    summary = replay_calls(source, write, protocols=protocols, redacts=redacts)
    assert summary.error is None
    assert not any(summary.lost.values()), summary.lost
    return found


def kept() -> Sequence[Path]:
    """The captures that were kept, of all protocols."""
    return sorted(RECORDED.rglob("*.pcap"))


def _listens(port: int) -> bool:
    listening = f":{port:04X} 00000000:0000 0A", f":{port:04X} 00000000000000000000000000000000:0000 0A"
    # the thread's own namespace, not the process's
    tables = (Path(f"/proc/thread-self/net/{table}").read_text() for table in ("tcp", "tcp6"))
    return any(mark in table for table in tables for mark in listening)
