"""MySQL and PostgreSQL captures recorded by others: each call is what their publisher's parser saw of its packets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recording import calls_of
from weir_probe.replay import replay_calls

FOLDER = Path(__file__).parents[4] / "shared/fixtures/pcap"
pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="../shared/fixtures/pcap is absent")
#: `request_type` is the command's number; the login has none, and is 0 there.
TYPES = {
    0: "COM_CONNECT",
    1: "COM_QUIT",
    2: "COM_INIT_DB",
    3: "COM_QUERY",
    22: "COM_STMT_PREPARE",
    23: "COM_STMT_EXECUTE",
    25: "COM_STMT_CLOSE",
}
WHOLE = (
    "mysql",
    "mysql-compressed-response",
    "mysql-database",
    "mysql-error",
    "mysql-login-error",
    "mysql-table-insert",
    "mysql-table-select",
    "truncate-1024",
)


def packets(name: str) -> list[dict[str, Any]]:
    lines = (FOLDER / f"mysql/{name}.result").read_text().splitlines()
    found = [json.loads(line.rpartition(" is_mysql: ")[0]) for line in lines]
    return [packet for packet in found if packet["msg_type"] != "Other"]


def calls(path: str) -> list[dict[str, Any]]:
    return calls_of(FOLDER / path, redacts=False)


def compare(call: dict[str, Any], told: dict[str, Any]) -> None:
    """The request. What an execution's parameters are stands there in place of its statement (a resource is SQL)."""
    assert call["type"] == TYPES[told["request_type"]]
    if told["request_type"] != 23:
        assert call["resource"] == told.get("request_resource", "")
        assert call["endpoint"] == (told["endpoint"] or "")
    if told["msg_type"] == "Request" and told["statement_id"]:
        assert call["request_id"] == str(told["statement_id"])


def answered(call: dict[str, Any], told: dict[str, Any]) -> None:
    """The answer. `response_code` is the first byte of a packet there, the statement's id is read from OK packets too,
    and all errors are the server's: their classes say otherwise (42000: syntax error or access rule violation,
    ISO/IEC 9075-2 §24.1; 08004: the server rejected the connection)."""
    status = "client_error" if call["code"] == 1049 else told["response_status"]
    assert call["status"] == status
    assert call["exception"] == told.get("response_execption", "")
    if told.get("sql_affected_rows"):
        assert call["attributes"]["affected_rows"] == str(told["sql_affected_rows"])
    if call["type"] == "COM_STMT_PREPARE":
        assert call["request_id"] == str(told["statement_id"])


@pytest.mark.parametrize("name", WHOLE)
def test_the_calls_are_theirs(name: str) -> None:
    told = iter(packets(name))
    found = calls(f"mysql/{name}.pcap")
    for call in found:
        packet = next(told)
        compare(call, packet)
        if packet["msg_type"] == "Session":  # one way
            assert (call["status"], call["latency_us"]) == ("ok", None)
        else:
            answered(call, next(told))
            assert call["latency_us"] > 0
    assert found
    assert next(told, None) is None


def test_several_connections_are_not_one() -> None:
    """mysql-statement.result takes all packets for one connection's: its first eight are of one, and then it pairs
    a query with another connection's answer. By connection each prepared statement has the answer with its own id."""
    told = packets("mysql-statement")
    found = calls("mysql/mysql-statement.pcap")
    first = iter(told[:10])
    for call in found[:6]:
        packet = next(first)
        compare(call, packet)
        if packet["msg_type"] == "Request":
            answered(call, next(first))
    asked = [packet["request_resource"] for packet in told if packet["msg_type"] == "Request"][4:]
    assert [call["resource"] for call in found[6:]] == asked
    prepared = [call for call in found[6:] if call["type"] == "COM_STMT_PREPARE" and call["status"] == "ok"]
    assert [call["request_id"] for call in prepared] == ["98", "74", "113", "143"]
    # the capture ends before they are answered
    assert [call["type"] for call in found if call["status"] == "unknown"] == [
        "COM_QUERY",
        "COM_STMT_PREPARE",
        "COM_QUERY",
    ]


def test_connections_that_are_checked_before_each_query() -> None:
    found = calls("mysql/171-mysql.pcap")
    assert {(call["type"], call["status"]) for call in found} == {("COM_PING", "ok"), ("COM_QUERY", "ok")}
    for call in found:
        assert (call["type"] == "COM_QUERY") == call["resource"].startswith("select updated_at from ")
        assert call["latency_us"] is not None
    assert len(found) == 390


def test_a_simple_query() -> None:
    [call] = calls("postgre/simple_query.pcap")
    assert (call["type"], call["resource"], call["status"]) == ("DELETE", "delete  from test;", "ok")
    assert (call["result"], call["attributes"], call["latency_us"]) == ("DELETE 1", {"affected_rows": "1"}, 2224)


def test_a_query_that_is_no_sql() -> None:
    [call] = calls("postgre/error.pcap")
    assert (call["resource"], call["status"], call["code"]) == ("asdsdfdsf;", "client_error", "42601")
    assert call["exception"] == 'syntax error at or near "asdsdfdsf"'


def test_a_prepared_statement_whose_answer_is_missing() -> None:
    """44 bytes of the client and 50 of the server are not in the capture: what is answered was not asked."""
    lines: list[str] = []
    summary = replay_calls(FOLDER / "postgre/prepare_stat.pcap", lines.extend)
    [call] = [json.loads(line) for line in lines]
    assert (call["type"], call["status"], call["endpoint"]) == ("PARSE", "unknown", "DELETE test")
    assert call["resource"] == "delete from test where id=$1 returning id"
    assert summary.lost["out_of_step"] == 1
