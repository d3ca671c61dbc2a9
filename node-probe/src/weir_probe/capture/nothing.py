"""The last rung: no packet is seen, and that is said."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from weir_probe.capture.model import NO_PEERS, Capture, Clock, Hook, Interface, Overhead, Prefix, Selected, Settings
from weir_probe.streams.layout import EXPORTED, INTAKE, OUTCOMES, SAMPLE, SLOT
from weir_probe.streams.measures import MEASURED
from weir_probe.streams.segments import Segments


class NoCapture(Capture):
    """Takes every call, counts nothing."""

    def __init__(self, settings: Settings) -> None:  # noqa: ARG002 - every rung opens alike
        self.rung = "none"
        self.refused = ()
        self.slots = np.zeros(8, SLOT)
        self.exported = np.zeros(8, EXPORTED)
        self.measured = np.zeros(8, MEASURED)
        self.segments = Segments(intakes=np.zeros(8, INTAKE))

    def attach(self, iface: Interface) -> None:
        pass

    def detach(self, iface: Interface) -> None:
        pass

    def program(
        self,
        selected: Sequence[Selected],
        ports: Mapping[tuple[int, int], int],
        generation: int,
        peers: Mapping[Prefix, int] = NO_PEERS,
    ) -> None:
        pass

    def set_payload(self, mask: int) -> None:
        pass

    def hooks(self) -> list[Hook]:
        return []

    def clock(self) -> Clock:
        now = time.monotonic_ns()
        return Clock(now, now, 1)

    def outcomes(self) -> npt.NDArray[np.uint64]:
        return np.zeros((len(OUTCOMES), 2), np.uint64)

    def losses(self) -> dict[str, int]:
        return {}

    def samples(self) -> npt.NDArray[Any]:
        return np.zeros(0, SAMPLE)

    def unmeasured(self) -> dict[str, int]:
        return {}

    def flush_fragments(self, older_than_s: float) -> int:  # noqa: ARG002
        return 0

    def measure(self, on: bool) -> None:
        pass

    def overhead(self) -> Overhead:
        return Overhead()

    def fds(self) -> dict[str, int]:
        return {}

    def metadata(self) -> str:
        return '{"rung": "none"}'

    def close(self) -> None:
        pass

    def leave(self) -> None:
        pass
