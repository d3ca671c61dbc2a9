"""How often probes are asked to report, and statuses are written."""

import pytest

from weir_operator.reconcile.cadence import REPORTS_PER_SECOND, report_interval_s, status_interval_s


@pytest.mark.parametrize(("nodes", "seconds"), [(0, 10), (3, 10), (1000, 10), (1001, 20), (5000, 60), (10_000, 120)])
def test_more_nodes_report_less_often(nodes: int, seconds: int) -> None:
    assert report_interval_s(nodes, nodes, 0) == seconds


@pytest.mark.parametrize(("measured", "seconds"), [(7_500, 10), (7_501, 20), (22_000, 30), (33_000, 60)])
def test_nodes_with_many_observations_report_less_often(measured: int, seconds: int) -> None:
    assert report_interval_s(1000, measured, 0) == seconds


def test_the_api_server_is_asked_to_take_no_more_than_so_many() -> None:
    assert all(nodes / report_interval_s(nodes, nodes, 0) <= REPORTS_PER_SECOND for nodes in range(0, 30_000, 97))


def test_a_few_nodes_that_come_and_go_do_not_change_every_plan() -> None:
    interval, seen = 0, []
    for nodes in (990, 1010, 990, 1000, 950, 820, 790):
        interval = report_interval_s(nodes, nodes, interval)
        seen.append(interval)
    assert seen == [10, 20, 20, 20, 20, 20, 10]


@pytest.mark.parametrize(("reports_s", "seconds"), [(0, 15), (10, 15), (30, 15), (60, 30), (120, 60)])
def test_numbers_that_come_seldom_are_written_seldom(reports_s: int, seconds: float) -> None:
    assert status_interval_s(15, reports_s) == seconds
