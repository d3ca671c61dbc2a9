"""gRPC captures recorded by others, which begin in the middle: each call is what their publisher's parser saw of it."""

from __future__ import annotations

import pytest

from protocols.results import FOLDER, messages
from recording import calls_of

PATTERNS = {
    "protocol": r"proto: (\w+)",
    "request_id": r"stream_id: Some\((\d+)\)",
    "endpoint": r' path: "([^"]*)"',
    "domain": r'host: "([^"]*)"',
    "resource": r'service_name: Some\("([^"]*)"',
    "http": r" status_code: Some\((\d+)\)",
    "code": r"grpc_status_code: Some\((\d+)\)",
    "status": r" status: (\w+)",
}


@pytest.mark.skipif(not FOLDER.exists(), reason="../shared/fixtures/pcap is absent")
@pytest.mark.parametrize("name", ["grpc-unary", "grpc-segmented", "h2c_ascii"])
def test_the_call_is_theirs(name: str) -> None:
    """But for the method, which they leave out: it is :method's (RFC 9113 §8.3.1)."""
    request, *response = messages(name, PATTERNS)
    [call] = calls_of(FOLDER / f"{name}.pcap")
    assert call["protocol"].lower() == request["protocol"].lower()
    assert call["type"] == "POST"
    assert str(call["request_id"]) == request["request_id"]
    for column in ("endpoint", "domain", "resource"):
        assert call[column] == request[column]
    if not response:
        assert (call["status"], call["latency_us"]) == ("unknown", None)
        return
    [told] = response
    assert call["attributes"]["http.response.status_code"] == told["http"]
    if "code" in told:
        assert (str(call["code"]), call["status"]) == (told["code"], told["status"].lower())
    else:
        # theirs is Ok for HTTP's 200; the trailers, which alone have a gRPC call's status, were not captured (gRPC over
        # HTTP/2, Responses: "Status must be sent in Trailers even if the status code is OK")
        assert (call["code"], call["status"]) == (None, "unknown")


@pytest.mark.skipif(not FOLDER.exists(), reason="../shared/fixtures/pcap is absent")
def test_what_else_is_in_them() -> None:
    [call] = calls_of(FOLDER / "h2c_ascii.pcap")
    assert call["attributes"] == {
        "user_agent.original": "grpc-go/1.22.0",
        "http.response.status_code": "200",
        "rpc.requests_per_rpc": "1",
        "rpc.responses_per_rpc": "1",
    }
    assert call["latency_us"] == 505759 - 503736
    [call] = calls_of(FOLDER / "grpc-unary.pcap")
    assert call["latency_us"] == 904549 - 873723
