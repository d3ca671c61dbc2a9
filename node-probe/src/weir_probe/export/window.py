"""Rates over the last seconds: of observations, and of their peers."""

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from weir_probe.export.series import OVERFLOW, unpack


@dataclass(frozen=True)
class Rates:
    """Per second, of one observation."""

    window_s: float = 0.0
    flows: float = 0.0
    packets: float = 0.0
    bytes: float = 0.0
    segments: float = 0.0  # of TCP
    retransmits: float = 0.0  # of these
    drops: int = 0  # packets that the kernel dropped: in the window, not per second


class Window:
    """The totals of the last ticks. Rates go from the oldest of them to the newest."""

    def __init__(self, ticks: int) -> None:
        self._totals: deque[tuple[float, npt.NDArray[Any]]] = deque(maxlen=ticks + 1)

    def add(self, now_s: float, totals: npt.NDArray[Any]) -> None:
        """Note the totals of a tick (aggregate.TOTAL or calls.counter.CALL_TOTAL, by observation bit)."""
        self._totals.append((now_s, totals.copy()))

    def forget(self, bit: int) -> None:
        """An observation began: what the bit counted before is not its."""
        for _, totals in self._totals:
            totals[bit] = 0

    def span(self, bit: int) -> tuple[float, Any, Any] | None:
        """Seconds from the oldest to the newest totals, and both of one observation; None: there are not two yet."""
        if len(self._totals) < 2:
            return None
        (start, first), (end, last) = self._totals[0], self._totals[-1]
        return (end - start, first[bit], last[bit]) if end > start else None

    def rates(self, bit: int) -> Rates:
        """The rates of one observation's flows."""
        span = self.span(bit)
        if span is None:
            return Rates()
        seconds, first, last = span

        def grown(name: str) -> float:
            return float((last[name] - first[name]).sum())

        return Rates(
            window_s=seconds,
            flows=grown("opened") / seconds,
            packets=grown("packets") / seconds,
            bytes=grown("bytes") / seconds,
            segments=grown("segments") / seconds,
            retransmits=grown("retransmitted") / seconds,
            drops=int(grown("dropped")),
        )


class PeerVolumes:
    """The peers with most traffic since the last time that was asked."""

    def __init__(self) -> None:
        self._at = 0.0
        self._bytes: dict[int, int] = {}

    def top(self, rows: npt.NDArray[Any], now_s: float, limit: int) -> dict[int, list[tuple[int, float, int]]]:
        """By observation bit: (peer identity, bytes per second, live flows), most traffic first."""
        octets = rows["bytes"].sum(axis=1)
        before = np.array([self._bytes.get(int(key), 0) for key in rows["key"]], np.uint64)
        seconds = max(now_s - self._at, 1e-3) if self._at else None
        merged: dict[int, dict[int, list[float]]] = {}
        for key, difference, live in zip(rows["key"], octets - before, rows["live"], strict=True):
            bit, _, _, local, peer = unpack(int(key))
            if local != OVERFLOW:
                entry = merged.setdefault(bit, {}).setdefault(peer, [0.0, 0.0])
                entry[0] += float(difference) / seconds if seconds else 0.0
                entry[1] += int(live)
        self._bytes = dict(zip(map(int, rows["key"]), map(int, octets), strict=True))
        self._at = now_s
        return {
            bit: sorted(((peer, rate, int(live)) for peer, (rate, live) in peers.items()), key=lambda p: (-p[1], p[0]))[
                :limit
            ]
            for bit, peers in merged.items()
        }
