"""MySQL and MariaDB: commands and what answers them, in conversations."""

from __future__ import annotations

import struct
import zlib

import pytest

from play import RESET, C, Call, S, Step, Wait, client_error, cut, end, lost, ok, play, server_error, unknown
from weir_probe.protocols.registry import BY_NAME, PROTOCOLS

mysql = PROTOCOLS[BY_NAME["mysql"]]

DEPRECATE_EOF, COMPRESS, ATTRIBUTES = 1 << 24, 1 << 5, 1 << 27
BASE = 1 << 3 | 1 << 9 | 1 << 15 | 1 << 19 | 1 << 21
MORE, CURSOR, NO_ESCAPES = 8, 64, 0x200


def packet(seq: int, body: bytes) -> bytes:
    return struct.pack("<I", len(body))[:3] + bytes((seq & 0xFF,)) + body


def packets(*bodies: bytes, seq: int = 1) -> bytes:
    return b"".join(packet(seq + number, body) for number, body in enumerate(bodies))


def compressed(seq: int, data: bytes, least: int = 50) -> bytes:
    if len(data) < least:
        return struct.pack("<I", len(data))[:3] + bytes((seq, 0, 0, 0)) + data
    small = zlib.compress(data)
    return struct.pack("<I", len(small))[:3] + bytes((seq,)) + struct.pack("<I", len(data))[:3] + small


def query(sql: str) -> bytes:
    return packet(0, b"\x03" + sql.encode())


def command(number: int, body: bytes = b"") -> bytes:
    return packet(0, bytes((number,)) + body)


def execute(ident: int, flags: int = 0) -> bytes:
    return command(0x17, struct.pack("<IBI", ident, flags, 1))


def done(affected: int = 0, flags: int = 2, header: int = 0) -> bytes:
    return bytes((header, affected, 0)) + struct.pack("<HH", flags, 0)


def column(name: bytes = b"a") -> bytes:
    return b"\x03def" + b"\x01s\x01t\x01t" + bytes((len(name),)) + name + b"\0\x0c" + b"\x21\0" + b"\0" * 10


def rows(count: int, deprecates: bool = False, flags: int = 2) -> list[bytes]:
    """A result of one column."""
    between = [] if deprecates else [b"\xfe\0\0" + struct.pack("<H", 2)]
    last = done(flags=flags, header=0xFE) if deprecates else b"\xfe\0\0" + struct.pack("<H", flags)
    return [b"\x01", column(), *between, *[b"\x03abc"] * count, last]


def error(code: int, state: str, text: str) -> bytes:
    return b"\xff" + struct.pack("<H", code) + b"#" + state.encode() + text.encode()


def greeting(offers: int = 0xDFFFFFFF) -> bytes:
    low, high = struct.pack("<H", offers & 0xFFFF), struct.pack("<H", offers >> 16)
    return packet(
        0,
        b"\x0a8.0.36\0"
        + b"\1\0\0\0"
        + b"saltsalt\0"
        + low
        + b"\x21\2\0"
        + high
        + b"\x15"
        + b"\0" * 10
        + b"morethansalt\0p\0",
    )


def login(capabilities: int = BASE, charset: int = 33, user: str = "root", database: str = "shop") -> bytes:
    head = struct.pack("<IIB23x", capabilities, 1 << 24, charset)
    return packet(1, head + user.encode() + b"\0\x07hunter2" + database.encode() + b"\0mysql_native_password\0")


OK = packets(done())
PING, QUIT = command(14), command(1)
SELECT = query("SELECT a FROM t WHERE b = 'x'")
ANSWER = packets(*rows(2))


def test_a_query_and_its_rows() -> None:
    (
        play(mysql)
        >> C(SELECT)
        >> S(ANSWER)
        << Call(
            "COM_QUERY",
            ok,
            resource="SELECT a FROM t WHERE b = ?",
            endpoint="SELECT t",
            attributes={"db.response.returned_rows": "2"},
            request_bytes=len(SELECT),
            response_bytes=len(ANSWER),
            ms=1.0,
        )
        << end
    )


