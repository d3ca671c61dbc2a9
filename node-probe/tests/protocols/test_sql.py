"""SQL as a call tells it: no literal is in it, whatever the dialect, wherever the text was cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weir_probe.protocols.message import ENDPOINT, EXCEPTION, RESOURCE, SPAN_ID, TRACE_ID, TYPE, X_REQUEST_ID, Message
from weir_probe.protocols.sql import MAX_SQL, Sql
from weir_probe.protocols.sql_errors import put_error
from weir_probe.protocols.sql_summary import MAX_SUMMARY
from weir_probe.wire.cursor import Cursor

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


def read(text: str | bytes, *, mysql: bool = False, redacts: bool = True, escapes: bool | None = None) -> Message:
    data = text.encode() if isinstance(text, str) else text
    cursor, message, sql = Cursor(), Message(), Sql(mysql)
    cursor.bind(data)
    if escapes is not None:
        sql.escapes = escapes
    sql.read(cursor, 0, len(data), message, redacts)
    sql.tell_verb(TYPE)
    return message


def told(text: str, *, mysql: bool = False) -> str:
    return read(text, mysql=mysql).of(RESOURCE).decode()


def summary(text: str, *, mysql: bool = False) -> str:
    return read(text, mysql=mysql).of(ENDPOINT).decode()


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("select 'it''s' ,  1.5e-3,0x1F, -7", "select ? , ?,?, ?"),
        ("SELECT a1, b-2 FROM t", "SELECT a1, b-? FROM t"),
        ("select e'\\'x', E'a''b' , U&'\\0041'", "select ?, ? , U&?"),
        ("select x'1F', B'01', n'ab', date'2020-01-01'", "select ?, ?, ?, date ?"),
        ("select $1, $tag$ it's $x$ $tag$, $$b$$", "select $1, ?, ?"),
        ('select "Name""x" from "S"."T"', 'select "Name""x" from "S"."T"'),
        ("select 1 -- it's\n + 2 /* a /* nested */ b */", "select ? + ?"),
        ("select a\n\t from   t;", "select a from t;"),
        ("select '{\"a\": 1}'::jsonb @> '1' and b ?| array['a','b']", "select ?::jsonb @> ? and b ?| array[?]"),
        ("select 'a\\' , b", "select ? , b"),  # standard_conforming_strings
        ("select E'a'\n '\\'b', c", "select ? ?, c"),  # one string, whose second part has escapes too
        ("select E'a' -- it's\n '\\'b', c", "select ? ?, c"),
        ("select E'a' '\\''b', c", "select ? ?, c"),  # not in the next line: no part of it
        ("select E'a' /* it's */\n '\\''b', c", "select ? ?, c"),
        ("select E'a'\n 'b' '\\''b', c", "select ? ? ?, c"),
    ],
)
def test_literals_of_postgresql(text: str, normal: str) -> None:
    assert told(text) == normal


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ('select \'it\\\'s\', "a\\"b", "c""d"', "select ?, ?, ?"),
        ("select `a``b`, _utf8mb4'x', 1 # it's\n, 2", "select `a``b`, _utf8mb4 ?, ? , ?"),
        ("select 5--3, 5 -- it's", "select ?--?, ?"),
        ("/*!40101 SET @a = 'x' */", "SET @a = ?"),
        ("select @@version_comment limit 1", "select @@version_comment limit ?"),
        ("select 1 /* it's /* not nested */ + 'a'", "select ? + ?"),
    ],
)
def test_literals_of_mysql(text: str, normal: str) -> None:
    assert told(text, mysql=True) == normal


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("a IN (1, 2 ,3)", "a IN (?)"),
        ("INSERT INTO t VALUES (1,'a'),(2,'b'), (-3,'c') RETURNING id", "INSERT INTO t VALUES (?) RETURNING id"),
        ("VALUES (1, now()), (2, now())", "VALUES (?, now()), (?, now())"),
        ("VALUES (1), (2, a), (3)", "VALUES (?), (?, a), (?)"),
        ("f(1, g(2, 3), 4)", "f(?, g(?), ?)"),
        ("LIMIT 5, 10", "LIMIT ?, ?"),
        ("a IN (1, 2", "a IN (?"),
        ("VALUES (1), (2, ", "VALUES (?), (?,"),
    ],
)
def test_lists_of_literals_are_one(text: str, normal: str) -> None:
    assert told(text) == normal


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("select * from users where id = 1", "SELECT users"),
        ("SELECT u.a FROM shop.users AS u, orders o JOIN items i ON i.a = o.a", "SELECT shop.users orders items"),
        ("insert into t (a) select a from s", "INSERT t s"),
        ("UPDATE ONLY t SET a = (SELECT max(b) FROM s)", "UPDATE t s"),
        ("DELETE FROM t WHERE a IS DISTINCT FROM b", "DELETE t"),
        ("SELECT extract(year FROM d), trim(both FROM e) FROM t FOR UPDATE", "SELECT t"),
        ("WITH a AS (SELECT 1 FROM b) UPDATE c SET d = 1 FROM a", "UPDATE b c"),
        ("CREATE TABLE IF NOT EXISTS t (a int)", "CREATE t"),
        ("TRUNCATE t", "TRUNCATE t"),
        ("COPY t FROM STDIN", "COPY t"),
        ("COPY (SELECT a FROM t) TO STDOUT", "COPY t"),
        ("SELECT * FROM (SELECT a FROM t) x", "SELECT t"),
        ('SELECT a FROM "Some Schema"."T"', "SELECT Some Schema.T"),
        ("SELECT a FROM t, t, t", "SELECT t"),
        ("SELECT 1", ""),
        ("BEGIN", ""),
        ("SELECT a INTO OUTFILE 'x' FROM t", "SELECT t"),
        ("SELECT a FROM 'x'", ""),
        ("", ""),
    ],
)
def test_a_statement_in_short(text: str, short: str) -> None:
    assert summary(text) == short


def test_a_summary_and_a_statement_have_a_limit() -> None:
    tables = ", ".join(f"table_{number:030}" for number in range(1000))
    message = read(f"SELECT a FROM {tables}")
    assert len(message.of(ENDPOINT)) <= MAX_SUMMARY
    assert len(message.of(RESOURCE)) <= MAX_SQL
    assert message.cut


def test_as_captured() -> None:
    text = "select 'it''s'  /* so */ from t"
    assert read(text, redacts=False).of(RESOURCE).decode() == text
    assert read(text, redacts=False).of(ENDPOINT) == b"SELECT t"


@pytest.mark.parametrize(
    "comment",
    [
        f"/*traceparent='00-{TRACE}-{SPAN}-01',tracestate='congo%3Dt61'*/",
        f"/* action='x', traceparent=\"00-{TRACE}-{SPAN}-01\" */",
        f"-- traceparent: 00-{TRACE}-{SPAN}-01\n",
        f"/* b3={TRACE}-{SPAN}-1 */",
        f"/*uber-trace-id='{TRACE}%3A{SPAN}%3A0%3A1'*/",
    ],
)
@pytest.mark.parametrize("statement", ["{} select 1", "select 1 {}", "select /* other */ 1 {}"])
@pytest.mark.parametrize("redacts", [True, False])
def test_a_comment_names_the_trace(comment: str, statement: str, redacts: bool) -> None:
    message = read(statement.format(comment), redacts=redacts)
    assert (message.of(TRACE_ID).decode(), message.of(SPAN_ID).decode()) == (TRACE, SPAN)


def test_a_hint_names_a_request() -> None:
    assert read("select /*+ x-request-id: abc-1 */ a", mysql=True).of(X_REQUEST_ID) == b"abc-1"


def test_a_literal_names_no_trace() -> None:
    assert read(f"select '/*traceparent=00-{TRACE}-{SPAN}-01*/'").of(TRACE_ID) == b""


# Literals are made of letters that stand nowhere else in the statement.
SECRET = st.text(alphabet="ZQJXzqjx'\"\\`$-#/* \n\0", max_size=12)


def quoted(secret: str, *, mysql: bool) -> str:
    return "'" + (secret.replace("\\", "\\\\") if mysql else secret).replace("'", "''") + "'"


@st.composite
def literals(draw: st.DrawFn, mysql: bool) -> str:
    secret = draw(SECRET)
    forms = [quoted(secret, mysql=mysql), "7" + "7" * len(secret), f"77.7e-{7 + len(secret)}", "0x7777"]
    if mysql:
        forms += [
            '"' + secret.replace("\\", "\\\\").replace('"', '""') + '"',
            "'" + secret.replace("\\", "\\\\").replace("'", "\\'") + "'",
            "_utf8mb4" + quoted(secret, mysql=True),
        ]
    else:
        forms += [
            "E'" + secret.replace("\\", "\\\\").replace("'", "\\'") + "'",
            "E'a'\n '" + secret.replace("\\", "\\\\").replace("'", "\\'") + "'",
            "$t$" + secret.replace("$", "") + "$t$",
            "$$" + secret.replace("$", "") + "$$",
            "B'7777'",
        ]
    return draw(st.sampled_from(forms))


@st.composite
def statements(draw: st.DrawFn, mysql: bool) -> str:
    words = st.sampled_from(
        [
            "select",
            "from",
            "a",
            "b.c",
            "(",
            ")",
            ",",
            "=",
            "in (",
            "-",
            "::",
            " and ",
            "/* ok */",
            "`u`" if mysql else '"u"',
        ]
    )
    parts = draw(st.lists(st.one_of(words, literals(mysql)), max_size=20))
    return " ".join(parts)


@given(st.booleans().flatmap(lambda mysql: st.tuples(st.just(mysql), statements(mysql))), st.integers(0, 400))
def test_no_letter_of_a_literal_survives(drawn: tuple[bool, str], cut: int) -> None:
    mysql, text = drawn
    for part in (text, text[:cut]):
        message = read(part, mysql=mysql)
        for column in (RESOURCE, ENDPOINT, TYPE):
            found = message.of(column).decode()
            assert not set(found.upper()) & set("ZQJX7\\"), (part, found)


@given(st.binary(max_size=300), st.booleans(), st.booleans())
def test_any_bytes_are_read(data: bytes, mysql: bool, redacts: bool) -> None:
    message = read(data, mysql=mysql, redacts=redacts)
    assert len(message.of(RESOURCE)) <= MAX_SQL
    assert b"'" not in message.of(RESOURCE) or not redacts or b'"' in data or b"`" in data


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ('invalid input syntax for type integer: "12 "x" secret"', "invalid input syntax for type integer: ?"),
        ("Duplicate entry 'it's 5' for key 'users.mail'", "Duplicate entry ?"),
        ("value 77 is out of range", "value ? is out of range"),
        ("ung\u00fcltig \u00bbsecret\u00ab hier", "ung? hier"),
        ("cut in 'secr", "cut in ?"),
        ("division by zero", "division by zero"),
    ],
)
def test_an_errors_text_does_not_quote_values(text: str, hidden: str) -> None:
    cursor, message = Cursor(), Message()
    cursor.bind(text.encode())
    put_error(cursor, 0, cursor.end, message, True)
    assert message.of(EXCEPTION).decode() == hidden
    put_error(cursor, 0, cursor.end, message, False)
    assert message.of(EXCEPTION).decode() == text
