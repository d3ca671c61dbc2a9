"""HTTP/1 captures recorded by others: each call is what their publisher's parser saw of its two messages."""

from __future__ import annotations

import pytest

from protocols.results import FOLDER, messages
from recording import calls_of

PATTERNS = {
    "type": r"method: (\w+)",
    "resource": r' path: "([^"]*)"',
    "domain": r'host: "([^"]*)"',
    "trace_id": r'trace_ids: PrioFields\(\[PrioField \{ prio: \d+, field: "([^"]*)"',
    "span_id": r'span_id: PrioField \{ prio: \d+, field: "([^"]*)"',
    "client": r'client_ip: Some\(PrioField \{ prio: \d+, field: "([^"]*)"',
    "code": r"status_code: Some\((\d+)\)",
    "status": r" status: (\w+)",
}


@pytest.mark.skipif(not FOLDER.exists(), reason="../shared/fixtures/pcap is absent")
@pytest.mark.parametrize("name", ["httpv1", "client-ip", "sw8"])
def test_the_calls_are_theirs(name: str) -> None:
    """But for the endpoint, which is two segments of the path there, and the x-request-id, which they leave out."""
    told = messages(name, PATTERNS)
    calls = calls_of(FOLDER / f"{name}.pcap")
    assert len(calls) * 2 == len(told) > 0
    for call, request, response in zip(calls, told[::2], told[1::2], strict=True):
        assert (request["kind"], response["kind"]) == ("Request", "Response")
        assert call["type"] == request["type"].upper()
        assert call["attributes"].get("client.address") == request.get("client")
        for column in ("resource", "domain", "trace_id", "span_id"):
            assert call[column] == request.get(column, "")
        assert (str(call["code"]), call["status"].capitalize()) == (response["code"], response["status"])