def test_as_captured() -> None:
    resource = "SELECT a FROM t WHERE b = 'x'"
    play(mysql, redacts=False) >> C(SELECT) >> S(ANSWER) << Call("COM_QUERY", ok, resource=resource) << end


@pytest.mark.parametrize("deprecates", [False, True])
@pytest.mark.parametrize("count", [0, 1, 300])
def test_where_rows_end_needs_no_login(deprecates: bool, count: int) -> None:
    answer = packets(*rows(count, deprecates))
    played = play(mysql) >> C(SELECT) >> S(answer) >> C(PING) >> S(OK)
    played << Call("COM_QUERY", ok, attributes={"db.response.returned_rows": str(count)}, response_bytes=len(answer))
    played << Call("COM_PING", ok) << end


def test_rows_that_are_affected() -> None:
    played = play(mysql) >> C(query("UPDATE t SET a = 1")) >> S(packets(done(7)))
    played << Call("COM_QUERY", ok, endpoint="UPDATE t", attributes={"affected_rows": "7"}) << end


@pytest.mark.parametrize(
    ("code", "state", "status"),
    [
        (1064, "42000", client_error),
        (1062, "23000", client_error),
        (1366, "HY000", client_error),
        (1045, "28000", client_error),
        (1040, "08004", server_error),
        (1203, "42000", server_error),
        (1205, "HY000", server_error),
        (1213, "40001", server_error),
        (1290, "HY000", server_error),
    ],
)
def test_whose_an_error_is(code: int, state: str, status: str) -> None:
    played = play(mysql) >> C(SELECT) >> S(packets(error(code, state, "sorry")))
    played << Call("COM_QUERY", status, code=code, exception="sorry") << end


def test_an_errors_text_quotes_names_but_no_values() -> None:
    played = play(mysql) >> C(SELECT) >> S(packets(error(1146, "42S02", "Table 'shop.t' doesn't exist")))
    played >> C(SELECT) >> S(packets(error(1062, "23000", "Duplicate entry 'secret' for key 'mail'")))
    played << Call("COM_QUERY", client_error, exception="Table 'shop.t' doesn't exist")
    played << Call("COM_QUERY", client_error, exception="Duplicate entry ?") << end


def test_an_error_amid_rows_counts() -> None:
    answer = packets(*rows(2)[:-1], error(1317, "70100", "Query execution was interrupted"))
    play(mysql) >> C(SELECT) >> S(answer) << Call("COM_QUERY", client_error, code=1317, ms=1.0) << end


def test_several_results_are_one_call() -> None:
    first = [*rows(2)[:-1], b"\xfe\0\0" + struct.pack("<H", 2 | MORE)]
    answer = packets(*first, done(3, 2 | MORE), *rows(1))
    (
        play(mysql)
        >> C(query("SELECT a FROM t; UPDATE u SET a = 1; SELECT 1"))
        >> S(answer)
        << Call(
            "COM_QUERY",
            ok,
            attributes={"db.response.returned_rows": "3", "affected_rows": "3", "statements": "3"},
            response_bytes=len(answer),
        )
        << end
    )


def test_commands_without_an_answer_are_calls_one_way() -> None:
    played = play(mysql) >> C(PING) >> S(OK) >> C(command(0x19, b"\7\0\0\0")) >> C(command(0x18, b"\7\0\0\0\0\0data"))
    played >> C(QUIT) << Call("COM_PING", ok, ms=1.0) << Call("COM_STMT_CLOSE", ok, request_id="7", latency_us=None)
    played << Call("COM_STMT_SEND_LONG_DATA", ok, request_id="7") << Call("COM_QUIT", ok) << end


