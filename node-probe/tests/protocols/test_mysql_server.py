"""A real MariaDB: each command that it logs is a call, each call is in its log, with what it came to."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import mysql.connector
import pytest

if TYPE_CHECKING:
    from recording import Recording

pytestmark = pytest.mark.root
PORT, CONNECTIONS, STATEMENTS, AT_ONCE = 3306, 24, 450, 6
SERVER = Path("/usr/sbin/mariadbd")
SETTINGS = {
    "port": PORT,
    "general-log": 1,
    "general-log-file": "general.log",
    "local-infile": 1,
    "innodb-flush-log-at-trx-commit": 0,
    "skip-name-resolve": 1,
}
#: What a statement with a number comes to; `{n}` is unique, `{few}` is 0 to 4.
KINDS: tuple[tuple[str, dict[str, str], int | None], ...] = (
    ("SELECT seq AS id{n} FROM seq_1_to_9 LIMIT {few}", {"db.response.returned_rows": "{few}"}, None),
    ("INSERT INTO t SELECT {n} FROM seq_1_to_1{few} WHERE 'id{n}' <> 'it\\'s'", {"affected_rows": "1{few}"}, None),
    ("DELETE FROM t WHERE a = -{n} AND \"id{n}\" = 'it''s'", {"affected_rows": "0"}, None),
    ("SELECT id{n} FROM t", {}, 1054),
    ("SELECT a FROM missing_id{n}", {}, 1146),
    ("SELEC {few} id{n}", {}, 1064),
    ("SELECT repeat('x', 2000) AS id{n} FROM seq_1_to_1{few}", {"db.response.returned_rows": "1{few}"}, None),
    ("SET @a = 'id{n}'", {"affected_rows": "0"}, None),
)
#: As the general log calls them.
LOGGED = {
    "COM_CONNECT": "Connect",
    "COM_QUERY": "Query",
    "COM_STMT_PREPARE": "Prepare",
    "COM_STMT_EXECUTE": "Execute",
    "COM_STMT_RESET": "Reset stmt",
    "COM_STMT_CLOSE": "Close stmt",
    "COM_INIT_DB": "Init DB",
    "COM_QUIT": "Quit",
}


def kind_of(number: int) -> tuple[str, dict[str, str], int | None]:
    text, attributes, code = KINDS[number * 7 // 5 % len(KINDS)]
    few = number % 5
    told = {name: value.format(few=few) for name, value in attributes.items()}
    return text.format(n=number, few=few), told, code


@pytest.fixture
def log(tape: Recording) -> Iterator[Path]:
    """Of a running server, which belongs to an unprivileged user."""
    if not SERVER.exists():
        pytest.skip(f"no {SERVER}")
    folder = Path(mkdtemp(prefix="weir-mariadb-"))  # not in tmp_path, which is root's alone
    shutil.chown(folder, "mysql", "mysql")
    data = folder / "data"
    try:
        install = ["--no-defaults", "--user=mysql", f"--datadir={data}", "--auth-root-authentication-method=normal"]
        subprocess.run(["mariadb-install-db", *install], check=True, capture_output=True)
        users = folder / "users.sql"
        users.write_text("CREATE USER root@'%';\nGRANT ALL ON *.* TO root@'%';\n")
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        settings += [f"--bind-address={tape.address}", f"--init-file={users}"]
        with (folder / "errors").open("w") as errors:
            server: list[str | Path] = [
                SERVER,
                "--no-defaults",
                "--user=mysql",
                f"--datadir={data}",
                f"--socket={folder}/socket",
            ]
            tape.start(*server, *settings, ready=PORT, cwd=folder, stderr=errors)
            yield data / "general.log"
            for process in tape.processes:
                process.terminate()
                process.wait(60)
    finally:
        shutil.rmtree(folder)


def connect(host: str, **options: Any) -> Any:
    return mysql.connector.connect(
        host=host,
        port=PORT,
        user="root",
        use_pure=True,
        ssl_disabled=True,
        autocommit=True,
        collation="utf8mb4_general_ci",
        allow_local_infile=True,
        **options,
    )


def ask(connection: Any, number: int) -> None:
    """As a query, or as a prepared statement."""
    text, _, code = kind_of(number)
    with connection.cursor(prepared=number % 3 == 0) as cursor:
        try:
            cursor.execute(text)
            if cursor.description:
                cursor.fetchall()
        except mysql.connector.Error as error:
            assert error.errno == code
        else:
            assert code is None


def pipeline(connection: Any, numbers: range) -> None:
    """MariaDB reads commands one after the other, whether or not the client has waited."""
    socket = connection._socket.sock
    commands = [b"\3SET @a = 'id%d'" % number for number in numbers]
    socket.sendall(b"".join(struct.pack("<I", len(command)) + command for command in commands))
    wanted = len(commands) * 11  # an OK packet each
    while wanted:
        wanted -= len(socket.recv(wanted))


def work(host: str, connection_number: int, folder: Path) -> tuple[int, int]:
    """What one connection does, compressed or not; its number and its port."""
    first = connection_number * STATEMENTS
    connection = connect(host, compress=connection_number % 4 == 3, database="shop")
    known = connection.connection_id, connection._socket.sock.getsockname()[1]
    for number in range(first, first + STATEMENTS - 50):
        ask(connection, number)
    connection.ping()
    connection.cmd_init_db("shop")
    for result in connection.cmd_query_iter("SELECT 1; SELECT seq FROM seq_1_to_3; SET @a = 5"):
        if "columns" in result:
            connection.get_rows()
    file = folder / f"rows-{connection_number}"
    file.write_text("1\n2\n3\n")
    with connection.cursor() as cursor:
        cursor.execute(f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE t")
    if connection_number % 4 != 3:
        pipeline(connection, range(first + STATEMENTS - 50, first + STATEMENTS))
    connection.close()
    return known


def shop(host: str, folder: Path, connections: int) -> dict[int, int]:
    """Some connections at once; their numbers and ports."""
    with ThreadPoolExecutor(AT_ONCE) as crowd:
        return dict(crowd.map(lambda number: work(host, number, folder), range(connections)))


def logged(log: Path) -> dict[int, list[tuple[str, str]]]:
    """Each connection's commands in their order, with their arguments."""
    pattern = re.compile(r"(?:\d{6} [ \d]\d:\d\d:\d\d|\t)\t *(\d+) ([A-Z][A-Za-z ]*)(?:\t(.*))?")
    found: dict[int, list[tuple[str, str]]] = {}
    for line in log.read_text().splitlines():
        match = pattern.fullmatch(line)
        if match:
            found.setdefault(int(match[1]), []).append((match[2].strip(), match[3] or ""))
    return found


