"""How long a probe has been silent, by our own clock."""

from datetime import timedelta

from weir_operator.reconcile.heartbeat import Heartbeats

from .objects import NOW

SECOND = timedelta(seconds=1)


def test_silence_counts_from_the_last_change() -> None:
    heartbeats = Heartbeats()
    heartbeats.hear("n", NOW, NOW, NOW)
    heartbeats.hear("n", NOW + SECOND, NOW, NOW + 30 * SECOND)  # the node's clock is late
    heartbeats.hear("n", NOW + SECOND, NOW, NOW + 40 * SECOND)  # the object changed and the heartbeat did not
    assert heartbeats.silence("n", NOW + 50 * SECOND) == 20 * SECOND


def test_at_first_sight_the_nodes_own_time_counts() -> None:
    heartbeats = Heartbeats()
    heartbeats.hear("dead", NOW - 99 * SECOND, NOW, NOW)
    heartbeats.hear("ahead", NOW + 99 * SECOND, NOW, NOW)
    heartbeats.hear("never", None, NOW - 20 * SECOND, NOW)
    assert [heartbeats.silence(n, NOW) for n in ("dead", "ahead", "never", "unknown")] == [
        99 * SECOND,
        0 * SECOND,
        20 * SECOND,
        0 * SECOND,
    ]


def test_a_time_without_hearing_is_excused() -> None:
    heartbeats = Heartbeats()
    heartbeats.hear("n", NOW, NOW, NOW)
    heartbeats.excuse(NOW + 100 * SECOND)
    assert heartbeats.silence("n", NOW + 110 * SECOND) == 10 * SECOND


def test_a_new_node_probe_of_an_old_name_is_another() -> None:
    heartbeats = Heartbeats()
    heartbeats.hear("n", NOW, NOW, NOW)
    heartbeats.forget("n")
    heartbeats.hear("n", None, NOW + 50 * SECOND, NOW + 51 * SECOND)
    assert heartbeats.silence("n", NOW + 60 * SECOND) == 10 * SECOND
