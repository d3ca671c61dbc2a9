"""A real PostgreSQL: each statement that it logs is a call, each call is in its log, with what it came to."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.pq import DiagnosticField, ExecStatus

if TYPE_CHECKING:
    from recording import Recording

pytestmark = pytest.mark.root
PORT, CONNECTIONS, STATEMENTS, AT_ONCE = 5432, 24, 450, 6
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
AS_POSTGRES = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
SETTINGS = {
    "port": PORT,
    "log_statement": "all",
    "logging_collector": "on",
    "log_destination": "jsonlog",
    "log_filename": "log",
    "log_directory": "log",
    "unix_socket_directories": "",
    "max_connections": 40,
    "fsync": "off",
    "autovacuum": "off",
}
#: What a statement with a number comes to; `{n}` is unique, `{few}` is 0 to 4.
KINDS: tuple[tuple[str, dict[str, str], str | None], ...] = (
    ("SELECT generate_series(1, {few}) AS id{n}", {"db.response.returned_rows": "{few}"}, None),
    ("INSERT INTO t SELECT {n} FROM generate_series(1, {few}) AS id{n}", {"affected_rows": "{few}"}, None),
    ("DELETE FROM t WHERE a = {n} AND 'id{n}' = 'it''s'", {"affected_rows": "0"}, None),
    ("SELECT 1 / (a - {few}) FROM generate_series(1, 4) AS a WHERE 'id{n}' <> ''", {}, "22012"),
    ("SELECT a FROM missing_id{n}", {}, "42P01"),
    ("SELEC {few} id{n}", {}, "42601"),
    (
        "SELECT repeat('x', 2000) AS id{n} FROM generate_series(1, 1{few})",
        {"db.response.returned_rows": "1{few}"},
        None,
    ),
    ("SET application_name = 'id{n}'", {}, None),
)


def kind_of(number: int) -> tuple[str, dict[str, str], str | None]:
    text, attributes, code = KINDS[number * 7 // 5 % len(KINDS)]
    few = number % 5
    if code == "22012" and few == 0:
        attributes, code = {"db.response.returned_rows": "4"}, None
    told = {name: value.format(few=few) for name, value in attributes.items()}
    return text.format(n=number, few=few), told, code


@pytest.fixture
def log(tape: Recording, tmp_path: Path) -> Iterator[Path]:
    """Of a running server, which belongs to an unprivileged user."""
    if not PROGRAMS:
        pytest.skip("no PostgreSQL in /usr/lib/postgresql")
    folder = Path(mkdtemp(prefix="weir-postgresql-"))  # not in tmp_path, which is root's alone
    shutil.chown(folder, "postgres", "postgres")
    try:
        command: list[str | Path] = [
            *AS_POSTGRES,
            PROGRAMS[-1] / "initdb",
            "--auth=trust",
            "--no-sync",
            "-U",
            "weir",
            "-D",
            folder / "data",
        ]
        subprocess.run(command, check=True, cwd=folder, capture_output=True)
        with (folder / "data/pg_hba.conf").open("a") as rules:
            rules.write("host all all samenet trust\n")
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        settings.append(f"--listen_addresses={tape.address}")
        with (tmp_path / "errors").open("w") as errors:
            server: list[str | Path] = [*AS_POSTGRES, PROGRAMS[-1] / "postgres", "-D", folder / "data", *settings]
            tape.start(*server, ready=PORT, cwd=folder, stderr=errors)
            while not ready(folder / "data"):  # it listens before, and refuses
                time.sleep(0.05)
            yield folder / "data/log/log.json"
            for process in tape.processes:
                process.terminate()
                process.wait(60)
    finally:
        shutil.rmtree(folder)


def ready(data: Path) -> bool:
    """As pg_ctl knows it: by the last line of this file."""
    return (data / "postmaster.pid").read_text().rstrip().endswith("\nready")


def connect(host: str) -> psycopg.Connection[Any]:
    return psycopg.connect(f"host={host} port={PORT} user=weir dbname=postgres sslmode=disable", autocommit=True)


def ask(connection: psycopg.Connection[Any], number: int) -> None:
    """As a simple query, with parameters, or prepared by name."""
    text, _, code = kind_of(number)
    try:
        if number % 4 == 0:
            connection.execute(text.encode())
        else:
            connection.execute(text.encode(), (), prepare=number % 4 == 1)
    except psycopg.Error as error:
        assert error.sqlstate == code
    else:
        assert code is None


def batches(numbers: range) -> Iterator[range]:
    for first in range(numbers.start, numbers.stop, 10):
        yield range(first, min(first + 10, numbers.stop))


def pipeline(connection: psycopg.Connection[Any], numbers: range) -> None:
    """All at once, with a Sync after every ten; some are prepared on the way."""
    server = connection.pgconn
    server.enter_pipeline_mode()
    for batch in batches(numbers):
        for number in batch:
            text = kind_of(number)[0].encode()
            if number % 3:
                server.send_query_params(text, None)
            else:
                server.send_prepare(b"p%d" % number, text)
                server.send_query_prepared(b"p%d" % number, None)
        server.pipeline_sync()
    codes = []
    synced = 0
    while synced < len(list(batches(numbers))):
        result = server.get_result()
        if result is None:
            continue
        synced += result.status == ExecStatus.PIPELINE_SYNC
        if result.status == ExecStatus.FATAL_ERROR:
            codes.append(result.error_field(DiagnosticField.SQLSTATE))
    server.exit_pipeline_mode()
    failing = [[code for number in batch if (code := kind_of(number)[2])] for batch in batches(numbers)]
    assert [code.decode() for code in codes if code] == [codes[0] for codes in failing if codes]


def skipped(numbers: range) -> int:
    """Statements of a pipeline that come after one that fails, before the next Sync."""
    count = 0
    for batch in batches(numbers):
        failed = [kind_of(number)[2] is not None for number in batch]
        count += len(failed) - 1 - failed.index(True) if any(failed) else 0
    return count


def copy(connection: psycopg.Connection[Any]) -> None:
    with connection.cursor().copy("COPY t FROM STDIN") as rows:
        for number in range(3000):
            rows.write_row((number,))
    with connection.cursor().copy("COPY (SELECT a FROM t LIMIT 3000) TO STDOUT") as rows:
        assert sum(1 for _ in rows) > 0


def work(host: str, connection_number: int) -> int:
    """What one connection does; how many statements the server skipped."""
    numbers = range(connection_number * STATEMENTS, (connection_number + 1) * STATEMENTS)
    with connect(host) as connection:
        if connection_number % 2:
            pipeline(connection, numbers)
            return skipped(numbers)
        for number in numbers:
            ask(connection, number)
        copy(connection)
    return 0


def shop(host: str, connections: int) -> int:
    """A connection that makes a table, then some at once; how many statements the server skipped."""
    with connect(host) as connection:
        connection.execute("CREATE TABLE t (a int)")
    with ThreadPoolExecutor(AT_ONCE) as crowd:
        return sum(crowd.map(partial(work, host), range(connections)))


def logged(log: Path) -> dict[int, list[tuple[str, str | None]]]:
    """Each connection's statements in their order, with the code of the error that they came to."""
    found: dict[int, list[tuple[str, str | None]]] = {}
    for line in log.read_text().splitlines():
        record = json.loads(line)
        entries = found.setdefault(record.get("remote_port", 0), [])
        told = re.fullmatch(r"(?:statement|execute [^:]+): (.*)", record["message"], re.DOTALL)
        if record["error_severity"] == "LOG" and told:
            entries.append((told[1], None))
        elif record["error_severity"] == "ERROR":
            if entries and entries[-1] == (record["statement"], None):
                entries.pop()
            entries.append((record["statement"], record["state_code"]))
    return found


