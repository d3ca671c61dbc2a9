"""Kafka live: each request in the broker's log is a call, as a replay of the same packets tells it."""

from __future__ import annotations

from functools import partial

import pytest

from broker import PORT, Broker
from live.stage import OnWire, apart, observed, same_as_on_tape
from protocols import test_kafka_broker as kafka
from protocols.test_kafka_broker import broker
from weir_probe.capture.model import Capture

__all__ = ["broker"]
pytestmark = [pytest.mark.root, pytest.mark.timeout(600)]
MESSAGES = 300


def test_many_requests_in_flight(core: Capture, tape: OnWire, broker: Broker) -> None:
    with observed(core, tape.wire) as live:
        for work in (
            partial(kafka.administer, tape.address),
            partial(kafka.produce_at_once, tape.address, MESSAGES),
            partial(kafka.produce, tape.address, 30, acks=0),
            partial(kafka.produce_in_transactions, tape.address, 5),
            partial(kafka.consume, tape.address, kafka.PRODUCERS * MESSAGES, "g1", max_partition_fetch_bytes=5000),
        ):
            apart(work)
        calls = same_as_on_tape(live, tape)
    assert {call["dst_port"] for call in calls} == {PORT}
    kafka.compare(calls, broker)
