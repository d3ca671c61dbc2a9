"""What a kernel signal costs: prints figures, asserts nothing. Run as root: `.venv/bin/python bench/signals.py`.

Nanoseconds a run of each program as the kernel reports them, of which some 67 are the measurement itself: for traffic
of an observed network namespace, and for the same traffic while another one is observed.
"""

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from weir_probe.capture import ladder
from weir_probe.capture.model import HOST, Interface, NetNs, Selected, Settings
from weir_probe.capture.signals import KernelSignals
from weir_probe.capture.tc import in_netns

CONNECTIONS, DATAGRAMS = 3000, 20_000
NAME = f"wb{os.getpid() % 10_000_000}"
POD, NODE = "10.199.0.2", "10.199.0.1"


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


@contextmanager
def pod() -> Iterator[Interface]:
    """A network namespace at the end of a veth; the end on this side."""
    ip("netns", "add", NAME)
    try:
        ip("link", "add", NAME, "type", "veth", "peer", "name", "eth0", "netns", NAME)
        ip("addr", "add", f"{NODE}/24", "dev", NAME)
        ip("-n", NAME, "addr", "add", f"{POD}/24", "dev", "eth0")
        ip("-n", NAME, "link", "set", "eth0", "up")
        ip("link", "set", NAME, "up")
        yield Interface(HOST, socket.if_nametoindex(NAME), NAME, pod_side=False, id=1)
    finally:
        ip("netns", "del", NAME)


def traffic() -> None:
    """Connections that are opened and closed, ones that are refused, datagrams to nobody."""
    listener = in_netns(NetNs(path=f"/run/netns/{NAME}"), lambda: socket.create_server((POD, 7000), backlog=64))

    def serve() -> None:
        for _ in range(CONNECTIONS):
            listener.accept()[0].close()

    server = threading.Thread(target=serve)
    server.start()
    for _ in range(CONNECTIONS):
        socket.create_connection((POD, 7000)).close()
        socket.socket().connect_ex((POD, 7001))
    server.join()
    listener.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(DATAGRAMS):
            sender.sendto(b"", (POD, 7002))


def measure(signals: KernelSignals) -> dict[str, tuple[int, int]]:
    """Runs, and nanoseconds each, by signal."""
    before = signals.overhead()
    traffic()
    after = signals.overhead()
    runs = {name: after[name].run_count - before[name].run_count for name in after}
    return {
        name: (count, (after[name].run_time_ns - before[name].run_time_ns) // count)
        for name, count in runs.items()
        if count
    }


def main() -> None:
    with pod() as interface:
        capture = ladder.open_capture(Settings(rung="core"))
        capture.attach(interface)
        capture.program([Selected(interface, opened_in=1, opened_out=1)], {}, 1)
        capture.measure(True)
        signals = KernelSignals(capture)
        inode = Path(f"/run/netns/{NAME}").stat().st_ino
        for label, netns in (("observed", inode), ("another is observed", 1)):
            signals.watch({netns: interface.id})
            for name, (count, each_ns) in measure(signals).items():
                print(f"{label}: {name}: {count} runs, {each_ns} ns each, {signals.lost} signals lost in all")
            signals.take()
        signals.close()
        capture.close()


if __name__ == "__main__":
    main()
