# ruff: noqa: PLR0917 -- of what a request has
"""Kafka: every API in every version, in conversations."""

from __future__ import annotations

import struct
from base64 import urlsafe_b64encode
from collections.abc import Callable

import cramjam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from play import (
    RESET,
    C,
    Call,
    S,
    again,
    client_error,
    cut,
    early,
    end,
    lost,
    ok,
    play,
    server_error,
    unknown,
)
from weir_probe.protocols.kafka.schemas import APIS, Api
from weir_probe.protocols.registry import BY_NAME, PROTOCOLS

kafka = PROTOCOLS[BY_NAME["kafka"]]
PRODUCE, FETCH, METADATA, JOIN_GROUP, API_VERSIONS = 0, 1, 3, 11, 18
UUID = bytes(range(16))
#: Every API with every version that it has.
VERSIONS = [
    pytest.param(api, version, id=f"{api.name}-{version}")
    for api in APIS
    for first, last, _ in api.requests
    for version in range(first, last + 1)
]


def varint(value: int) -> bytes:
    """Unsigned."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def zigzag(value: int) -> bytes:
    return varint(value << 1 if value >= 0 else (-value << 1) - 1)


class Values:
    """Bytes of a program's values: of each meaning those that are given, of others zeros and `x`."""

    def __init__(self, flexible: bool, count: int = 1, **values: object) -> None:
        self.flexible = flexible
        self.count = count
        self.values = values

    def sized(self, data: bytes | None, wide: bool = False) -> bytes:
        length = -1 if data is None else len(data)
        size = varint(length + 1) if self.flexible else struct.pack(">i" if wide else ">h", length)
        return size + (data or b"")

    def of(self, program: str) -> bytes:
        out = b""
        place = 0
        while place < len(program):
            letter = program[place]
            if letter in "[(":
                stop = behind(program, place)
                body = self.of(program[place + 1 : stop])
                if letter == "[":
                    head = varint(self.count + 1) if self.flexible else struct.pack(">i", self.count)
                    out += head + body * self.count
                else:
                    out += b"\1" + body
                place = stop
            else:
                out += self.value(letter)
            place += 1
        return out

    def value(self, letter: str) -> bytes:
        given = self.values.get(letter)
        match letter:
            case "T" | "G" | "X" | "M" | "s":
                return self.sized(given.encode() if isinstance(given, str) else b"x")
            case "b" | "R":
                return self.sized(given if isinstance(given, bytes) else b"", wide=True)
            case "_":
                return b"\1\5\3abc"  # a tagged field that nobody knows
            case "U" | "u":
                return given if isinstance(given, bytes) else UUID
            case "P" | "E" | "A" | "O":
                number = given if isinstance(given, int) else 0
                return struct.pack({"P": ">i", "E": ">h", "A": ">h", "O": ">q"}[letter], number)
        return bytes(int(letter))


def behind(program: str, place: int) -> int:
    """Where the bracket at `place` is closed."""
    depth = 0
    while True:
        depth += {"[": 1, "(": 1, "]": -1, ")": -1}.get(program[place], 0)
        if depth == 0:
            return place
        place += 1


def program(runs: tuple[tuple[int, int, str], ...], version: int) -> str:
    return next(text for first, last, text in runs if first <= version <= last)


