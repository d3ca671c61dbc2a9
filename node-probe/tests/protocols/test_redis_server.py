"""Redis as redis-server speaks it: what its own statistics count by command, and as failed, the calls count alike."""

from __future__ import annotations

import re
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from io import BufferedReader
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from recording import Recording

pytestmark = pytest.mark.root
PORT, CLIENTS, COMMANDS, WINDOW = 6379, 6, 2_000, 50
_STATISTICS = re.compile(r"cmdstat_([^:]+):calls=(\d+).*?rejected_calls=(\d+),failed_calls=(\d+)")


class Client:
    """One connection, in RESP2 until it says HELLO 3."""

    def __init__(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", PORT), timeout=20)
        self.told: BufferedReader = self.socket.makefile("rb")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.told.close()
        self.socket.close()

    def send(self, *commands: str) -> None:
        """All in one piece, words between blanks."""
        self.socket.sendall(b"".join(map(_array, commands)))

    def ask(self, *commands: str) -> list[Any]:
        """Their answers."""
        self.send(*commands)
        return [self.answer() for _ in commands]

    def answer(self) -> Any:
        """One value; errors begin with a dash."""
        line = self.told.readline().rstrip().decode()
        kind, rest = line[0], line[1:]
        if kind in "*~>%":
            count = int(rest) * (2 if kind == "%" else 1)
            return [self.answer() for _ in range(count)]
        if kind in "$=" and rest != "-1":
            return self.told.read(int(rest) + 2)[:-2].decode()
        return line if kind == "-" else rest


def _array(command: str) -> bytes:
    words = command.split()
    return f"*{len(words)}\r\n".encode() + b"".join(f"${len(word)}\r\n{word}\r\n".encode() for word in words)


@pytest.fixture
def server(tape: Recording) -> Recording:
    """Running, and nothing on tape yet."""
    tape.start("redis-server", "--port", str(PORT), "--save", "", "--appendonly", "no", ready=PORT)
    tape.erase()
    return tape


def counted(tape: Recording) -> tuple[Counter[str], Counter[str]]:
    """By command, in capital letters: how often it was called, refused ones with it, and how often it failed."""

    def ask() -> str:
        with Client() as client:
            return str(client.ask("INFO commandstats")[0])

    called: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for name, calls, rejected, failures in _STATISTICS.findall(tape.inside(ask)):
        verb = name.split("|")[0].upper()
        called[verb] += int(calls) + int(rejected)
        failed[verb] += int(failures) + int(rejected)
    return called, +failed


def check(tape: Recording, calls: list[dict[str, Any]]) -> None:
    """The calls are those that the server counted."""
    called, failed = counted(tape)
    assert Counter(call["type"] for call in calls) == called
    assert Counter(call["type"] for call in calls if call["status"] != "ok") == failed


def commands(client: int) -> list[str]:
    """Each by a key of its own, so that each answer can be told from the others; some fail."""
    kinds = ("SET k{0} {0}", "GET k{0}", "LPUSH l{0} a b", "GET l{0}", "INCR k{0}", "EXISTS k{0}")
    return [kinds[number % 6].format(client * COMMANDS + number // 6) for number in range(COMMANDS)]


def answered(command: str) -> str:
    """The status of such a call."""
    return "client_error" if command.startswith("GET l") else "ok"


@pytest.mark.parametrize("window", [1, WINDOW], ids=["in turns", "pipelined"])
def test_every_command_is_a_call(server: Recording, window: int) -> None:
    def talk(number: int) -> None:
        mine = commands(number)
        with Client() as client:
            for first in range(0, COMMANDS, window):
                client.ask(*mine[first : first + window])

    def all_talk() -> None:
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(talk, range(CLIENTS)))

    server.inside(all_talk)
    calls = server.calls()
    wanted = Counter((command, answered(command)) for client in range(CLIENTS) for command in commands(client))
    assert wanted.total() == 12_000
    assert Counter((call["resource"], call["status"]) for call in calls) == wanted
    check(server, calls)


def test_what_is_kept(server: Recording) -> None:
    """Some of everything, small enough to be committed."""

    def some() -> None:
        for protocol in (2, 3):
            with Client() as client:
                client.ask(f"HELLO {protocol}")
                for first in range(0, 24, 12):
                    client.ask(*commands(protocol)[first : first + 12])
                client.ask("MULTI", "SET inner 1", "INCR inner", "EXEC")
                client.ask("HSET h a 1 b 2", "HGETALL h", "MGET k1 k2 nothing", "LRANGE l0 0 -1")
                client.ask("NOSUCHCOMMAND x")
        with Client() as listener, Client() as speaker:
            listener.send("SUBSCRIBE news")
            listener.answer()
            speaker.ask("PUBLISH news one", "PUBLISH news two")
            listener.answer()
            listener.answer()
        with Client() as client:
            for number in range(30):
                client.ask(f"SET k{number} {number}")
                client.ask(f"GET k{number}")

    server.inside(some)
    calls = server.calls()
    pushed = [call for call in calls if call["type"] == "message"]
    assert [call["resource"] for call in pushed] == ["news", "news"]
    server.keep("redis/redis")
    check(server, [call for call in calls if call not in pushed and call["type"] != "NOSUCHCOMMAND"])
