"""gRPC: methods, what their status says, and how many messages went each way, in conversations."""

from __future__ import annotations

import pytest

from http2_frames import GET, PREFACE, RPC, RPC_OK, Side, both, data, message, reset, settings
from play import C, Call, S, client_error, cut, end, lost, ok, play, server_error, unknown
from weir_probe.protocols.registry import BY_NAME, PROTOCOLS

http2 = PROTOCOLS[BY_NAME["http2"]]

PROCESSED = {"http.response.status_code": "200", "rpc.requests_per_rpc": "1", "rpc.responses_per_rpc": "1"}


def begun() -> play:
    return play(http2) >> C(PREFACE + settings()) >> S(settings() + settings(ack=True)) >> C(settings(ack=True))


def asked(client: Side, stream: int = 1) -> bytes:
    """A unary request."""
    return client.headers(stream, RPC) + data(stream, message(b"apple"), end=True)


def told(server: Side, stream: int = 1, status: int = 0, text: str = "") -> bytes:
    """A unary response."""
    return server.headers(stream, RPC_OK) + data(stream, message(b"one")) + server.trailers(stream, status, text)


def test_a_method_and_its_answer() -> None:
    client, server = both()
    (
        begun()
        >> C(asked(client))
        >> S(told(server))
        << Call(
            "POST",
            ok,
            protocol="gRPC",
            domain="shop:50051",
            resource="shop.Cart",
            endpoint="/shop.Cart/Add",
            request_id=1,
            code=0,
            attributes=PROCESSED,
            ms=1.0,
        )
        << end
    )


@pytest.mark.parametrize(
    ("code", "status"),
    [(code, server_error if code in {2, 4, 12, 13, 14, 15} else client_error) for code in range(1, 17)]
    + [(99, server_error)],
)
def test_the_status_is_in_the_trailers(code: int, status: str) -> None:
    """Whose error it is: OpenTelemetry's conventions for gRPC, span status of servers."""
    client, server = both()
    played = begun() >> C(asked(client)) >> S(told(server, 1, code, "caf%C3%A9 is closed, 100%25"))
    played << Call("POST", status, code=code, exception="café is closed, 100%") << end


def test_trailers_only() -> None:
    client, server = both()
    fields = [*RPC_OK, ("grpc-status", "5"), ("grpc-message", "no such cart")]
    played = begun() >> C(asked(client)) >> S(server.headers(1, fields, end=True))
    played << Call(
        "POST",
        client_error,
        protocol="gRPC",
        code=5,
        exception="no such cart",
        attributes=PROCESSED | {"rpc.responses_per_rpc": "0"},
    )
    played << end


@pytest.mark.parametrize(
    ("http", "code", "status"), [(404, 12, server_error), (403, 7, client_error), (503, 14, server_error)]
)
def test_a_proxy_answers_in_http(http: int, code: int, status: str) -> None:
    client, server = both()
    played = (
        begun() >> C(asked(client)) >> S(server.headers(1, [(":status", str(http))]) + data(1, b"<html>", end=True))
    )
    attributes = {"http.response.status_code": str(http), "rpc.requests_per_rpc": "1"}
    played << Call("POST", status, protocol="gRPC", code=code, attributes=attributes) << end


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [(8, 1, client_error), (7, 14, server_error), (11, 8, client_error), (2, 13, server_error)],
)
def test_a_reset_stands_for_a_status(error: int, code: int, status: str) -> None:
    client, _ = both()
    begun() >> C(asked(client)) >> S(reset(1, error)) << Call("POST", status, code=code, protocol="gRPC") << end


def test_a_client_that_cancels_a_stream_of_messages() -> None:
    client, server = both()
    played = begun() >> C(asked(client)) >> S(server.headers(1, RPC_OK) + data(1, message(b"a") + message(b"b")))
    (
        played
        >> C(reset(1, 8))
        << Call("POST", client_error, code=1, attributes=PROCESSED | {"rpc.responses_per_rpc": "2"})
        << end
    )


