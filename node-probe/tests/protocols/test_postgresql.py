"""PostgreSQL: queries, the extended protocol and what comes between, in conversations."""

from __future__ import annotations

import struct

import pytest

from play import (
    C,
    Call,
    S,
    Step,
    Wait,
    client_error,
    cut,
    end,
    lost,
    ok,
    play,
    server_error,
    unknown,
)
from weir_probe.protocols.registry import BY_NAME, PROTOCOLS

postgresql = PROTOCOLS[BY_NAME["postgresql"]]


def message(kind: str, body: bytes = b"") -> bytes:
    return kind.encode() + struct.pack(">I", len(body) + 4) + body


def startup(**parameters: str) -> bytes:
    body = b"".join(f"{name}\0{value}\0".encode() for name, value in parameters.items()) + b"\0"
    return struct.pack(">II", len(body) + 8, 196608) + body


def query(sql: str) -> bytes:
    return message("Q", sql.encode() + b"\0")


def parse(sql: str, name: str = "") -> bytes:
    return message("P", f"{name}\0{sql}\0".encode() + b"\0\0")


def bind(name: str = "", portal: str = "", *values: bytes) -> bytes:
    told = b"".join(struct.pack(">I", len(value)) + value for value in values)
    return message("B", f"{portal}\0{name}\0".encode() + struct.pack(">HH", 0, len(values)) + told + b"\0\0")


def execute(portal: str = "", rows: int = 0) -> bytes:
    return message("E", portal.encode() + b"\0" + struct.pack(">I", rows))


def complete(tag: str) -> bytes:
    return message("C", tag.encode() + b"\0")


def columns(*names: str) -> bytes:
    fields = b"".join(name.encode() + b"\0" + struct.pack(">IHIHIH", 0, 0, 23, 4, 0, 0) for name in names)
    return message("T", struct.pack(">H", len(names)) + fields)


def row(*values: bytes) -> bytes:
    return message("D", struct.pack(">H", len(values)) + b"".join(struct.pack(">I", len(v)) + v for v in values))


def error(code: str, text: str, severity: str = "ERROR") -> bytes:
    return message("E", f"S{severity}\0V{severity}\0C{code}\0M{text}\0Rwhere\0\0".encode())


READY = message("Z", b"I")
DESCRIBE = message("D", b"P\0")
SYNC, FLUSH = message("S"), message("H")
PARSED, BOUND, CLOSED, NO_DATA = message("1"), message("2"), message("3"), message("n")
ANSWER = columns("a") + row(b"1") + row(b"2") + complete("SELECT 2") + READY
SELECT = query("SELECT a FROM t WHERE b = 'x'")
PING, PONG = query("SELECT 1"), columns("a") + row(b"1") + complete("SELECT 1") + READY


def test_a_query_and_its_answer() -> None:
    (
        play(postgresql)
        >> C(SELECT)
        >> S(ANSWER)
        << Call(
            "SELECT",
            ok,
            resource="SELECT a FROM t WHERE b = ?",
            endpoint="SELECT t",
            result="SELECT 2",
            attributes={"db.response.returned_rows": "2"},
            request_bytes=len(SELECT),
            response_bytes=len(ANSWER),
            ms=1.0,
        )
        << end
    )


def test_as_captured() -> None:
    resource = "SELECT a FROM t WHERE b = 'x'"
    play(postgresql, redacts=False) >> C(SELECT) >> S(ANSWER) << Call("SELECT", ok, resource=resource) << end


def test_several_statements_of_a_query_are_one_call() -> None:
    (
        play(postgresql)
        >> C(query("INSERT INTO t VALUES (1); UPDATE t SET a = 2; SELECT 1"))
        >> S(complete("INSERT 0 1") + complete("UPDATE 3"))
        >> S(PONG)
        << Call(
            "INSERT",
            ok,
            endpoint="INSERT t",
            result="SELECT 1",
            attributes={"db.response.returned_rows": "1", "affected_rows": "4", "statements": "3"},
            ms=1.0,
        )
        << end
    )


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("42601", client_error),
        ("23505", client_error),
        ("22P02", client_error),
        ("P0001", client_error),
        ("40001", server_error),
        ("53300", server_error),
        ("57014", server_error),
        ("08006", server_error),
        ("XX000", server_error),
    ],
)
def test_whose_an_error_is(code: str, status: str) -> None:
    (
        play(postgresql)
        >> C(PING)
        >> S(error(code, "sorry") + READY)
        << Call("SELECT", status, code=code, exception="sorry")
        << end
    )


