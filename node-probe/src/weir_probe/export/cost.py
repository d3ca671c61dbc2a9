"""What observing costs: programs in the kernel, and this process."""

import logging
import time
from pathlib import Path
from typing import Final

from weir_probe.capture.model import Capture
from weir_probe.capture.signals import KernelSignals

log = logging.getLogger(__name__)

_EVERY: Final = 30  # ticks


class ProcessCost:
    """CPU time since the last time that was asked, and memory."""

    def __init__(self) -> None:
        self._last = (time.monotonic(), time.process_time())

    def cpu_millis(self) -> float:
        """Thousandths of a core."""
        began, used = self._last
        self._last = now, cpu = time.monotonic(), time.process_time()
        return (cpu - used) / max(now - began, 1e-3) * 1000

    @staticmethod
    def resident_bytes() -> int:
        """Memory that is in use now."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * 4096


class KernelCost:
    """Measured one tick in thirty, for measuring takes 67 ns a packet.

    `ns_per_packet`, of the capture's programs, is None until it was measured, and where it cannot be (BPF_ENABLE_STATS
    takes CAP_SYS_ADMIN); `signals_millis` are thousandths of a core that kernel signals take."""

    def __init__(self, capture: Capture, signals: KernelSignals) -> None:
        self.ns_per_packet: float | None = None
        self.signals_millis = 0.0
        self._capture = capture
        self._signals = signals
        self._ticks = 0
        self._possible = True
        self._from: tuple[int, int, int, float] | None = None

    def tick(self) -> None:
        """Begin or end a measurement when it is due."""
        self._ticks += 1
        phase = self._ticks % _EVERY
        if phase == 1 and self._possible:
            self._begin()
        elif self._from is not None:
            self._end(self._from)
            self._from = None

    def _begin(self) -> None:
        try:
            self._capture.measure(True)
        except PermissionError as error:
            log.info("the cost per packet is not measured: %s", error)
            self._possible = False
            return
        overhead = self._capture.overhead()
        self._from = (overhead.run_time_ns, overhead.run_count, self._signals_ns(), time.monotonic())

    def _signals_ns(self) -> int:
        return sum(each.run_time_ns for each in self._signals.overhead().values())

    def _end(self, begun: tuple[int, int, int, float]) -> None:
        self._capture.measure(False)
        overhead = self._capture.overhead()
        packets = overhead.run_count - begun[1]
        if packets > 0:
            self.ns_per_packet = (overhead.run_time_ns - begun[0]) / packets
        # below 0: they were attached anew meanwhile
        signals_ns = max(self._signals_ns() - begun[2], 0)
        self.signals_millis = signals_ns / 1e6 / max(time.monotonic() - begun[3], 1e-3)