def sent(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


def request(
    key: int,
    version: int,
    ident: int = 1,
    client: str | None = "client-1",
    body: bytes | None = None,
    count: int = 1,
    **values: object,
) -> bytes:
    api = next(api for api in APIS if api.key == key)
    flexible = version >= api.flexible
    head = struct.pack(">HHI", key, version, ident)
    if (key, version) != (7, 0):
        name = client.encode() if client is not None else b""
        head += struct.pack(">h", len(name) if client is not None else -1) + name + (b"\0" if flexible else b"")
    if body is None:
        body = Values(flexible, count, **({"A": 1} | values)).of(program(api.requests, version))
    return sent(head + body)


def response(key: int, version: int, ident: int = 1, count: int = 1, rest: bytes = b"", **values: object) -> bytes:
    api = next(api for api in APIS if api.key == key)
    flexible = version >= api.flexible
    head = struct.pack(">I", ident) + (b"\0" if flexible and key != API_VERSIONS else b"")
    return sent(head + Values(flexible, count, **values).of(program(api.responses, version)) + rest)


#: By the number of the compression.
COMPRESSED: list[Callable[[bytes], bytes]] = [
    bytes,
    lambda records: bytes(cramjam.gzip.compress(records)),
    lambda records: bytes(cramjam.snappy.compress_raw(records)),
    lambda records: bytes(cramjam.lz4.compress(records)),
    lambda records: bytes(cramjam.zstd.compress(records)),
]


def batch(*headers: tuple[bytes, bytes], compression: int = 0, count: int = 1) -> bytes:
    """A record batch of magic 2 whose first record has these headers."""
    told = b"".join(zigzag(len(name)) + name + zigzag(len(value)) + value for name, value in headers)
    content = b"\0" + zigzag(300) + zigzag(0) + zigzag(-1) + zigzag(5) + b"value" + zigzag(len(headers)) + told
    records = COMPRESSED[compression]((zigzag(len(content)) + content) * count)
    head = struct.pack(">iBIhiqqqhii", 0, 2, 0, compression, count - 1, 0, 0, -1, -1, -1, count)
    return struct.pack(">qi", 0, len(head) + len(records)) + head + records


def test_a_request_and_its_response() -> None:
    asked = request(PRODUCE, 9, 47, T="orders", P=3)
    told = response(PRODUCE, 9, 47, T="orders", P=3, O=35)
    played = play(kafka) >> C(asked) >> S(told)
    played << Call(
        "Produce",
        ok,
        resource="orders",
        endpoint="orders-3",
        request_id=47,
        code=0,
        result="orders-3:35",
        request_bytes=len(asked),
        response_bytes=len(told),
        ms=1.0,
        attributes={"messaging.client.id": "client-1", "messaging.kafka.transactional_id": "x"}
        | {"messaging.kafka.api_version": "9"},
    )
    played << end


@pytest.mark.parametrize(("api", "version"), VERSIONS)
def test_every_api_in_every_version(api: Api, version: int) -> None:
    """Found by its first request, read to its last byte, its error found."""
    asked = request(api.key, version, T="orders", P=5, G="group", X="transaction", count=2)
    told = response(api.key, version, E=-1, T="orders", count=2)
    played = play(kafka)
    if (api.key, version) == (7, 0):  # has a header without a client's id, and is not found by it
        played >> C(request(METADATA, 9, 0)) >> S(response(METADATA, 9, 0)) << Call("Metadata", ok)
    call = (played >> C(asked) >> S(told)).played()
    letters = program(api.requests, version)
    assert (call["type"], call["request_id"], call["latency_us"]) == (api.name, 1, 1000)
    assert call["status"] == (server_error if "E" in program(api.responses, version) else ok)
    topic = "orders" if "T" in letters else urlsafe_b64encode(UUID).decode().rstrip("=") if "U" in letters else ""
    assert call["resource"] == topic
    assert call["endpoint"] == topic + ("-5" if topic and "P" in letters else "")
    assert call["attributes"].get("messaging.consumer.group.name") == ("group" if "G" in letters else None)


@pytest.mark.parametrize(
    ("code", "status", "name"),
    [
        (3, client_error, "UNKNOWN_TOPIC_OR_PARTITION"),
        (29, client_error, "TOPIC_AUTHORIZATION_FAILED"),
        (79, client_error, "MEMBER_ID_REQUIRED"),
        (6, server_error, "NOT_LEADER_OR_FOLLOWER"),
        (7, server_error, "REQUEST_TIMED_OUT"),
        (-1, server_error, "UNKNOWN_SERVER_ERROR"),
        (999, client_error, "999"),
    ],
)
def test_an_error_is_whose_its_code_says(code: int, status: str, name: str) -> None:
    played = play(kafka) >> C(request(JOIN_GROUP, 7)) >> S(response(JOIN_GROUP, 7, E=code))
    played << Call("JoinGroup", status, code=code, exception=name) << end


def test_requests_in_flight_pair_by_id() -> None:
    asked = [request(METADATA, 9, number, T=f"t{number}") for number in range(50)]
    told = [response(METADATA, 9, number, E=number % 2 * 3) for number in range(50)]
    played = play(kafka) >> C(b"".join(asked)) >> S(b"".join(reversed(told)))
    calls = {call["request_id"]: call for call in played.all()}
    assert len(calls) == 50
    for number, call in calls.items():
        assert (call["resource"], call["code"]) == (f"t{number}", number % 2 * 3)


def test_requests_of_many_kinds_in_flight() -> None:
    """Each response is read as its own request's API and version have it."""
    played = play(kafka) >> C(request(API_VERSIONS, 3, 1) + request(FETCH, 4, 2) + request(JOIN_GROUP, 9, 3))
    played >> S(response(JOIN_GROUP, 9, 3, E=25) + response(API_VERSIONS, 3, 1, E=35) + response(FETCH, 4, 2, E=1))
    told = {call["type"]: call["exception"] for call in played.all()}
    assert told == {
        "JoinGroup": "UNKNOWN_MEMBER_ID",
        "ApiVersions": "UNSUPPORTED_VERSION",
        "Fetch": "OFFSET_OUT_OF_RANGE",
    }


@pytest.mark.parametrize("size", [1, 3, 7, 50])
def test_in_pieces_of_every_size(size: int) -> None:
    asked, told = request(FETCH, 12, T="orders", P=1), response(FETCH, 12, T="orders")
    played = play(kafka)
    for place in range(0, len(asked), size):
        played >> C(asked[place : place + size])
    for place in range(0, len(told), size):
        played >> S(told[place : place + size])
    played << Call("Fetch", ok, endpoint="orders-1", request_bytes=len(asked), response_bytes=len(told)) << end


def test_nobody_answers_what_asks_for_no_acknowledgement() -> None:
    """acks=0: the broker sends nothing."""
    played = (
        play(kafka)
        >> C(request(PRODUCE, 9, 1, T="orders", A=0) + request(METADATA, 9, 2))
        >> S(response(METADATA, 9, 2))
    )
    played << Call("Produce", ok, resource="orders", latency_us=None) << Call("Metadata", ok) << end


def test_messages_larger_than_what_is_kept() -> None:
    asked = request(PRODUCE, 9, 1, T="orders", R=batch((b"traceparent", TRACE)) + bytes(100_000))
    told = response(FETCH, 12, 2, R=bytes(200_000))
    played = play(kafka)
    for place in range(0, len(asked), 1400):
        played >> C(asked[place : place + 1400])
    played >> S(response(PRODUCE, 9, 1)) >> C(request(FETCH, 12, 2, T="orders"))
    for place in range(0, len(told), 1400):
        played >> S(told[place : place + 1400])
    played >> C(request(METADATA, 9, 3)) >> S(response(METADATA, 9, 3))
    played << Call("Produce", ok, request_bytes=len(asked), trace_id="0af7651916cd43dd8448eb211c80319c")
    played << Call("Fetch", ok, response_bytes=len(told)) << Call("Metadata", ok) << end


TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_records_tell_their_trace_and_number() -> None:
    records = batch((b"other", b"value"), (b"traceparent", TRACE), count=3)
    call = (play(kafka) >> C(request(PRODUCE, 8, R=records))).played()
    assert (call["trace_id"], call["span_id"]) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert call["attributes"]["messaging.batch.message_count"] == "3"


@pytest.mark.parametrize(("compression", "name"), [(1, "gzip"), (2, "snappy"), (3, "lz4"), (4, "zstd")])
def test_what_is_compressed_says_so(compression: int, name: str) -> None:
    records = batch((b"traceparent", TRACE), compression=compression)
    call = (play(kafka) >> C(request(PRODUCE, 8, R=records))).played()
    assert call["attributes"]["messaging.kafka.compression"] == name
    assert call["trace_id"] == ("" if name == "zstd" else "0af7651916cd43dd8448eb211c80319c")


def test_records_that_are_fetched_tell_their_trace() -> None:
    played = play(kafka) >> C(request(FETCH, 12)) >> S(response(FETCH, 12, R=batch((b"traceparent", TRACE))))
    played << Call("Fetch", ok, trace_id="0af7651916cd43dd8448eb211c80319c") << end


def test_a_topic_id_has_the_name_that_metadata_gave_it() -> None:
    played = play(kafka) >> C(request(METADATA, 12, 1)) >> S(response(METADATA, 12, 1, T="orders", U=UUID))
    (
        played
        >> C(request(FETCH, 13, 2, U=UUID, P=4))
        >> S(response(FETCH, 13, 2))
        >> C(request(PRODUCE, 13, 3, U=bytes(15) + b"x"))
    )
    played << Call("Metadata", ok) << Call("Fetch", ok, resource="orders", endpoint="orders-4")
    played << Call("Produce", unknown, resource="AAAAAAAAAAAAAAAAAAAAeA") << end


def test_a_fetch_session_is_about_what_it_began_with() -> None:
    """KIP-227: later requests of a session name only what changes."""
    played = play(kafka) >> C(request(FETCH, 11, 1, T="orders", P=2)) >> S(response(FETCH, 11, 1))
    played >> C(request(FETCH, 11, 2, count=0)) >> S(response(FETCH, 11, 2, count=0))
    for _ in range(2):
        played << Call("Fetch", ok, resource="orders", endpoint="orders-2")
    played << end


def test_further_topics_are_attributes() -> None:
    body = b"\0\0\0\3" + b"\0\1a" + b"\0\1b" + b"\0\1c"
    played = play(kafka) >> C(request(METADATA, 0, body=body))
    call = played.played()
    assert (call["resource"], call["attributes"]["messaging.kafka.more_topics"]) == ("a", "b,c")


def test_no_client_id() -> None:
    play(kafka) >> C(request(METADATA, 9, client=None)) >> S(response(METADATA, 9)) << Call("Metadata", ok) << end


def test_a_version_that_is_newer_than_all() -> None:
    """Its header is as ever; what is in it nobody knows."""
    played = play(kafka) >> C(request(METADATA, 9, 1)) >> S(response(METADATA, 9, 1))
    newer = struct.pack(">HHIh", METADATA, 31, 2, 1) + b"c" + b"\0whatever"
    played >> C(sent(newer)) >> S(sent(struct.pack(">I", 2) + b"whatever"))
    played << Call("Metadata", ok) << Call("Metadata", ok, request_id=2) << end


def test_a_lost_response_leaves_the_others() -> None:
    played = play(kafka) >> C(request(METADATA, 9, 1) + request(FETCH, 12, 2)) >> lost(S(response(METADATA, 9, 1)))
    played >> S(response(FETCH, 12, 2)) >> RESET
    played << Call("Fetch", ok) << Call("Metadata", unknown, latency_us=None) << end


def test_a_start_within_a_message() -> None:
    played = play(kafka) >> C(request(METADATA, 9, 1)) >> lost(C(request(FETCH, 12, 2)[:20]))
    played >> C(request(FETCH, 12, 2)[20:] + request(JOIN_GROUP, 7, 3)) >> S(response(JOIN_GROUP, 7, 3))
    played << Call("JoinGroup", ok) << Call("Metadata", unknown, request_id=1) << end


def test_a_start_in_the_middle() -> None:
    played = play(kafka) >> S(response(FETCH, 12, 8)) >> C(request(FETCH, 12, 9)) >> S(response(FETCH, 12, 9))
    played << Call("Fetch", ok, request_id=9) << end


def test_segments_out_of_order_and_again() -> None:
    asked, told = request(METADATA, 9, 1) + request(FETCH, 12, 2, T="orders"), response(METADATA, 9, 1)
    played = play(kafka) >> C(asked[:30]) >> again(C(asked[:30])) >> C(asked[30:50]) >> early(C(asked[50:]))
    played >> S(told) >> again(S(told)) >> S(response(FETCH, 12, 2))
    played << Call("Metadata", ok) << Call("Fetch", ok, resource="orders") << end


@pytest.mark.parametrize("captured", range(54 + 30, 54 + 110, 7))
def test_truncated_messages_give_what_is_known(captured: int) -> None:
    played = play(kafka) >> C(request(METADATA, 9, 1)) >> S(response(METADATA, 9, 1))
    played >> cut(C(request(PRODUCE, 9, 2, R=bytes(200))), captured) >> cut(S(response(PRODUCE, 9, 2)), captured)
    played << Call("Metadata", ok) << Call("Produce", ok, request_id=2) << end


@pytest.mark.parametrize(
    "first",
    [
        sent(request(METADATA, 9)[4:] + b"x"),  # a byte too many
        sent(struct.pack(">HHIh", 500, 0, 1, 1) + b"c"),
        sent(struct.pack(">HHIh", METADATA, 30, 1, 1) + b"c"),
        sent(struct.pack(">HHIh", METADATA, 0, 0xFFFFFFFF, 1) + b"c\0\0\0\0"),
        sent(struct.pack(">HHIh", METADATA, 0, 1, 2) + b"\x01c\0\0\0\0"),
        struct.pack(">I", 5) + bytes(60),
        b"\x00\x1d\xab\xcd\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01",  # DNS
    ],
)
def test_what_is_not_kafka(first: bytes) -> None:
    play(kafka) >> C(first) >> C(first) << end


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_not_kafka(data: bytes) -> None:
    play(kafka) >> C(data) >> S(data) << end
    play(kafka) >> C(sent(data)) >> S(data) << end


@settings(deadline=None)
@given(st.sampled_from(VERSIONS), st.data())
def test_hostile_messages_never_stop_it(which: object, data: st.DataObject) -> None:
    """Whatever is bent in a body, the next request is read."""
    api, version = which.values  # type: ignore[attr-defined]  # of a pytest.param
    asked, told = bytearray(request(api.key, version, 2)), bytearray(response(api.key, version, 2))
    for message, first in ((asked, 22), (told, 8)):
        for place in data.draw(st.lists(st.integers(0, len(message) - 1), max_size=6)):
            if place >= first:
                message[place] = data.draw(st.integers(0, 255))
    played = (
        play(kafka) >> C(request(METADATA, 9, 1)) >> S(response(METADATA, 9, 1)) >> C(bytes(asked)) >> S(bytes(told))
    )
    played >> C(request(METADATA, 9, 3, T="last")) >> S(response(METADATA, 9, 3))
    assert {call["request_id"]: call["resource"] for call in played.all()}[3] == "last"