def is_logged(call: dict[str, Any]) -> bool:
    """Statements are logged when they are executed, and when they fail."""
    if call["type"] == "PARSE":
        return call["code"] is not None
    return not (call["type"] == "STARTUP" or call["result"] == "skipped")


def compare(calls: list[dict[str, Any]], log: Path, connections: int, skips: int) -> None:
    """Statement by statement; literals are told, and `skips` statements were skipped."""
    truth = logged(log)
    assert {call["protocol"] for call in calls} == {"PostgreSQL"}
    assert sum(call["type"] == "STARTUP" for call in calls) == connections + 1
    assert sum(call["result"] == "skipped" for call in calls) == skips
    told: dict[int, list[tuple[str, str | None]]] = {}
    for call in calls:
        assert call["latency_us"] > 0
        if is_logged(call):
            told.setdefault(call["src_port"], []).append((call["resource"], call["code"]))
    truth.pop(0, None)
    assert told == truth
    assert sum(map(len, told.values())) + skips > connections * STATEMENTS
    counted = 0
    for call in calls:
        number = re.search(r"id(\d+)", call["resource"])
        if number and is_logged(call):
            _, attributes, code = kind_of(int(number[1]))
            assert call["code"] == code
            assert call["status"] == ("ok" if code is None else "client_error")
            if code is None:
                assert call["attributes"] == attributes
            counted += 1
    assert counted + skips == connections * STATEMENTS


def test_each_statement_is_paired_with_its_answer(tape: Recording, log: Path) -> None:
    skips = tape.inside(lambda: shop(tape.address, CONNECTIONS))
    calls = tape.calls(redacts=False)
    compare(calls, log, CONNECTIONS, skips)
    assert skips > 1000
    assert CONNECTIONS * STATEMENTS > 10_000


def test_what_is_kept(tape: Recording, log: Path) -> None:
    def talk() -> None:
        with connect(tape.address) as connection:
            connection.execute("CREATE TABLE t (a int)")
            for number in range(12):
                ask(connection, number)
            pipeline(connection, range(12, 32))

    tape.inside(talk)
    assert sum(map(is_logged, tape.calls())) == sum(map(len, logged(log).values()))
    tape.keep("postgresql/psycopg")