def test_other_commands() -> None:
    played = play(mysql) >> C(PING) >> S(OK) << Call("COM_PING", ok)
    played >> C(command(2, b"shop")) >> S(OK) << Call("COM_INIT_DB", ok, resource="shop")
    played >> C(command(9)) >> S(packets(b"Uptime: 5  Threads: 1")) << Call("COM_STATISTICS", ok)
    played >> C(command(0x1F)) >> S(OK) << Call("COM_RESET_CONNECTION", ok)
    played >> C(command(0x1B, b"\0\0")) >> S(packets(b"\xfe\0\0\2\0")) << Call("COM_SET_OPTION", ok)
    played >> C(command(4, b"t\0%")) >> S(packets(column(), column(), b"\xfe\0\0\2\0"))
    played << Call("COM_FIELD_LIST", ok, resource="t") << end


def prepared(ident: int, parameters: int, results: int, *, eof: bool) -> bytes:
    head = b"\0" + struct.pack("<IHHxH", ident, results, parameters, 0)
    closing = [b"\xfe\0\0\2\0"] if eof else []
    bodies = [head]
    for count in (parameters, results):
        bodies += [column()] * count + (closing if count else [])
    return packets(*bodies)


@pytest.mark.parametrize("seen", [True, False], ids=["login seen", "in the middle"])
@pytest.mark.parametrize("eof", [True, False])
@pytest.mark.parametrize(("parameters", "results"), [(0, 0), (2, 0), (0, 2), (2, 3)])
def test_a_prepared_statement(seen: bool, eof: bool, parameters: int, results: int) -> None:
    played = play(mysql)
    if seen:
        played >> S(greeting()) >> C(login(BASE | (0 if eof else DEPRECATE_EOF))) >> S(packet(2, done()))
        played << Call("COM_CONNECT", ok)
    played >> C(command(0x16, b"SELECT a FROM t WHERE b = ?")) >> S(prepared(5, parameters, results, eof=eof))
    for _ in range(2):
        played >> C(execute(5)) >> S(packets(*rows(1, deprecates=not eof)))
    (
        played
        >> C(command(0x19, b"\5\0\0\0") + execute(5))
        >> S(packets(error(1243, "HY000", "Unknown prepared statement")))
    )
    told = {"resource": "SELECT a FROM t WHERE b = ?", "endpoint": "SELECT t", "request_id": "5"}
    played << Call("COM_STMT_PREPARE", ok, ms=1.0, **told)
    for _ in range(2):
        played << Call("COM_STMT_EXECUTE", ok, ms=1.0, attributes={"db.response.returned_rows": "1"}, **told)
    played << Call("COM_STMT_CLOSE", ok, request_id="5")
    played << Call("COM_STMT_EXECUTE", server_error, request_id="5", resource="", code=1243) << end


def test_a_cursor_is_fetched_from() -> None:
    played = play(mysql) >> C(command(0x16, b"SELECT a FROM t")) >> S(prepared(1, 0, 1, eof=True))
    played >> C(execute(1, 1)) >> S(packets(b"\x01", column(), b"\xfe\0\0" + struct.pack("<H", CURSOR)))
    played >> C(command(0x1C, struct.pack("<II", 1, 2)))
    played >> S(packets(b"\0\0\1\0\0\0", b"\0\0\2\0\0\0", b"\xfe\0\0" + struct.pack("<H", CURSOR)))
    played << Call("COM_STMT_PREPARE", ok) << Call("COM_STMT_EXECUTE", ok, endpoint="SELECT t")
    played << Call("COM_STMT_FETCH", ok, endpoint="SELECT t", attributes={"db.response.returned_rows": "2"}) << end


def test_what_is_being_prepared_is_executed() -> None:
    """MariaDB: a client need not wait for the statement's id, and commands may be pipelined."""
    played = play(mysql) >> C(PING) >> S(OK) >> C(command(0x16, b"SELECT a FROM t") + execute(0xFFFFFFFF))
    played >> S(prepared(9, 0, 1, eof=True) + packets(*rows(3))) << Call("COM_PING", ok)
    played << Call("COM_STMT_PREPARE", ok, request_id="9")
    played << Call("COM_STMT_EXECUTE", ok, endpoint="SELECT t", attributes={"db.response.returned_rows": "3"}) << end


