"""Latencies that many nodes report in buckets, folded into one distribution."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weir_api.nodeprobe import LATENCY_BUCKETS, LATENCY_LEAST_EXPONENT, LATENCY_STEPS
from weir_operator.reconcile.latency import merged, quantile
from weir_operator.reconcile.report import Latencies

latencies = st.lists(st.floats(2e-6, 60.0), min_size=1, max_size=100)


def bucket_of(seconds: float) -> int:
    return math.ceil((math.log2(seconds) - LATENCY_LEAST_EXPONENT) * LATENCY_STEPS) - 1


def reported(seconds: list[float]) -> Latencies:
    """As a probe reports them."""
    buckets = [bucket_of(each) for each in seconds]
    first = min(buckets)
    return Latencies(first, tuple(buckets.count(bucket) for bucket in range(first, max(buckets) + 1)))


@settings(deadline=None)
@given(st.lists(latencies, min_size=1, max_size=5), st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_over_all_nodes_is_right_to_within_a_bucket(nodes: list[list[float]], share: float) -> None:
    ordered = sorted(each for node in nodes for each in node)
    exact = ordered[math.ceil(share * len(ordered)) - 1]
    told = quantile(merged([reported(node) for node in nodes]), share)
    assert told is not None
    assert told / exact == pytest.approx(1, abs=2 ** (1 / LATENCY_STEPS) - 1 + 1e-6)


def test_without_calls_there_is_no_quantile() -> None:
    assert quantile(merged([]), 0.5) is None


def test_what_a_hostile_report_has_beyond_the_last_bucket_is_left_out() -> None:
    assert sum(merged([Latencies(LATENCY_BUCKETS - 1, (1, 2, 3))])) == 1
