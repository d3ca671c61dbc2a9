"""Kafka as a broker and librdkafka speak it: each request in the broker's log is a call that says the same."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from broker import PORT, Broker, BrokerMissingError, jars

if TYPE_CHECKING:
    from recording import Recording

pytestmark = [pytest.mark.root, pytest.mark.timeout(600)]
PRODUCERS, MESSAGES = 3, 3300
#: All that a producer has.
COMPRESSIONS = ("gzip", "snappy", "lz4", "zstd")
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def broker(tape: Recording, tmp_path: Path) -> Broker:
    try:
        jars()
    except BrokerMissingError as missing:
        pytest.skip(str(missing))
    return Broker(tape, tmp_path)


Setting = str | int | float | bool


def common(host: str, name: str, **settings: Setting) -> dict[str, Setting]:
    told: dict[str, Setting] = {
        "bootstrap.servers": f"{host}:{PORT}",
        "client.id": name,
        "socket.timeout.ms": 60_000,
    }
    return told | {key.replace("_", "."): value for key, value in settings.items()}


def administer(host: str) -> None:
    """Topics made, described, and one that is there already."""
    from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic  # type: ignore[attr-defined]  # it does

    admin = AdminClient(common(host, "admin"))
    for future in admin.create_topics([NewTopic("orders", 3), NewTopic("single", 1)]).values():
        future.result(60)
    for future in admin.create_topics([NewTopic("orders", 3)]).values():
        with contextlib.suppress(Exception):
            future.result(60)
    for future in admin.describe_configs([ConfigResource("TOPIC", "orders")]).values():
        future.result(60)
    admin.list_topics(timeout=60)
    admin.list_consumer_groups().result(60)


def produce(host: str, count: int, **settings: Setting) -> None:
    """A request for each message, up to a thousand of them in flight (streams.calls.MAX_IN_FLIGHT)."""
    from confluent_kafka import Producer

    producer = Producer(common(host, "producer", batch_num_messages=1, linger_ms=0, max_in_flight=1000, **settings))
    headers: list[tuple[str, str | bytes | None]] = [("traceparent", f"00-{TRACE}-b7ad6b7169203331-01".encode())]
    for number in range(count):
        producer.produce("orders", f"message {number} ".encode() * 20, partition=number % 3, headers=headers)
        producer.poll(0)
    assert producer.flush(120) == 0


def produce_at_once(host: str, each: int) -> None:
    """By several producers, each on a connection of its own."""
    with ThreadPoolExecutor(PRODUCERS) as pool:
        list(pool.map(lambda _: produce(host, each), range(PRODUCERS)))


def produce_in_transactions(host: str, count: int) -> None:
    from confluent_kafka import Producer

    producer = Producer(common(host, "transactions", transactional_id="t1", linger_ms=0))
    producer.init_transactions(60)
    for number in range(count):
        producer.begin_transaction()
        producer.produce("single", f"transaction {number}".encode())
        producer.commit_transaction(60)


def produce_what_is_refused(host: str) -> None:
    from confluent_kafka import Producer

    producer = Producer(common(host, "refused", message_max_bytes=3_000_000))
    producer.produce("single", bytes(2_000_000))
    producer.flush(60)


def consume(host: str, count: int, group: str, **settings: Setting) -> None:
    """Some messages for each fetch."""
    from confluent_kafka import Consumer

    settings |= {"group_id": group, "auto_offset_reset": "earliest", "fetch_wait_max_ms": 50}
    consumer = Consumer(common(host, f"consumer-{group}", **settings))
    consumer.subscribe(["orders"])
    found = 0
    while found < count:
        message = consumer.poll(60)
        assert message is not None
        found += message.error() is None
    consumer.commit(asynchronous=False)
    consumer.close()


def code_of(told: object) -> int:
    """The first error in a response."""
    if isinstance(told, dict):
        for name, value in told.items():
            if name == "errorCode" and value:
                return int(value)
            if code := code_of(value):
                return code
    if isinstance(told, list):
        return next(filter(None, map(code_of, told)), 0)
    return 0


Key = tuple[int, int, str, str, str, int]


def of_log(told: dict[str, Any]) -> Key:
    head = told["requestHeader"]
    port = int(told["connection"].split("-")[1].split(":")[1])
    kind = head["requestApiKeyName"].replace("_", "")
    return (
        port,
        head["correlationId"],
        kind,
        str(head["requestApiVersion"]),
        head["clientId"],
        code_of(told["response"]),
    )


def of_call(call: dict[str, Any]) -> Key:
    attributes = call["attributes"]
    version, client = attributes["messaging.kafka.api_version"], attributes["messaging.client.id"]
    return call["src_port"], call["request_id"], call["type"].upper(), version, client, call["code"] or 0


def compare(calls: list[dict[str, Any]], broker: Broker) -> None:
    """Each request that was answered is a call, with the answer's error; and there are no others."""
    assert {call["protocol"] for call in calls} == {"Kafka"}
    logged = Counter(map(of_log, broker.requests({call["src"] for call in calls})))
    answered = Counter(of_call(call) for call in calls if call["status"] != "unknown")
    left = Counter(of_call(call) for call in calls if call["status"] == "unknown")  # when their client ended
    assert answered - logged == Counter()
    assert {key[:5] for key in logged - answered} <= {key[:5] for key in left}
    assert left.total() < 30