def test_pipelined_commands_have_an_answer_each() -> None:
    played = play(mysql) >> C(SELECT * 100)
    for number in range(100):
        played >> S(packets(error(1064, "42000", "no")) if number == 60 else packets(*rows(number % 7)))
    for number in range(100):
        played << Call("COM_QUERY", client_error if number == 60 else ok, ms=1.0 + number)
    played << end


def test_a_login_and_its_password_does_not_leave() -> None:
    played = (
        play(mysql, redacts=False) >> S(greeting()) >> C(login()) >> S(packet(2, b"\xfecaching_sha2_password\0salt"))
    )
    played >> C(packet(3, b"hunter2proof")) >> S(packet(4, b"\x01\x04")) >> C(packet(5, b"hunter2\0"))
    played >> S(packet(6, done())) >> C(PING) >> S(OK)
    played << Call("COM_CONNECT", ok, resource="Login username: root db: shop", ms=1.0) << Call("COM_PING", ok) << end


def test_a_login_is_refused() -> None:
    denied = error(1045, "28000", "Access denied for user 'root'@'localhost' (using password: YES)")
    played = play(mysql) >> S(greeting()) >> C(login()) >> S(packet(2, denied))
    played << Call("COM_CONNECT", client_error, code=1045, exception=denied[9:].decode()) << end


def test_a_server_that_is_full_does_not_greet() -> None:
    played = play(mysql) >> S(packet(0, b"\xff\x10\x04Too many connections"))
    played << Call("COM_CONNECT", server_error, code=1040, exception="Too many connections") << end


def test_another_user() -> None:
    played = play(mysql) >> S(greeting()) >> C(login()) >> S(packet(2, done()))
    played >> C(command(0x11, b"bob\0\x07hunter2shop\0\x21\0p\0")) >> S(packet(1, b"\xfep\0salt"))
    played >> C(packet(2, b"hunter2")) >> S(packet(3, done())) >> C(PING) >> S(OK)
    played << Call("COM_CONNECT", ok) << Call("COM_CHANGE_USER", ok, resource="Login username: bob db: shop", ms=1.0)
    played << Call("COM_PING", ok) << end


def test_an_encrypted_connection_is_another_protocols() -> None:
    ask = packet(1, struct.pack("<IIB23x", BASE | 1 << 11, 1 << 24, 33))
    played = play(mysql) >> S(greeting()) >> C(ask) >> C(b"\x16\x03\x01\x02\x00" + b"\x55" * 512)
    played >> S(b"\x16\x03\x03\x00\x7a" + b"\x55" * 122) << end


def test_a_file_of_the_client_is_a_part_of_its_request() -> None:
    ask = query("LOAD DATA LOCAL INFILE 'x' INTO TABLE t")
    played = play(mysql) >> C(ask) >> S(packets(b"\xfbx"))
    data = packet(2, b"secret\n" * 2000) + packet(3, b"secret\n" * 100) + packet(4, b"")
    for place in range(0, len(data), 1400):
        played >> C(data[place : place + 1400])
    played >> S(packet(5, done(100))) >> C(PING) >> S(OK)
    told = "LOAD DATA LOCAL INFILE ? INTO TABLE t"
    played << Call(
        "COM_QUERY", ok, resource=told, request_bytes=len(ask + data), attributes={"affected_rows": "100"}, ms=1.0
    )
    played << Call("COM_PING", ok) << end


