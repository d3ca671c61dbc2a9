# cython: annotation_typing=False
# ruff: noqa: PLR0917 -- as the kernel lays it out
"""The ring of segments: payload on its way from where packets are counted to the call engine.

It has the form of the kernel's ring buffer (BPF_MAP_TYPE_RINGBUF, kernel/bpf/ringbuf.c): records of a word that tells
their length and state, the other half of which is not ours, and then layout.SEGMENT_HEAD with its bytes.
"""

from __future__ import annotations

import time
from typing import Any, Final

import cython  # type: ignore[import-untyped]  # Cython's stubs are not under this name
import numpy as np
import numpy.typing as npt

from weir_probe.streams.layout import INTAKE, PAYLOAD
from weir_probe.wire.cursor import Cursor
from weir_probe.wire.prefetching import Prefetch

BUSY: Final = 1 << 31
DISCARDED: Final = 1 << 30
RECORD_HEAD: Final = 8
_SOON_BYTES: Final = 320
#: In which rates are bounded.
RATE_WINDOW_BITS: Final = 27  # of nanoseconds: 134 ms


class Segments:
    """The reader's view. A record is in one piece: the kernel maps its ring twice in a row, so none wraps."""

    def __init__(
        self,
        tail: npt.NDArray[np.uint64] | None = None,
        head: npt.NDArray[np.uint64] | None = None,
        data: npt.NDArray[np.uint8] | None = None,
        size: int = 0,
        intakes: npt.NDArray[Any] | None = None,
        payload: npt.NDArray[Any] | None = None,
    ) -> None:
        """`tail` is where the reader is, `head` the writer (both only grow), `data` `size` bytes (a power of two), once
        or twice. `intakes` (layout.INTAKE) has one for each slot of the table, `payload` is one of layout.PAYLOAD.
        Without any of them: a ring that stays empty."""
        self.tails = np.zeros(1, np.uint64) if tail is None else tail
        self.heads = np.zeros(1, np.uint64) if head is None else head
        self.intakes = np.zeros(0, INTAKE) if intakes is None else intakes
        self.payload = np.zeros(1, PAYLOAD) if payload is None else payload
        self.losses = self.payload["lost"].data
        self.size = size
        self.tail = self.tails.data
        self.head = self.heads.data
        if data is None:
            data = np.zeros(0, np.uint8)
        #: Reads the records.
        self.cursor = Cursor()
        self.cursor.bind(data.data)
        #: Of the record at each eighth byte, its head and what a message begins with.
        self.soon = Prefetch(data.view(np.uint64), _SOON_BYTES)

    def limit(self, flow_rate: int, node_rate: int) -> None:
        """Bytes a second that one flow may give, and all together."""
        for name, rate in (("flow_limit", flow_rate), ("node_limit", node_rate)):
            self.payload[name] = min((rate << RATE_WINDOW_BITS) // 1_000_000_000, 0xFFFFFFFF)

    def lost(self) -> int:
        """Segments that were asked for and did not come."""
        return self.losses[0, 0] + self.losses[0, 1] + self.losses[0, 2]

    def wait(self, interval_us: int, most: int) -> None:
        """Sleep until a look, one each `interval_us`, finds something to read; at most `most` times. Compiled, without
        the GIL: to have it again takes longer than the look."""
        with cython.nogil:
            for _ in range(most):
                if cython.compiled:
                    usleep(interval_us)  # type: ignore[name-defined]  # noqa: F821  # C
                else:
                    time.sleep(interval_us / 1e6)
                if self.head[0] != self.tail[0]:
                    break

    @property
    def waiting(self) -> int:
        """Bytes that were not read yet."""
        return int(self.heads[0]) - int(self.tails[0])
