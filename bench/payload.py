"""What payload costs in the kernel: prints figures, asserts nothing. Run as root: `.venv/bin/python bench/payload.py`.

Gross ns a packet by BPF_PROG_TEST_RUN, the median of runs between which the ring is emptied.
"""

import statistics
import struct

from flows import LOOPBACK, opened, select_all
from weir_probe.capture import syscall
from weir_probe.capture.kernel import KernelCapture
from weir_probe.streams.layout import EVERY, FIRST, GIVEN_UP, TURN_BYTES

RUNS, ROUNDS = 400, 200


def tcp_frame(payload: int, seq: int = 1) -> bytes:
    """Ethernet, IPv4 and a TCP segment with PSH."""
    body = struct.pack(">HHIIBBHHH", 1000, 8080, seq, 1, 80, 24, 64, 0, 0) + bytes(payload)
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, 6, 0) + bytes([10, 0, 0, 1, 10, 0, 0, 2])
    return bytes(12) + b"\x08\x00" + ip + body


def cost(capture: KernelCapture, payload: int, mode: int | None) -> float:
    """`mode` None: nobody wants payload. FIRST: of what is beyond a turn's first bytes."""
    frame = tcp_frame(payload, 1 + TURN_BYTES if mode == FIRST else 1)
    capture.set_payload(0 if mode is None else 1)
    program = capture.fds()["program:0:weir_ingress"]
    syscall.test_run(program, tcp_frame(payload), 1, ifindex=1)
    if mode is not None:
        capture.segments.intakes["mode"] = mode
    spent = []
    for _ in range(ROUNDS):
        spent.append(syscall.test_run(program, frame, RUNS, ifindex=1).duration_ns)
        capture.segments.tails[0] = capture.segments.heads[0]
    assert not capture.segments.lost()
    return statistics.median(spent)


def main() -> None:
    print(f"{'payload bytes':>14}{'off':>8}{'given up':>10}{'first':>8}{'every':>8}")
    with opened(1024) as capture:
        capture.segments.limit(1 << 34, 1 << 34)
        select_all(capture, LOOPBACK)
        for payload in (64, 400, 1448, 3000):
            off, given_up, first, every = (cost(capture, payload, mode) for mode in (None, GIVEN_UP, FIRST, EVERY))
            print(f"{payload:>14}{off:>8.0f}{given_up:>10.0f}{first:>8.0f}{every:>8.0f}", flush=True)
    print("first: what is beyond a turn's first bytes; those cost what `every` says")


if __name__ == "__main__":
    main()
