"""What is wrong on this node, for its report: the last issues, and for how long nothing was captured."""

import logging
import time
from collections import deque
from datetime import UTC, datetime
from typing import Final

log = logging.getLogger(__name__)

_GAP: Final = "CaptureGap"
_GAP_TOLD_S: Final = 3600.0


class Notes:
    """The last ten issues as (reason, message), each once."""

    def __init__(self) -> None:
        self.issues: deque[tuple[str, str]] = deque(maxlen=10)
        #: How long nothing was captured before this probe; None: no time at all.
        self.gap_seconds: float | None = None
        self._gap_noted = 0.0  # when it was over (monotonic)
        self._uncaptured_since: datetime | None = None

    def note(self, reason: str, message: str) -> None:
        """Keep an issue."""
        if (reason, message) not in self.issues:
            self.issues.append((reason, message))

    def forgive(self, reason: str) -> None:
        """What was noted for this reason is over."""
        self.issues = deque((i for i in self.issues if i[0] != reason), maxlen=10)

    def uncaptured(self, since: datetime) -> None:
        """Nothing has been captured since then."""
        self._uncaptured_since = since

    def captured_again(self) -> None:
        """Capturing after another probe's end: for how long nothing was, to the second and rather too long."""
        if self._uncaptured_since is None:
            return
        now = datetime.now(UTC)
        self.gap_seconds = max(0.0, (now - self._uncaptured_since).total_seconds())
        self._uncaptured_since, self._gap_noted = None, time.monotonic()
        text = (
            f"nothing was captured for {self.gap_seconds:.0f} s until {now:%Y-%m-%dT%H:%M:%SZ}: the probe was replaced"
        )
        self.note(_GAP, text)
        log.warning("%s", text)

    def tidy(self) -> None:
        """A gap is told for an hour."""
        if self.gap_seconds is not None and time.monotonic() - self._gap_noted > _GAP_TOLD_S:
            self.forgive(_GAP)