def test_a_file_of_more_packets_than_numbers() -> None:
    """Packets are numbered modulo 256: the 255th of the client has the number of a command."""
    data = b"".join(packet(2 + number, b"row\n") for number in range(600)) + packet(602, b"")
    played = play(mysql) >> C(query("LOAD DATA LOCAL INFILE 'x' INTO TABLE t")) >> S(packets(b"\xfbx"))
    for place in range(0, len(data), 1400):
        played >> C(data[place : place + 1400])
    played >> S(packet(603, done(100))) >> C(PING) >> S(OK)
    played << Call("COM_QUERY", ok, attributes={"affected_rows": "100"}, ms=1.0) << Call("COM_PING", ok) << end


def test_a_login_that_was_not_finished_has_no_status() -> None:
    played = play(mysql) >> S(greeting()) >> C(login()) >> S(packet(2, b"\xfecaching_sha2_password\0salt")) >> RESET
    played << Call("COM_CONNECT", unknown, ms=1.0) << end


def test_a_command_of_several_packets() -> None:
    body = b"\x03INSERT INTO t VALUES ('" + b"s" * 0xFFFFFF + b"')"
    sent = packet(0, body[:0xFFFFFF]) + packet(1, body[0xFFFFFF:])
    played = play(mysql) >> C(PING) >> S(OK)
    for place in range(0, len(sent), 60_000):
        played >> C(sent[place : place + 60_000])
    played >> S(packet(2, done(1))) >> C(PING) >> S(OK) << Call("COM_PING", ok)
    played << Call("COM_QUERY", ok, resource="INSERT INTO t VALUES (?", request_bytes=len(sent), truncated=True)
    played << Call("COM_PING", ok) << end


def test_a_row_of_several_packets() -> None:
    full = b"\xfd\xff\xff\xff" + b"\xfe" * 0xFFFFFB
    answer = packets(*rows(1)[:-2], full, b"\xfe\xfe\xfe\xfe\xfe", *rows(1)[-2:])
    played = play(mysql) >> C(SELECT)
    for place in range(0, len(answer), 60_000):
        played >> S(answer[place : place + 60_000])
    played >> C(PING) >> S(OK)
    played << Call("COM_QUERY", ok, response_bytes=len(answer), attributes={"db.response.returned_rows": "2"})
    played << Call("COM_PING", ok) << end


TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_what_the_server_has_not_offered_is_not_spoken() -> None:
    """mysql2 states query attributes to MariaDB too, and sends none."""
    server, client = greeting(0xFFFF), login(BASE | ATTRIBUTES | DEPRECATE_EOF)
    played = play(mysql) >> S(server) >> C(client) >> S(packet(2, done())) >> C(SELECT) >> S(packets(*rows(1)))
    played << Call("COM_CONNECT", ok)
    played << Call(
        "COM_QUERY", ok, resource="SELECT a FROM t WHERE b = ?", attributes={"db.response.returned_rows": "1"}
    )
    played << end


def test_query_attributes_come_before_the_statement() -> None:
    def attribute(name: bytes, value: bytes) -> tuple[bytes, bytes]:
        return b"\xfe\0" + bytes((len(name),)) + name, bytes((len(value),)) + value

    named, value = attribute(b"traceparent", f"00-{TRACE}-{SPAN}-01".encode())
    other, number = b"\3\0\1n", b"\7\0\0\0"
    body = b"\x03\3\1" + b"\4" + b"\1" + other + named + b"\x06\0\1z" + number + value + b"SELECT a FROM t"
    played = play(mysql) >> S(greeting()) >> C(login(BASE | ATTRIBUTES)) >> S(packet(2, done()))
    played >> C(packet(0, b"\x03\0\1SELECT 1")) >> S(ANSWER) >> C(packet(0, body)) >> S(ANSWER)
    played << Call("COM_CONNECT", ok) << Call("COM_QUERY", ok, resource="SELECT ?", trace_id="")
    played << Call("COM_QUERY", ok, resource="SELECT a FROM t", trace_id=TRACE, span_id=SPAN) << end