def test_an_errors_text_quotes_names_but_no_values() -> None:
    told = play(postgresql)
    told >> C(PING) >> S(error("42P01", 'relation "users" does not exist') + READY)
    told >> C(PING) >> S(error("22P02", 'invalid input syntax for type integer: "secret 7"') + READY)
    told << Call("SELECT", client_error, exception='relation "users" does not exist')
    told << Call("SELECT", client_error, exception="invalid input syntax for type integer: ?") << end


def test_an_error_amid_rows_counts() -> None:
    (
        play(postgresql)
        >> C(PING)
        >> S(columns("a") + row(b"1"))
        >> S(error("22012", "division by zero") + READY)
        << Call("SELECT", client_error, code="22012", ms=1.0, attributes={"db.response.returned_rows": "1"})
        << end
    )


def test_the_extended_protocol_is_one_call_from_parse_to_execute() -> None:
    sent = parse("SELECT a FROM t WHERE b = $1") + bind("", "", b"secret") + DESCRIBE + execute() + SYNC
    (
        play(postgresql)
        >> C(sent)
        >> S(PARSED + BOUND + ANSWER)
        << Call(
            "SELECT",
            ok,
            resource="SELECT a FROM t WHERE b = $1",
            endpoint="SELECT t",
            result="SELECT 2",
            request_bytes=len(sent) - len(SYNC),
            response_bytes=len(PARSED + BOUND + ANSWER) - len(READY),
            ms=1.0,
        )
        << end
    )


def test_a_prepared_statement_is_told_with_each_execution() -> None:
    played = play(postgresql) >> C(parse("UPDATE t SET a = $1", "s1") + message("D", b"Ss1\0") + SYNC)
    played >> S(PARSED + message("t", b"\0\1\0\0\0\x17") + NO_DATA + READY)
    for number in range(3):
        played >> C(bind("s1", "", b"%d" % number) + execute() + SYNC)
        played >> S(BOUND + complete(f"UPDATE {number}") + READY)
    played << Call("PARSE", ok, resource="UPDATE t SET a = $1", endpoint="UPDATE t", ms=1.0)
    for number in range(3):
        played << Call("UPDATE", ok, endpoint="UPDATE t", attributes={"affected_rows": str(number)}, ms=1.0)
    played << end


def test_a_statement_that_was_closed_or_never_seen_is_not_known() -> None:
    played = play(postgresql) >> C(parse("SELECT 1", "s") + SYNC) >> S(PARSED + READY)
    (
        played
        >> C(message("C", b"Ss\0") + bind("s") + execute() + SYNC)
        >> S(CLOSED + BOUND + complete("SELECT 0") + READY)
    )
    played << Call("PARSE", ok) << Call("SELECT", ok, resource="", result="SELECT 0") << end


def test_a_flush_ends_what_is_prepared() -> None:
    """As asyncpg does it."""
    played = play(postgresql) >> C(parse("SELECT a FROM t", "s") + message("D", b"Ss\0") + FLUSH)
    played >> S(PARSED + message("t", b"\0\0") + columns("a")) >> Wait(5)
    played >> C(bind("s") + execute() + SYNC) >> S(BOUND + row(b"1") + complete("SELECT 1") + READY)
    played << Call("PARSE", ok, ms=1.0) << Call("SELECT", ok, endpoint="SELECT t", ms=1.0) << end


def test_a_portal_is_fetched_in_parts() -> None:
    played = play(postgresql) >> C(parse("SELECT a FROM t") + bind("", "p") + execute("p", 2) + FLUSH)
    played >> S(PARSED + BOUND + row(b"1") + row(b"2") + message("s"))
    played >> C(execute("p", 2) + SYNC) >> S(row(b"3") + complete("SELECT 1") + READY)
    played << Call("SELECT", ok, endpoint="SELECT t", attributes={"db.response.returned_rows": "2"})
    played << Call("SELECT", ok, endpoint="SELECT t", attributes={"db.response.returned_rows": "1"}) << end


