"""Latencies of many nodes, as their probes report them in buckets (weir_api.nodeprobe.LatencyReport)."""

from collections.abc import Iterable, Sequence

from weir_api.nodeprobe import LATENCY_BUCKETS, LATENCY_LEAST_EXPONENT, LATENCY_STEPS
from weir_operator.reconcile.report import Latencies


def merged(reported: Iterable[Latencies]) -> list[int]:
    """The sum of all, by bucket."""
    counts = [0] * LATENCY_BUCKETS
    for latencies in reported:
        for bucket, count in enumerate(latencies.counts[: LATENCY_BUCKETS - latencies.first], latencies.first):
            counts[bucket] += count
    return counts


def quantile(counts: Sequence[int], share: float) -> float | None:
    """The latency in seconds that this share of the calls does not exceed; None: there are no calls.

    Within a bucket latencies are taken to be spread evenly over its powers of two.
    """
    total = sum(counts)
    if not total:
        return None
    rank = share * total
    below = 0
    for bucket, count in enumerate(counts):
        if count and below + count >= rank:
            part = (rank - below) / count
            return float(2 ** ((bucket + part) / LATENCY_STEPS + LATENCY_LEAST_EXPONENT))
        below += count
    raise AssertionError("a rank is at most the total")
