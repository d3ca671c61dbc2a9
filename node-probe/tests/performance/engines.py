"""One conversation through each engine: a capture file, BPF_PROG_TEST_RUN, and a wire that the kernel's programs and
AF_PACKET are on. All must say the same of it, field by field."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from capture.wires import Wire, settle, take_all
from conversation import Frame, play
from weir_probe.capture import ladder, syscall
from weir_probe.capture.kernel import KernelCapture
from weir_probe.capture.model import HOST, Capture, CaptureError, Interface, Rung, Selected, Settings
from weir_probe.replay import Flow
from weir_probe.streams.layout import BYTES_BITS, BYTES_MASK, LIVE, SLOT, TIMES
from weir_probe.streams.measures import MEASURED, Measures
from weir_probe.streams.performance import CLOSE_TYPES, close_type

LOOPBACK = Interface(HOST, 1, "lo", pod_side=False, id=1)
SLOTS = 1 << 14
_TCP = 6
Figures = dict[str, Any]


class Kernel:
    """The program, run on frames with the times they have."""

    def __init__(self, rung: Rung) -> None:
        capture = ladder.open_capture(Settings(rung=rung, slots=SLOTS, stamped=True))
        assert isinstance(capture, KernelCapture)
        self.capture = capture
        capture.program([Selected(LOOPBACK, opened_in=1, opened_out=1)], {}, 1)
        self.program = capture.fds()["program:0:weir_ingress"]

    def play(self, frames: Sequence[Frame], segments: int = 0) -> None:
        """The flows of these frames alone are in the capture's memory then."""
        empty(self.capture)
        for frame in frames:
            syscall.test_run(self.program, frame.data, ifindex=1, ts_ns=frame.ts_ns, segments=segments)
        Measures(self.capture.measured).apply(self.capture.samples())


class Live:
    """A wire, and captures on it that see each frame when it comes."""

    def __init__(self, rungs: Sequence[Rung]) -> None:
        self.wire = Wire()
        self.captures: list[Capture] = []
        try:
            for rung in rungs:
                self.captures.append(ladder.open_capture(Settings(rung=rung, slots=SLOTS)))
                self.captures[-1].attach(self.wire.host)
                take_all(self.captures[-1], self.wire.host)
            self.wire.up()
        except BaseException:
            self.close()
            raise

    def play(self, frames: Sequence[Frame]) -> None:
        for capture in self.captures:
            empty(capture)
        self.wire.inject([frame.data for frame in frames])
        for capture in self.captures:
            settle(capture)
            Measures(capture.measured).apply(capture.samples())

    def close(self) -> None:
        for capture in self.captures:
            capture.close()
        self.wire.remove()


def empty(capture: Capture) -> None:
    """Forget all flows."""
    capture.samples()
    capture.slots[:] = np.zeros((), SLOT)
    capture.measured[:] = np.zeros((), MEASURED)


def figures(slots: npt.NDArray[Any], measured: npt.NDArray[Any]) -> list[Figures]:
    """Each TCP flow as replay tells it (replay.Flow), as far as a slot has it."""
    taken = np.flatnonzero((slots["state"] >= LIVE) & (slots["proto"] == _TCP))
    return [_figures(slots[at], measured[at]) for at in sorted(taken, key=lambda at: int(slots["first_ns"][at]))]


def _figures(slot: Any, more: Any) -> Figures:
    found: Figures = {}
    sides = int(slot["opener"]), 1 - int(slot["opener"])
    for name, way in (("tx", 0), ("rx", 1)):
        word, other = int(slot["traffic"][sides[way]]), 1 - way
        found |= {
            f"packets_{name}": word >> BYTES_BITS,
            f"bytes_{name}": word & BYTES_MASK,
            f"retrans_{name}": int(slot["retrans"][way]) + int(more["retrans"][way]),
            f"ooo_{name}": int(more["ooo"][way]),
            f"zero_win_{name}": int(slot["zero_win"][way]),
            f"retrans_syn_{name}": int(slot["retrans_opening"][way].sum()),
            ("retrans_syn", "retrans_synack")[way]: int(slot["retrans_opening"][[way, other], [way, way]].sum()),
        }
    for number, name in enumerate(TIMES[:-1]):
        found[f"{name}_count"] = int(more["count"][number])
        found[f"{name}_sum_us"] = int(more["sum_ns"][number]) / 1000
        found[f"{name}_max_us"] = int(more["max_ns"][number]) / 1000
    found["rtt_us"] = int(more["last_rtt_ns"]) / 1000
    found |= {name: int(slot[name]) for name in ("syn", "synack", "fin")}
    client, server = (int(slot["tcp_flags"][side]) for side in sides)
    found["close_type"] = CLOSE_TYPES[close_type(int(slot["opening"]), int(slot["reset"]), client, server, False)]
    return found


class Engines:
    """All that this machine has."""

    def __init__(self, kernels: Sequence[Kernel], live: Live | None) -> None:
        self.kernels, self.live = kernels, live

    def flows(self, frames: Sequence[Frame]) -> list[Flow]:
        """The flows of these frames, which all engines agree on; live, but for how long things took."""
        flows = play(list(frames))
        told = [asdict(flow) for flow in flows if flow.protocol == "TCP"]
        for kernel in self.kernels:
            kernel.play(frames)
            agree(figures(kernel.capture.slots, kernel.capture.measured), told)
        if self.live is not None:
            self.live.play(frames)
            for capture in self.live.captures:
                agree(figures(capture.slots, capture.measured), told, timeless=True)
        return flows

    def flow(self, frames: Sequence[Frame]) -> Flow:
        """Where there is one."""
        [flow] = self.flows(frames)
        return flow


def agree(found: list[Figures], told: list[Figures], timeless: bool = False) -> None:
    kept = [{name: flow[name] for name in flow if not (timeless and name.endswith("_us"))} for flow in found]
    assert kept == [{name: flow[name] for name in like} for like, flow in zip(kept, told, strict=True)]


@pytest.fixture(scope="module")
def engines() -> Iterator[Engines]:
    """Of the rungs, those that this machine does not refuse."""
    if os.geteuid() != 0:
        yield Engines((), None)
        return
    with ExitStack() as stack:
        kernels = []
        for rung in ("core", "bcc"):
            with suppress(CaptureError):
                kernels.append(Kernel(rung))
                stack.callback(kernels[-1].capture.close)
        live = Live(("core", "afpacket") if kernels else ("afpacket",))
        stack.callback(live.close)
        yield Engines(kernels, live)