def test_a_pipeline_has_a_call_for_each_execution() -> None:
    one = parse("INSERT INTO t VALUES ($1)") + bind("", "", b"x") + execute()
    played = play(postgresql) >> C((one * 50 + SYNC) * 4)
    for batch in range(4):
        answers = [PARSED + BOUND + complete(f"INSERT 0 {batch * 50 + number}") for number in range(50)]
        played >> S(b"".join(answers) + READY)
    for number in range(200):
        played << Call("INSERT", ok, attributes={"affected_rows": str(number)}, ms=1.0 + number // 50)
    played << end


def test_after_an_error_the_server_skips_to_the_next_sync() -> None:
    def run(table: str) -> bytes:
        return parse(f"SELECT a FROM {table}") + bind() + execute()

    def answer(rows: int) -> bytes:
        return PARSED + BOUND + row(b"1") * rows + complete(f"SELECT {rows}")

    played = play(postgresql) >> C(run("a") + run("b") + run("c") + run("d") + SYNC + run("e") + SYNC)
    played >> S(answer(1) + error("42P01", 'relation "b" does not exist') + READY + answer(5) + READY)
    played << Call("SELECT", ok, endpoint="SELECT a")
    played << Call("SELECT", client_error, endpoint="SELECT b", code="42P01", result="")
    played << Call("SELECT", client_error, endpoint="SELECT c", code=None, result="skipped")
    played << Call("SELECT", client_error, endpoint="SELECT d", code=None, result="skipped")
    played << Call("SELECT", ok, endpoint="SELECT e", result="SELECT 5") << end


def test_what_is_sent_after_the_error_was_is_skipped_too() -> None:
    played = play(postgresql) >> C(parse("SELECT a FROM a") + bind() + execute()) >> S(error("42P01", "no"))
    played >> C(parse("SELECT b FROM b") + bind() + execute() + SYNC) >> S(READY) >> C(PING) >> S(PONG)
    played << Call("SELECT", client_error, endpoint="SELECT a", code="42P01")
    played << Call("SELECT", client_error, endpoint="SELECT b", result="skipped") << Call("SELECT", ok) << end


def test_an_error_at_commit_belongs_to_the_sync() -> None:
    played = play(postgresql) >> C(parse("INSERT INTO t VALUES (1)") + bind() + execute() + SYNC)
    played >> S(PARSED + BOUND + complete("INSERT 0 1") + error("23503", "deferred") + READY)
    played << Call("INSERT", ok) << Call("SYNC", client_error, code="23503", latency_us=None) << end


def test_a_copy_in_is_one_call() -> None:
    sent = query("COPY t FROM STDIN")
    played = play(postgresql) >> C(sent) >> S(message("G", b"\0\0\1\0\0"))
    data = b"".join(message("d", b"%d\n" % number) for number in range(10_000))
    for place in range(0, len(data), 1400):
        played >> C(data[place : place + 1400])
    played >> C(message("c")) >> S(complete("COPY 10000") + READY)
    played << Call(
        "COPY", ok, endpoint="COPY t", request_bytes=len(sent + data) + 5, attributes={"affected_rows": "10000"}, ms=1.0
    )
    played << end


def test_a_copy_in_of_the_extended_protocol_ignores_the_sync_before_its_data() -> None:
    played = play(postgresql) >> C(parse("COPY t FROM STDIN") + bind() + DESCRIBE + execute() + SYNC)
    played >> S(PARSED + BOUND + NO_DATA + message("G", b"\0\0\1\0\0"))
    played >> C(message("d", b"1\n") + message("c") + SYNC) >> S(complete("COPY 1") + READY) >> C(PING) >> S(PONG)
    played << Call("COPY", ok, result="COPY 1") << Call("SELECT", ok) << end


def test_a_copy_that_the_client_gives_up() -> None:
    played = play(postgresql) >> C(query("COPY t FROM STDIN")) >> S(message("G", b"\0\0\1\0\0"))
    played >> C(message("d", b"1\n") + message("f", b"no\0")) >> S(error("57014", "COPY from stdin failed: no") + READY)
    played << Call("COPY", server_error, code="57014") << end


def test_a_copy_out_is_one_call() -> None:
    data = b"".join(message("d", b"%d\n" % number) for number in range(10_000))
    answer = message("H", b"\0\0\1\0\0") + data + message("c") + complete("COPY 10000") + READY
    played = play(postgresql) >> C(query("COPY t TO STDOUT"))
    for place in range(0, len(answer), 1400):
        played >> S(answer[place : place + 1400])
    played << Call("COPY", ok, response_bytes=len(answer), ms=1.0) << end


def test_a_replication_stream_goes_both_ways() -> None:
    played = play(postgresql) >> C(query("START_REPLICATION SLOT s LOGICAL 0/0")) >> S(message("W", b"\0\0\0"))
    played >> S(message("d", b"w" * 40)) >> C(message("d", b"r" * 33)) >> S(message("d", b"k" * 17))
    played << Call("START_REPLICATION", ok, ms=1.0) << end


def test_notifications_are_calls_one_way() -> None:
    push = message("A", struct.pack(">I", 4711) + b"orders\0secret\0")
    played = play(postgresql) >> C(query("LISTEN orders")) >> S(complete("LISTEN") + READY + push) >> Wait(9) >> S(push)
    played << Call("LISTEN", ok, result="LISTEN")
    for _ in range(2):
        played << Call("NOTIFICATION", ok, resource="orders", result="", latency_us=None)
    played << end


def test_a_session_begins_and_its_password_does_not_leave() -> None:
    played = play(postgresql, redacts=False) >> C(startup(user="alice", database="shop", application_name="till"))
    played >> S(message("R", struct.pack(">I", 3))) >> C(message("p", b"hunter2\0"))
    played >> S(message("R", b"\0\0\0\0") + message("S", b"a\0b\0") + message("K", b"12345678") + READY)
    played >> C(PING) >> S(PONG) >> C(message("X"))
    played << Call("STARTUP", ok, resource="user=alice database=shop", ms=1.0) << Call("SELECT", ok) << end


def test_a_session_is_refused() -> None:
    played = (
        play(postgresql) >> C(startup(user="alice")) >> S(error("28P01", "password authentication failed", "FATAL"))
    )
    played << Call("STARTUP", client_error, resource="user=alice", code="28P01") << end


def test_a_request_for_encryption_is_declined() -> None:
    for code in (80877103, 80877104):
        played = play(postgresql) >> C(struct.pack(">II", 8, code)) >> S(b"N") >> C(startup(user="a"))
        played >> S(message("R", b"\0\0\0\0") + READY) << Call("STARTUP", ok) << end


def test_an_encrypted_session_is_another_protocols() -> None:
    played = play(postgresql) >> C(struct.pack(">II", 8, 80877103)) >> S(b"S")
    played >> C(b"\x16\x03\x01\x02\x00" + b"\x55" * 512) >> S(b"\x16\x03\x03\x00\x7a" + b"\x55" * 122) << end


def test_a_request_to_cancel_shows_no_key() -> None:
    packet = struct.pack(">IIII", 16, 80877102, 4711, 0xDEADBEEF)
    play(postgresql) >> C(packet) << Call("CANCEL", ok, resource="", latency_us=None) << end


def test_a_function_call() -> None:
    played = play(postgresql) >> C(PING) >> S(PONG) >> C(message("F", struct.pack(">IHHH", 764, 0, 0, 0)))
    played >> S(message("V", b"\0\0\0\0") + READY) << Call("SELECT", ok)
    played << Call("FUNCTION_CALL", ok, resource="764") << end


def test_the_server_ends_sessions_by_itself() -> None:
    told = error("57P01", "terminating connection due to administrator command", "FATAL")
    play(postgresql) >> C(PING) >> S(PONG) >> S(told) << Call("SELECT", ok) << Call("ERROR", server_error) << end


def test_backslashes_escape_where_the_server_says_so() -> None:
    answer = message("R", b"\0\0\0\0") + message("S", b"standard_conforming_strings\0off\0") + READY
    played = play(postgresql) >> C(startup(user="a")) >> S(answer) >> C(query("SELECT 'a\\' secret', b")) >> S(PONG)
    played << Call("STARTUP", ok) << Call("SELECT", ok, resource="SELECT ?, b") << end


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64])
def test_messages_in_pieces_of_every_size(size: int) -> None:
    sent = startup(user="a") + parse("SELECT a FROM t", "s") + bind("s") + DESCRIBE + execute() + SYNC + SELECT
    answers = [message("R", b"\0\0\0\0") + READY, PARSED + BOUND + ANSWER, ANSWER]
    played = play(postgresql)
    for place in range(0, len(sent), size):
        played >> C(sent[place : place + size])
    for answer in answers:
        for place in range(0, len(answer), size):
            played >> S(answer[place : place + size])
    (
        played
        << Call("STARTUP", ok)
        << Call("SELECT", ok, result="SELECT 2")
        << Call("SELECT", ok, result="SELECT 2")
        << end
    )