def check(tape: Recording, broker: Broker) -> list[dict[str, Any]]:
    """All calls to the broker, compared."""
    calls = [call for call in tape.calls() if call["dst_port"] == PORT]
    compare(calls, broker)
    return calls


def test_every_request_is_a_call(tape: Recording, broker: Broker) -> None:
    works: list[Callable[[], None]] = [
        lambda: administer(tape.address),
        lambda: produce_at_once(tape.address, MESSAGES),
        lambda: produce(tape.address, 300, acks=0),
        *(lambda kind=kind: produce(tape.address, 50, compression_type=kind) for kind in COMPRESSIONS),
        lambda: produce_in_transactions(tape.address, 20),
        lambda: produce_what_is_refused(tape.address),
        lambda: consume(tape.address, PRODUCERS * MESSAGES, "g1", max_partition_fetch_bytes=5000),
    ]
    for work in works:
        tape.inside(work)
    calls = check(tape, broker)
    kinds = Counter(call["type"] for call in calls)
    assert len(calls) >= 10_000
    assert kinds["Produce"] >= PRODUCERS * MESSAGES + 320
    sent = [
        call for call in calls if call["type"] == "Produce" and call["attributes"]["messaging.client.id"] == "producer"
    ]
    assert {call["resource"] for call in sent} == {"orders"}
    assert {call["endpoint"] for call in sent} == {"orders-0", "orders-1", "orders-2"}
    assert sum(call["latency_us"] is None and call["status"] == "ok" for call in sent) == 300  # acks=0
    traces = {(call["attributes"].get("messaging.kafka.compression"), call["trace_id"]) for call in sent}
    assert traces == {(None, TRACE), *((kind, "" if kind == "zstd" else TRACE) for kind in COMPRESSIONS)}
    assert "orders" in {call["resource"] for call in calls if call["type"] == "Fetch"}
    errors = {(call["type"], call["exception"], call["status"]) for call in calls if call["code"]}
    assert ("CreateTopics", "TOPIC_ALREADY_EXISTS", "client_error") in errors
    assert ("Produce", "MESSAGE_TOO_LARGE", "client_error") in errors
    assert kinds.keys() >= {"JoinGroup", "SyncGroup", "OffsetCommit", "EndTxn", "DescribeConfigs", "ListGroups"}


def test_what_is_kept(tape: Recording, broker: Broker) -> None:
    """Some of everything, small enough to be committed."""
    tape.erase()
    works: list[Callable[[], None]] = [
        lambda: administer(tape.address),
        lambda: produce(tape.address, 20),
        lambda: produce(tape.address, 5, acks=0),
        lambda: consume(tape.address, 20, "g1"),
    ]
    for work in works:
        tape.inside(work)
    tape.read()
    tape.frames[:] = [frame for frame in tape.frames if PORT.to_bytes(2) in (frame.data[34:36], frame.data[36:38])]
    check(tape, broker)
    tape.keep("kafka/broker")
