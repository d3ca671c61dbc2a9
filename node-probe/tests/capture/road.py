"""A road: a client and a server with a router between them, which loses some of what the client sends. All of it has
passed the router's interface `near` before, where it is captured."""

from __future__ import annotations

import itertools
import json
import os
import selectors
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from capture.wires import ip
from weir_probe.capture.model import Interface, NetNs
from weir_probe.capture.tc import in_netns

CLIENT, SERVER, PORT = "10.0.1.1", "10.0.2.1", 7777
_numbers = itertools.count(1)
_RESETS = struct.pack("=ii", 1, 0)  # SO_LINGER: an RST, so that no FIN without data is sent again
#: Answers each connection with one byte once it has got as many bytes as asked for.
_SERVER = """
import selectors, socket, struct, sys
address, port, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
listener = socket.create_server((address, port), backlog=16_384)
listener.setblocking(False)
selector, due = selectors.DefaultSelector(), {}
selector.register(listener, selectors.EVENT_READ)
print("listening", flush=True)
while True:
    for key, _ in selector.select():
        peer = key.fileobj
        try:
            if peer is listener:
                while True:
                    accepted, _ = listener.accept()
                    accepted.setblocking(False)
                    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))
                    selector.register(accepted, selectors.EVENT_READ)
                    due[accepted] = size
            data = peer.recv(1 << 20)
            due[peer] -= len(data)
            if data and not due[peer]:
                peer.send(b"!")
        except BlockingIOError:
            continue
        except OSError:
            data = b""
        if not data:
            selector.unregister(peer)
            peer.close()
"""


@dataclass
class Road:
    """Each of the three has a network namespace of its own, so their counters have nothing else in them."""

    number: int = field(default_factory=lambda: next(_numbers))

    def __post_init__(self) -> None:
        stem = f"wr{os.getpid() % 10_000_000}x{self.number}"
        self.client, self.router, self.server = (NetNs(1, f"/run/netns/{stem}{which}") for which in ("a", "r", "b"))
        try:
            for netns in (self.client, self.router, self.server):
                ip("netns", "add", Path(netns.path).name)
                # which talks by itself before anything is captured
                self.run(
                    netns, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"
                )
            self._link(self.client, "near", CLIENT, "10.0.1.2")
            self._link(self.server, "far", SERVER, "10.0.2.2")
        except BaseException:
            self.remove()
            raise
        self.run(self.router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.run(self.server, "sysctl", "-qw", "net.core.somaxconn=16384", "net.ipv4.tcp_max_syn_backlog=16384")
        index = in_netns(self.router, lambda: socket.if_nametoindex("near"))
        self.near = Interface(self.router, index, "near", False, 2 * self.number)

    def _link(self, end: NetNs, name: str, address: str, gateway: str) -> None:
        inner, outer = Path(end.path).name, Path(self.router.path).name
        ip("-n", outer, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", inner)
        ip("-n", outer, "addr", "add", f"{gateway}/24", "dev", name)
        ip("-n", outer, "link", "set", name, "up")
        ip("-n", inner, "addr", "add", f"{address}/24", "dev", "eth0")
        ip("-n", inner, "link", "set", "eth0", "up")
        ip("-n", inner, "route", "add", "default", "via", gateway)

    def remove(self) -> None:
        for netns in (self.client, self.router, self.server):
            subprocess.run(["ip", "netns", "del", Path(netns.path).name], capture_output=True, check=False)

    def run(self, netns: NetNs, *command: str) -> str:
        """What a command says in a network namespace."""
        full = ["ip", "netns", "exec", Path(netns.path).name, *command]
        done = subprocess.run(full, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout

    def lose_one_in(self, packets: int) -> None:
        """By nftables, at random: of whatever the client sends, SYN too."""
        rules = f"add table ip t; add chain ip t c {{ type filter hook forward priority 0; }}; \
add rule ip t c iifname near tcp dport {PORT} numgen random mod {packets} == 0 drop"
        try:
            self.run(self.router, "nft", rules)
        except AssertionError as error:
            pytest.skip(f"nftables is not to be had: {error}")

    def narrow(self, rate: str, burst: str, limit: str) -> None:
        """By a token bucket whose queue is short: what comes too fast is lost."""
        queue = f"qdisc add dev far root tbf rate {rate} burst {burst} limit {limit}"
        self.run(self.router, "tc", *queue.split())

    def counters(self) -> tuple[int, int]:
        """Packets and bytes that passed `near`, both ways."""
        [link] = json.loads(self.run(self.router, "ip", "-s", "-j", "link", "show", "near"))
        ways = link["stats64"]["rx"], link["stats64"]["tx"]
        return sum(way["packets"] for way in ways), sum(way["bytes"] for way in ways)

    def retransmitted(self) -> tuple[int, int]:
        """RetransSegs of client and server (RFC 4022, tcpRetransSegs)."""
        return _retrans_segs(self.client), _retrans_segs(self.server)

    @contextmanager
    def serving(self, size: int) -> Iterator[None]:
        """Meanwhile the server answers each connection after `size` bytes."""
        command = [sys.executable, "-c", _SERVER, SERVER, str(PORT), str(size)]
        full = ["ip", "netns", "exec", Path(self.server.path).name, *command]
        with subprocess.Popen(full, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "listening\n"
                yield
            finally:
                process.kill()

    def connect(self, connections: int, size: int, meanwhile: Callable[[], object], together: int = 1) -> None:
        """Each sends `size` bytes and is answered, so many `together`; none ends before all are. `meanwhile` is called
        in between."""
        with self.serving(size), selectors.DefaultSelector() as selector:
            due = in_netns(self.client, lambda: [socket.socket() for _ in range(connections)])
            answered: list[socket.socket] = []
            deadline = time.monotonic() + 60
            while len(answered) < connections:
                assert time.monotonic() < deadline, f"{len(answered)} of {connections} connections are answered"
                while due and len(selector.get_map()) < together:
                    peer = due.pop()
                    peer.setblocking(False)
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESETS)
                    peer.connect_ex((SERVER, PORT))
                    selector.register(peer, selectors.EVENT_WRITE, memoryview(bytes(size)))
                for key, _ in selector.select(0.1):
                    connected, left = key.fileobj, key.data
                    assert isinstance(connected, socket.socket)
                    if left:
                        left = left[connected.send(left) :]
                        selector.modify(connected, selectors.EVENT_WRITE if left else selectors.EVENT_READ, left)
                    else:
                        assert connected.recv(10) == b"!"
                        selector.unregister(connected)
                        answered.append(connected)
                meanwhile()
            for peer in answered:
                peer.close()


def _retrans_segs(netns: NetNs) -> int:
    text = in_netns(netns, Path("/proc/thread-self/net/snmp").read_text)
    names, values = (line.split()[1:] for line in text.splitlines() if line.startswith("Tcp:"))
    return int(values[names.index("RetransSegs")])


@pytest.fixture
def road() -> Iterator[Road]:
    made = Road()
    yield made
    made.remove()