def test_a_query_larger_than_what_is_looked_at() -> None:
    sent = query("INSERT INTO t VALUES ('" + "secret " * 30_000 + "')")
    played = play(postgresql) >> C(PING) >> S(PONG)
    for place in range(0, len(sent), 1400):
        played >> C(sent[place : place + 1400])
    played >> S(complete("INSERT 0 1") + READY) >> C(PING) >> S(PONG) << Call("SELECT", ok)
    played << Call("INSERT", ok, resource="INSERT INTO t VALUES (?", request_bytes=len(sent), truncated=True)
    played << Call("SELECT", ok) << end


def test_a_row_larger_than_what_is_kept() -> None:
    answer = columns("a") + row(b"x" * 300_000) * 3 + complete("SELECT 3") + READY
    played = play(postgresql) >> C(PING)
    for place in range(0, len(answer), 1400):
        played >> S(answer[place : place + 1400])
    played << Call("SELECT", ok, response_bytes=len(answer), attributes={"db.response.returned_rows": "3"}) << end


def test_a_lost_answer_does_not_shift_those_after_it() -> None:
    other = query("SELECT b FROM u")
    played = play(postgresql) >> C(PING) >> S(PONG) >> C(PING + other) >> lost(S(PONG)) >> S(ANSWER)
    played >> C(SELECT) >> S(ANSWER) >> Wait(2) >> C(SELECT) >> S(ANSWER)
    played << Call("SELECT", ok) << Call("SELECT", unknown) << Call("SELECT", unknown, endpoint="SELECT u")
    played << Call("SELECT", unknown, endpoint="SELECT t") << Call("SELECT", ok, endpoint="SELECT t", ms=1.0) << end