def create(host: str) -> None:
    with connect(host) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE shop")
        cursor.execute("CREATE TABLE shop.t (a int)")


def told(calls: list[dict[str, Any]]) -> dict[int, list[tuple[str, str]]]:
    """What the log would say of them, by port. It does not have pings, nor what could not be prepared."""
    found: dict[int, list[tuple[str, str]]] = {}
    for call in calls:
        if call["type"] == "COM_PING" or (call["type"] == "COM_STMT_PREPARE" and call["code"]):
            continue
        name = LOGGED[call["type"]]
        text = call["resource"] if name in ("Query", "Prepare", "Execute", "Init DB") else ""
        if name == "Connect":
            user, _, database = call["resource"].removeprefix("Login username: ").partition(" db: ")
            text = f"{user}@{call['src']} on {database} using TCP/IP"
        found.setdefault(call["src_port"], []).append((name, text))
    return found


def compare(calls: list[dict[str, Any]], log: Path, known: dict[int, int]) -> None:
    """Command by command, of the connections with these numbers and ports; literals are told."""
    truth = logged(log)
    assert {call["protocol"] for call in calls} == {"MySQL"}
    assert told(calls) == {port: truth[connection] for connection, port in known.items()}
    numbers: set[int] = set()
    for call in calls:
        one_way = call["type"] in ("COM_QUIT", "COM_STMT_CLOSE")
        assert (call["latency_us"] is None) == one_way
        number = re.search(r"id(\d+)", call["resource"])
        if not number or call["type"] in ("COM_STMT_RESET", "COM_STMT_CLOSE"):
            assert (call["status"], call["code"]) == ("ok", None)
            continue
        _, attributes, code = kind_of(int(number[1]))
        if call["type"] == "COM_QUERY" and call["resource"].startswith("SET @a"):  # or from a pipeline
            attributes, code = {"affected_rows": "0"}, None
        if call["type"] == "COM_STMT_PREPARE" and code is None:
            attributes = {}
        assert (call["code"], call["status"]) == (code, "ok" if code is None else "client_error")
        assert call["attributes"] == attributes
        numbers.add(int(number[1]))
    plain = sum(connection % 4 != 3 for connection in range(len(known)))
    assert len(numbers) == len(known) * (STATEMENTS - 50) + plain * 50


def test_each_command_is_paired_with_its_answer(tape: Recording, log: Path, tmp_path: Path) -> None:
    tape.inside(lambda: create(tape.address))
    tape.erase()
    known = tape.inside(lambda: shop(tape.address, tmp_path, CONNECTIONS))
    calls = tape.calls(redacts=False)
    compare(calls, log, known)
    assert len(calls) > 10_000


def test_several_results_and_files_of_the_client(tape: Recording, log: Path, tmp_path: Path) -> None:
    tape.inside(lambda: create(tape.address))
    tape.erase()
    _, port = tape.inside(partial(work, tape.address, 0, tmp_path))
    calls = [call for call in tape.calls(redacts=False) if call["src_port"] == port]
    [several] = [call for call in calls if call["resource"].startswith("SELECT 1;")]
    assert several["attributes"] == {"db.response.returned_rows": "4", "affected_rows": "0", "statements": "3"}
    [file] = [call for call in calls if call["resource"].startswith("LOAD")]
    assert file["attributes"] == {"affected_rows": "3"}
    assert file["endpoint"] == "LOAD t"
    assert log.exists()


@pytest.mark.parametrize("compress", [False, True])
def test_what_is_kept(tape: Recording, log: Path, compress: bool) -> None:
    def talk() -> None:
        with connect(tape.address, database="shop", compress=compress) as connection:
            for number in range(24):
                ask(connection, number)

    tape.inside(lambda: create(tape.address))
    tape.erase()
    tape.inside(talk)
    calls = tape.calls(redacts=False)
    [entries] = told(calls).values()
    assert entries == logged(log)[max(logged(log))]
    tape.keep("mysql/compressed" if compress else "mysql/connector")
