"""What counting a flow costs: prints figures, asserts nothing. Run as root: `.venv/bin/python bench/flows.py`.

`gross` is what the kernel reports; `net` is minus the same test with a program that only returns.
"""

import ctypes
import os
import socket
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from weir_probe.capture import ladder, syscall
from weir_probe.capture.kernel import KernelCapture
from weir_probe.capture.model import HOST, Capture, Interface, NetNs, Selected, Settings

ROUNDS = 5
_SERVER = bytes(10) + b"\xff\xff" + bytes([10, 0, 0, 2])  # of ipv4_frame, v4-mapped
LOOPBACK = Interface(HOST, 1, "lo", pod_side=False, id=1)


def ipv4_frame(protocol: int, source_port: int, payload: int = 18, flags: int = 16) -> bytes:
    """Ethernet, IPv4, and UDP or a TCP segment in mid-connection. The same data again is a retransmission."""
    ports = struct.pack(">HH", source_port, 8080)
    header = ports + (
        struct.pack(">HH", 8 + payload, 0) if protocol == 17 else struct.pack(">IIBBHHH", 1, 1, 80, flags, 64, 0, 0)
    )
    body = header + bytes(payload)
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, protocol, 0) + bytes([10, 0, 0, 1, 10, 0, 0, 2])
    return bytes(12) + b"\x08\x00" + ip + body


def select_all(capture: Capture, interface: Interface) -> None:
    capture.program([Selected(interface, opened_in=1, opened_out=1)], {}, 1)


def empty_program() -> int:
    """A tc program that returns TC_ACT_UNSPEC and nothing else: the price of the measurement itself."""
    instructions = struct.pack("=BBhiBBhi", 0xB7, 0, 0, -1, 0x95, 0, 0, 0)
    code = ctypes.create_string_buffer(instructions, len(instructions))
    licence = ctypes.create_string_buffer(b"GPL")
    return syscall.program_load(3, ctypes.addressof(code), 2, ctypes.addressof(licence))


def best(measure: Callable[[], float]) -> float:
    """The median of several rounds: the machine may be shared."""
    return statistics.median(measure() for _ in range(ROUNDS))


def one_flow(program: int, frame: bytes) -> float:
    return best(lambda: float(syscall.test_run(program, frame, 1_000_000, ifindex=1).duration_ns))