def test_messages_are_counted_each_way_while_they_are_interleaved() -> None:
    client, server = both()
    played = begun() >> C(client.headers(1, RPC) + client.headers(3, RPC)) >> S(server.headers(1, RPC_OK))
    for number in range(20):
        played >> C(data(1, message(bytes(number)))) >> S(data(1, message(b"x" * 100) * 3))
    played >> C(data(1, b"", end=True) + data(3, message(b""), end=True)) >> S(server.trailers(1))
    played >> S(server.headers(3, RPC_OK) + server.trailers(3))
    played << Call("POST", ok, attributes=PROCESSED | {"rpc.requests_per_rpc": "20", "rpc.responses_per_rpc": "60"})
    played << Call("POST", ok, attributes=PROCESSED | {"rpc.responses_per_rpc": "0"}) << end


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 11, 100, 5000])
@pytest.mark.parametrize("step", [7, 1000, 100_000])
def test_messages_are_counted_across_frames_of_every_size(size: int, step: int) -> None:
    client, server = both()
    messages = b"".join(message(b"m" * length) for length in (0, 1, 0, 3, 900, 5, 4000))
    sent = client.headers(1, RPC)
    sent += b"".join(data(1, messages[at : at + size]) for at in range(0, len(messages), size)) + data(1, b"", end=True)
    played = begun()
    step = min(step, 60_000)
    if len(sent) // step > 2000:
        step = 500
    for at in range(0, len(sent), step):
        played >> C(sent[at : at + step])
    played >> S(told(server)) << Call("POST", ok, attributes=PROCESSED | {"rpc.requests_per_rpc": "7"}) << end


def test_a_message_larger_than_a_frame() -> None:
    client, server = both()
    large = message(b"m" * 100_000)
    played = begun() >> C(client.headers(1, RPC))
    for at in range(0, len(large), 16_384):
        played >> C(data(1, large[at : at + 16_384]))
    played >> C(data(1, message(b"small"), end=True)) >> S(told(server))
    played << Call("POST", ok, attributes=PROCESSED | {"rpc.requests_per_rpc": "2"}) << end


def test_the_number_of_messages_is_not_told_where_some_may_be_missing() -> None:
    client, server = both()
    played = begun() >> C(asked(client)) >> S(server.headers(1, RPC_OK)) >> lost(S(data(1, message(b"lost"))))
    played >> S(data(1, message(b"one"))) >> S(server.trailers(1))
    (
        played
        << Call("POST", ok, code=0, attributes={"http.response.status_code": "200", "rpc.requests_per_rpc": "1"})
        << end
    )


def test_a_long_message_of_which_only_the_beginning_was_captured() -> None:
    client, server = both()
    played = begun() >> C(asked(client)) >> cut(S(server.headers(1, RPC_OK) + data(1, message(b"x" * 1000))), 54 + 80)
    played >> S(server.trailers(1)) << Call("POST", ok, code=0, attributes=PROCESSED) << end


def test_a_deadline_is_told() -> None:
    client, server = both()
    head = client.headers(1, [*RPC, ("grpc-timeout", "200m")])
    played = begun() >> C(head + data(1, message(b"x"), end=True)) >> S(told(server))
    played << Call("POST", ok, attributes=PROCESSED | {"rpc.grpc.request.metadata.grpc-timeout": "200m"}) << end


def test_no_trailers_no_status() -> None:
    """The HTTP status says nothing of the call (gRPC over HTTP/2, Responses)."""
    client, server = both()
    played = begun() >> C(asked(client)) >> S(server.headers(1, RPC_OK) + data(1, message(b"half")))
    (
        played
        << Call("POST", unknown, code=None, protocol="gRPC", attributes={"http.response.status_code": "200"}, ms=1.0)
        << end
    )


@pytest.mark.parametrize(
    ("content_type", "protocol"),
    [
        ("application/grpc+proto", "gRPC"),
        ("application/grpc;charset=x", "gRPC"),
        ("application/grpc-web+proto", "HTTP/2"),
        ("application/json", "HTTP/2"),
    ],
)
def test_the_content_type_says_that_it_is_grpc(content_type: str, protocol: str) -> None:
    client, server = both()
    head = client.headers(1, [*RPC[:4], ("content-type", content_type)], end=True)
    status, resource = (unknown, "shop.Cart") if protocol == "gRPC" else (ok, "/shop.Cart/Add")
    played = begun() >> C(head) >> S(server.headers(1, [(":status", "200")], end=True))
    played << Call("POST", status, protocol=protocol, resource=resource) << end


def test_both_on_one_connection() -> None:
    client, server = both()
    played = begun() >> C(client.headers(1, GET, end=True) + asked(client, 3))
    played >> S(told(server, 3) + server.headers(1, [(":status", "404")], end=True))
    played << Call("POST", ok, protocol="gRPC", code=0) << Call("GET", client_error, protocol="HTTP/2", code=404) << end