def test_a_lost_request_does_not_shift_those_after_it() -> None:
    played = play(postgresql) >> C(PING) >> S(PONG) >> lost(C(PING)) >> S(PONG) >> C(SELECT) >> S(ANSWER)
    played << Call("SELECT", ok) << Call("SELECT", ok, endpoint="SELECT t", result="SELECT 2") << end


@pytest.mark.parametrize(
    "first",
    [C(SELECT), C(bind("s", "", b"x") + execute() + SYNC), C(parse("SELECT 1") + bind() + execute() + SYNC)],
)
def test_a_start_in_the_middle_with_a_request(first: Step) -> None:
    played = play(postgresql, port=9999) >> first >> S(message("2") + complete("SELECT 2") + READY)
    played >> C(SELECT) >> S(ANSWER)
    assert played.next() is not None
    played << Call("SELECT", ok, endpoint="SELECT t") << end


@pytest.mark.parametrize("answer", [ANSWER, READY, complete("UPDATE 1") + READY, error("42601", "no") + READY])
def test_a_start_in_the_middle_with_an_answer(answer: bytes) -> None:
    play(postgresql, port=9999) >> S(answer) >> C(SELECT) >> S(ANSWER) << Call("SELECT", ok, endpoint="SELECT t") << end


def test_a_query_that_was_not_captured_whole() -> None:
    sent = query("SELECT a FROM t WHERE b = 'secret secret secret'")
    played = play(postgresql) >> C(PING) >> S(PONG) >> cut(C(sent), 14 + 20 + 20 + 40) >> S(PONG)
    played << Call("SELECT", ok)
    played << Call("SELECT", ok, resource="SELECT a FROM t WHERE b = ?", truncated=True, request_bytes=len(sent)) << end


def test_hostile_lengths_end_nothing() -> None:
    for bad in (b"Q\0\0\0\0", b"Q\xff\xff\xff\xff", b"\0" * 64, b"D\x3f\xff\xff\xff\0", b"@\0\0\0\4"):
        played = play(postgresql) >> C(PING) >> S(PONG) >> C(bad) >> S(bad) >> Wait(2) >> C(PING) >> S(PONG)
        played << Call("SELECT", ok)
        while played.next() is not None:
            pass


def test_statements_are_bounded() -> None:
    played = play(postgresql) >> C(PING) >> S(PONG)
    for number in range(3000):
        played >> C(parse(f"SELECT a{'a' * 400} FROM t{number}", f"s{number}") + SYNC) >> S(PARSED + READY)
    played >> C(bind("s2999") + execute() + bind("s0") + execute() + SYNC)
    played >> S((BOUND + complete("SELECT 0")) * 2 + READY) << Call("SELECT", ok)
    for number in range(3000):
        played << Call("PARSE", ok, endpoint=f"SELECT t{number}")
    played << Call("SELECT", ok, endpoint="SELECT t2999") << Call("SELECT", ok, resource="") << end


def test_a_pipeline_deeper_than_what_is_remembered() -> None:
    one = parse("SELECT 1") + bind() + DESCRIBE + execute() + SYNC
    played = play(postgresql) >> C(PING) >> S(PONG)
    for _ in range(30):
        played >> C(one * 100)
    for _ in range(30):
        played >> S((PARSED + BOUND + PONG) * 100)
    played >> Wait(2) >> C(SELECT) >> S(ANSWER) << Call("SELECT", ok)
    calls = []
    while (call := played.next()) is not None:
        calls.append(call)
    assert len(calls) >= 3001
    assert {call["status"] for call in calls[:-1]} == {unknown}
    assert (calls[-1]["status"], calls[-1]["endpoint"]) == (ok, "SELECT t")
