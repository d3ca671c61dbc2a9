"""Where records go: the seam between the tick, which must not wait, and sinks, which may be slow or full."""

import logging
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

log = logging.getLogger(__name__)

MAX_RECORDS: Final = 200_000
#: Calls wait as lines, of several hundred bytes each.
MAX_CALLS: Final = 100_000
QUEUE_FULL: Final = "queue_full"
WRITE_FAILED: Final = "write_failed"
CLOSED: Final = "closed"
#: Why records are lost.
REASONS: Final = (QUEUE_FULL, WRITE_FAILED, CLOSED)


class WriteError(Exception):
    """A sink could not keep the last `lost` records of a block; the text says why. The next block is tried again."""

    def __init__(self, why: str, lost: int) -> None:
        super().__init__(why)
        self.lost = lost


class Block(Protocol):
    """The records of one tick."""

    def __len__(self) -> int:
        """How many there are."""

    def lines(self) -> Iterator[bytes]:
        """All of them, one whole line or some at a time."""


class Sink(Protocol):
    """Takes blocks in the order of their ticks, from one thread."""

    def write(self, block: Block) -> None:
        """Keep the records of a block. Raises WriteError."""

    def close(self) -> None:
        """No block comes after this."""


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the records at one moment: offered = written + queued + the sum of lost."""

    offered: int
    queued: int  # waiting, or being written
    written: int
    lost: dict[str, int]  # by reason: every one of REASONS


class Queued:
    """A bounded queue before a sink, with a thread that writes. A sink that fails or hangs never holds up the tick."""

    def __init__(self, sink: Sink, max_records: int = MAX_RECORDS, *, what: str = "flow records") -> None:
        """At most `max_records` wait, but for a single block that is larger (at most the flow table, or the call book):
        an empty queue takes any. `what` they are called in the log."""
        if max_records < 1:
            raise ValueError(f"max_records: {max_records} is not at least 1")
        self._sink = sink
        self._max_records = max_records
        self._what = what
        self._changed = threading.Condition()
        self._blocks: deque[Block] = deque()
        self._offered = 0
        self._queued = 0
        self._written = 0
        self._lost = dict.fromkeys(REASONS, 0)
        self._closing = False
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="records", daemon=True)
        self._thread.start()

    def write(self, block: Block) -> None:
        """Queue a block, or count its records as lost. Returns at once and never raises."""
        with self._changed:
            self._offered += len(block)
            if self._closing:
                self._lost[CLOSED] += len(block)
            elif self._queued and self._queued + len(block) > self._max_records:
                self._lost[QUEUE_FULL] += len(block)
            else:
                self._queued += len(block)
                self._blocks.append(block)
                self._changed.notify()

    def account(self) -> Account:
        """All counts at one moment."""
        with self._changed:
            return Account(self._offered, self._queued, self._written, dict(self._lost))

    def stats(self) -> dict[str, int]:
        """Records by what became of them, `written` or the reason of their loss, since the start: counters."""
        account = self.account()
        return {"written": account.written, **account.lost}

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what is queued, for so long at most; the rest is lost (`closed`)."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout_s)
        with self._changed:
            left = sum(map(len, self._blocks))
            self._blocks.clear()
            self._queued -= left
            self._lost[CLOSED] += left
        if left:
            log.warning("%d %s were not written in %g s", left, self._what, timeout_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._blocks and not self._closing:
                    self._changed.wait()
                if not self._blocks:
                    break
                block = self._blocks.popleft()
            lost = self._try(block)
            with self._changed:
                self._queued -= len(block)
                self._written += len(block) - lost
                self._lost[WRITE_FAILED] += lost
        self._sink.close()

    def _try(self, block: Block) -> int:
        """Write; returns how many records are lost. A sink that goes on failing is logged once."""
        lost = 0
        try:
            self._sink.write(block)
        except WriteError as error:
            lost = error.lost
            if not self._failing:
                log.warning("%s are lost: %s", self._what, error)
        except Exception:  # a fault of the sink's own: the tick and the blocks after this one go on
            lost = len(block)
            if not self._failing:
                log.exception("%s are lost", self._what)
        if self._failing and not lost:
            log.warning("%s are written again", self._what)
        self._failing = lost > 0
        return lost