def test_backslashes_escape_as_the_server_says() -> None:
    played = play(mysql) >> C(query("SELECT 'a\\' secret'")) >> S(packets(done(flags=2 | NO_ESCAPES)))
    played >> C(query("SELECT 'a\\', b, 'c'")) >> S(ANSWER)
    played << Call("COM_QUERY", ok, resource="SELECT ?") << Call("COM_QUERY", ok, resource="SELECT ?, b, ?") << end


def test_a_character_may_end_in_a_backslash() -> None:
    """GBK: 0x95 0x5C is one character, and the quote behind it closes."""
    sql = packet(0, b"\x03SELECT 'a\x95\x5c', b, 'secret'")
    played = play(mysql) >> S(greeting()) >> C(login(charset=28)) >> S(packet(2, done())) >> C(sql) >> S(ANSWER)
    played << Call("COM_CONNECT", ok) << Call("COM_QUERY", ok, resource="SELECT ?, b, ?") << end


@pytest.mark.parametrize("seen", [True, False], ids=["login seen", "in the middle"])
def test_the_compressed_protocol(seen: bool) -> None:
    played = play(mysql)
    if seen:
        played >> S(greeting()) >> C(login(BASE | COMPRESS)) >> S(packet(2, done())) << Call("COM_CONNECT", ok)
    long = query("SELECT a FROM t WHERE b = '" + "secret" * 20 + "'")
    (
        played
        >> C(compressed(0, long))
        >> S(compressed(1, packets(*rows(9))))
        >> C(compressed(0, PING))
        >> S(compressed(1, OK))
    )
    played << Call(
        "COM_QUERY",
        ok,
        resource="SELECT a FROM t WHERE b = ?",
        request_bytes=len(compressed(0, long)),
        attributes={"db.response.returned_rows": "9"},
    )
    played << Call("COM_PING", ok) << end


@pytest.mark.parametrize("size", [7, 100, 1000, 16_384])
def test_compressed_packets_end_where_they_like(size: int) -> None:
    answer = packets(*rows(500), seq=1)
    played = (
        play(mysql) >> S(greeting()) >> C(login(BASE | COMPRESS)) >> S(packet(2, done())) << Call("COM_CONNECT", ok)
    )
    played >> C(compressed(0, SELECT))
    for number, place in enumerate(range(0, len(answer), size)):
        played >> S(compressed(number + 1 & 0xFF, answer[place : place + size]))
    played >> C(compressed(0, PING)) >> S(compressed(1, OK))
    played << Call("COM_QUERY", ok, attributes={"db.response.returned_rows": "500"}, ms=1.0)
    played << Call("COM_PING", ok) << end


def test_what_is_compressed_is_inflated_within_bounds() -> None:
    bomb = packets(b"\x01", column(), b"\xfe\0\0\2\0") + packet(4, b"\xfd\xff\xff\x7f" + b"a" * 0x7FFFFF)
    played = (
        play(mysql) >> S(greeting()) >> C(login(BASE | COMPRESS)) >> S(packet(2, done())) << Call("COM_CONNECT", ok)
    )
    (
        played
        >> C(compressed(0, SELECT))
        >> S(compressed(1, bomb))
        >> Wait(2)
        >> C(compressed(0, PING))
        >> S(compressed(1, OK))
    )
    played << Call("COM_QUERY", ok) << Call("COM_PING", ok) << end


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64])
def test_packets_in_pieces_of_every_size(size: int) -> None:
    steps: list[Step] = [S(greeting()), C(login()), S(packet(2, done())), C(SELECT), S(ANSWER), C(PING), S(OK)]
    played = play(mysql)
    for step in steps:
        for place in range(0, len(step.data), size):
            played >> Step(step.side, step.data[place : place + size])
    played << Call("COM_CONNECT", ok) << Call("COM_QUERY", ok, endpoint="SELECT t") << Call("COM_PING", ok) << end