def round_robin(program: int, protocol: int, flows: int) -> float:
    """Every flow in turn, one run each, timed by bpf_stats: the program with cold slots."""
    frames = [ipv4_frame(protocol, 1 + flow % 60_000, 18 + flow // 60_000) for flow in range(flows)]
    for frame in frames:
        syscall.test_run(program, frame, 1, ifindex=1)
    rounds = max(1, 50_000 // flows)
    before = syscall.program_info(program)
    for _ in range(rounds):
        for frame in frames:
            syscall.test_run(program, frame, 1, ifindex=1)
    after = syscall.program_info(program)
    return (after.run_time_ns - before.run_time_ns) / (after.run_count - before.run_count)


def bench_test_run() -> None:
    print("\nBPF_PROG_TEST_RUN, ns a packet (many flows: bpf_stats around single runs, one system call between two)")
    empty = empty_program()
    print(f"{'':12}{'flows':>8}{'gross':>9}{'net':>9}")
    with opened() as capture:
        select_all(capture, LOOPBACK)
        program = capture.fds()["program:0:weir_ingress"]
        floor = one_flow(empty, ipv4_frame(17, 1000))
        print(f"{'empty':12}{'':>8}{floor:>9.0f}{0:>9.0f}")
        for name, frame in (
            ("UDP", ipv4_frame(17, 1000)),
            ("TCP, ACK", ipv4_frame(6, 1000, 0)),
            ("TCP, data", ipv4_frame(6, 1000)),
            ("TCP, push", ipv4_frame(6, 1000, flags=24)),
        ):
            gross = one_flow(program, frame)
            print(f"{name:12}{1:>8}{gross:>9.0f}{gross - floor:>9.0f}")
        capture.measure(True)
        before = syscall.program_info(empty)
        for _ in range(20_000):
            syscall.test_run(empty, ipv4_frame(17, 1000), 1, ifindex=1)
        after = syscall.program_info(empty)
        floor = (after.run_time_ns - before.run_time_ns) / (after.run_count - before.run_count)
        print(f"{'empty, cold':12}{'':>8}{floor:>9.0f}{0:>9.0f}")
        for name, protocol in (("UDP", 17), ("TCP", 6)):
            for flows in (1, 1000, 10_000, 50_000):
                gross = round_robin(program, protocol, flows)
                print(f"{name:12}{flows:>8}{gross:>9.0f}{gross - floor:>9.0f}")
    os.close(empty)


def bench_insert() -> None:
    print("\ninsertion of a flow by selector.peers, ns gross by bpf_stats, 20,000 flows; and ms to write the prefixes")
    print(f"{'prefixes':>20}{'gross':>9}{'ms':>9}")
    for prefixes in (0, 1, 1000, 60_000):
        with opened() as capture:
            chosen = [
                bytes(10) + b"\xff\xff" + bytes([11, n >> 16, n >> 8 & 255, n & 255]) for n in range(prefixes - 1)
            ]
            peers = dict.fromkeys([(packed, 128) for packed in [*chosen, _SERVER]], 1) if prefixes else {}
            started = time.perf_counter()
            capture.program([Selected(LOOPBACK, 1, 1, by_peer=1 if prefixes else 0)], {}, 1, peers)
            took_ms = (time.perf_counter() - started) * 1000
            program = capture.fds()["program:0:weir_ingress"]
            capture.measure(True)
            before = syscall.program_info(program)
            for flow in range(20_000):
                syscall.test_run(program, ipv4_frame(17, 1 + flow), 1, ifindex=1)
            after = syscall.program_info(program)
            spent = (after.run_time_ns - before.run_time_ns) / (after.run_count - before.run_count)
            print(f"{prefixes:>20}{spent:>9.0f}{took_ms:>9.1f}")


@contextmanager
def opened(slots: int = 262_144) -> Iterator[KernelCapture]:
    capture = ladder.open_capture(Settings(rung="core", slots=slots))
    assert isinstance(capture, KernelCapture)
    try:
        yield capture
    finally:
        capture.close()


@contextmanager
def veth() -> Iterator[tuple[Interface, NetNs]]:
    """A veth into a new network namespace: its host side, and the namespace."""
    name = f"wb{os.getpid() % 100_000}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        for command in (
            f"link add {name} type veth peer name eth0 netns {name}",
            f"addr add 198.18.0.1/30 dev {name}",
            f"link set {name} up",
            f"-n {name} addr add 198.18.0.2/30 dev eth0",
            f"-n {name} link set eth0 up",
            f"-n {name} link set lo up",
            "route add 198.19.0.0/16 via 198.18.0.2",  # which does not forward: packets end there
        ):
            subprocess.run(["ip", *command.split()], check=True)
        yield Interface(HOST, socket.if_nametoindex(name), name, False, 1), NetNs(1, f"/run/netns/{name}")
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def bench_live() -> None:
    print("\nlive, UDP over a veth, few sockets and many addresses, ns a packet by bpf_stats")
    print(f"{'flows':>20}{'gross':>9}{'packets':>10}")
    with veth() as (interface, _), opened() as capture:
        capture.attach(interface)
        select_all(capture, interface)
        for flows in (1, 1000, 10_000):
            sources = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(min(flows, 20))]
            for source in sources:
                source.bind(("198.18.0.1", 0))
            targets = [(f"198.19.{n // 250}.{n % 250 + 1}", 9) for n in range(flows // len(sources))]
            send(sources, targets, 1)
            capture.measure(True)
            before = capture.overhead()
            send(sources, targets, 200_000 // flows)
            after = capture.overhead()
            capture.measure(False)
            count = after.run_count - before.run_count
            print(f"{flows:>20}{(after.run_time_ns - before.run_time_ns) / count:>9.0f}{count:>10}")
            for source in sources:
                source.close()


def send(sources: list[socket.socket], targets: list[tuple[str, int]], rounds: int) -> None:
    for _ in range(rounds):
        for target in targets:
            for source in sources:
                source.sendto(b"x" * 64, target)


def bench_start() -> None:
    print("\nopen to attached, s; and resident memory of the process then, MiB")
    code = (
        "import time,sys;start=time.perf_counter();"
        "from weir_probe.capture import ladder;from weir_probe.capture.model import HOST,Interface,Settings;"
        "imported=time.perf_counter();"
        "c=ladder.open_capture(Settings(rung=sys.argv[1]));c.attach(Interface(HOST,int(sys.argv[2]),sys.argv[3],False,1));"
        "done=time.perf_counter();"
        "rss=next(l for l in open('/proc/self/status') if l.startswith('VmRSS')).split()[1];"
        "print(f'{sys.argv[1]:>12} imports {imported-start:.2f}  open and attach {done-imported:.2f}',"
        "f'  RSS {int(rss)/1024:.0f}');"
        "c.close()"
    )
    with veth() as (interface, _):
        for rung in ("core", "bcc", "afpacket"):
            subprocess.run([sys.executable, "-c", code, rung, str(interface.ifindex), interface.name], check=False)


if __name__ == "__main__":
    bench_test_run()
    bench_insert()
    bench_live()
    bench_start()