def test_a_lost_answer_does_not_shift_those_after_it() -> None:
    other = query("SELECT b FROM u")
    played = play(mysql) >> C(SELECT + other) >> lost(S(packets(*rows(1)))) >> S(packets(*rows(2)))
    played >> C(PING) >> S(OK) >> Wait(2) >> C(SELECT) >> S(ANSWER)
    played << Call("COM_QUERY", unknown, endpoint="SELECT t") << Call("COM_QUERY", unknown, endpoint="SELECT u")
    played << Call("COM_PING", unknown) << Call("COM_QUERY", ok, endpoint="SELECT t") << end


def test_an_answer_that_lost_its_middle() -> None:
    answer = packets(*rows(200))
    played = play(mysql) >> C(SELECT) >> S(answer[:500]) >> lost(S(answer[500:900])) >> S(answer[900:])
    played >> C(PING) >> S(OK) << Call("COM_QUERY", ok, ms=1.0) << Call("COM_PING", ok, ms=1.0) << end


def test_a_lost_request_does_not_shift_those_after_it() -> None:
    played = play(mysql) >> C(PING) >> S(OK) >> lost(C(SELECT)) >> S(ANSWER) >> C(PING) >> S(OK)
    played << Call("COM_PING", ok) << Call("COM_PING", ok, ms=1.0) << end


@pytest.mark.parametrize(
    ("step", "answer"),
    [(C(SELECT), ANSWER), (C(PING), OK), (C(execute(7)), packets(*rows(1))), (C(query("BEGIN")), OK)],
)
def test_a_start_in_the_middle_with_a_command(step: Step, answer: bytes) -> None:
    played = play(mysql, port=9999) >> step >> S(answer) >> C(SELECT) >> S(ANSWER)
    first = played.next()
    assert first is not None
    assert first["status"] == ok
    played << Call("COM_QUERY", ok, endpoint="SELECT t") << end


@pytest.mark.parametrize("answer", [OK, ANSWER, packets(error(1064, "42000", "no")), prepared(3, 1, 0, eof=True)])
def test_a_start_in_the_middle_with_an_answer(answer: bytes) -> None:
    play(mysql, port=9999) >> S(answer) >> C(SELECT) >> S(ANSWER) << Call("COM_QUERY", ok, endpoint="SELECT t") << end


def test_a_command_that_was_not_captured_whole() -> None:
    sent = query("SELECT a FROM t WHERE b = 'secret secret secret'")
    played = play(mysql) >> C(PING) >> S(OK) >> cut(C(sent), 14 + 20 + 20 + 40) >> S(ANSWER) << Call("COM_PING", ok)
    (
        played
        << Call("COM_QUERY", ok, resource="SELECT a FROM t WHERE b = ?", truncated=True, request_bytes=len(sent))
        << end
    )


def test_hostile_lengths_end_nothing() -> None:
    for bad in (
        b"\xff\xff\xff\0\x03SELECT",
        b"\0\0\0\0",
        b"\1\0\0\1\xfe",
        b"\x05\0\0\1\xfe\xff\xff\xff\xff",
        b"\7" * 64,
    ):
        played = (
            play(mysql) >> C(PING) >> S(OK) >> C(bad) >> S(bad) >> Wait(2) >> C(PING) >> S(OK) << Call("COM_PING", ok)
        )
        while played.next() is not None:
            pass


def test_statements_are_bounded() -> None:
    played = play(mysql) >> C(PING) >> S(OK)
    for number in range(3000):
        (
            played
            >> C(command(0x16, f"SELECT {'a' * 400} FROM t{number}".encode()))
            >> S(prepared(number, 0, 0, eof=False))
        )
    played >> C(execute(2999)) >> S(OK) >> C(execute(0)) >> S(OK) << Call("COM_PING", ok)
    for number in range(3000):
        played << Call("COM_STMT_PREPARE", ok, endpoint=f"SELECT t{number}", request_id=str(number))
    played << Call("COM_STMT_EXECUTE", ok, endpoint="SELECT t2999")
    played << Call("COM_STMT_EXECUTE", ok, resource="", request_id="0") << end
