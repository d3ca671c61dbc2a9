"""DNS as dnsmasq speaks it: each question and each answer in its log is a call, and each call is in its log."""

from __future__ import annotations

import re
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from protocols.test_dns import AAAA, AXFR, MX, TXT, A, framed, query

if TYPE_CHECKING:
    from recording import Recording

pytestmark = pytest.mark.root
PORT, HOSTS, QUERIES, CLIENTS, WINDOW = 5300, 41, 11_000, 8, 24
_ASKED = re.compile(r": (\d+) [\d.]+/(\d+) (?:query|auth)\[(\S+)\] (\S+) from")
_TOLD = re.compile(r": (\d+) [\d.]+/(\d+) (?:config|auth) (\S+) is (\S+)")


def serve(tape: Recording, folder: Path, *options: str) -> Path:
    """Start dnsmasq; the log that says each query and what was answered."""
    path = folder / "dnsmasq.log"
    tape.start(
        *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts", "--no-resolv", "--user=root"),
        *(f"--port={PORT}", f"--listen-address={tape.address}", "--bind-interfaces", f"--pid-file={folder}/pid"),
        *("--log-queries=extra", f"--log-facility={path}", *options),
        ready=PORT,
    )
    return path


@pytest.fixture
def log(tape: Recording, tmp_path: Path) -> Path:
    """Of a server with some names of the domain test."""
    names = [f"--host-record=h{number}.test,192.0.2.{number},2001:db8::{number:x}" for number in range(1, HOSTS + 1)]
    records = ["--txt-record=h1.test,some text", "--mx-host=h1.test,mail.test,10"]
    return serve(tape, tmp_path, "--local=/test/", *records, *names)


def questions(client: int) -> Iterator[tuple[int, bytes]]:
    """(id, message): names that there are and that there are not, of four types, of another domain too."""
    for number in range(QUERIES // CLIENTS):
        ident = (client * 8191 + number * 7) & 0xFFFF
        host = f"h{number % (HOSTS + 5) + 1}.test" if number % 17 else f"other{number}.example"
        yield ident, query(host, (A, AAAA, A, TXT, MX)[number % 5], ident)


def over_udp(host: str, client: int) -> None:
    """WINDOW questions in flight on one socket."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(20)
        asker.connect((host, PORT))
        waiting: set[int] = set()
        for ident, message in questions(client):
            asker.send(message)
            waiting.add(ident)
            if len(waiting) == WINDOW:
                waiting.remove(struct.unpack(">H", asker.recv(4096)[:2])[0])
        while waiting:
            waiting.remove(struct.unpack(">H", asker.recv(4096)[:2])[0])


def over_tcp(host: str, client: int) -> None:
    """WINDOW questions in a segment, four such on a connection: dnsmasq takes a hundred (TCP_MAX_QUERIES)."""
    asked = list(questions(client))
    for first in range(0, len(asked), 4 * WINDOW):
        with socket.create_connection((host, PORT), timeout=20) as asker, asker.makefile("rb") as told:
            for begin in range(first, min(first + 4 * WINDOW, len(asked)), WINDOW):
                batch = asked[begin : begin + WINDOW]
                asker.sendall(framed(*(message for _, message in batch)))
                idents = []
                for _ in batch:
                    (length,) = struct.unpack(">H", told.read(2))
                    idents.append(struct.unpack(">H", told.read(length)[:2])[0])
                assert idents == [ident for ident, _ in batch]


def all_ask(ask: Callable[[str, int], None], host: str) -> None:
    """All clients at once."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(partial(ask, host), range(CLIENTS)))


def logged(path: Path) -> tuple[Counter[tuple[int, str, str]], Counter[tuple[int, str, str]]]:
    """(port, type, name) of what was asked, and (port, name, answer) of what was told."""
    asked: Counter[tuple[int, str, str]] = Counter()
    told: Counter[tuple[int, str, str]] = Counter()
    for line in path.read_text().splitlines():
        if found := _ASKED.search(line):
            asked[int(found[2]), found[3], found[4]] += 1
        elif found := _TOLD.search(line):
            told[int(found[2]), found[3], found[4]] += 1
    return asked, told


def in_its_words(call: dict[str, Any]) -> tuple[int, str, str]:
    """(port, name, answer) as dnsmasq logs it."""
    if call["exception"] == "REFUSED":
        return call["src_port"], "error", "REFUSED"
    if call["code"]:
        answer = call["exception"]
    elif not call["result"] or call["result"].startswith("SOA="):
        answer = {"A": "NODATA-IPv4", "AAAA": "NODATA-IPv6"}.get(call["type"], "NODATA")
    elif call["type"] in ("A", "AAAA"):
        answer = call["result"].split(" ")[0].partition("=")[2]
    else:
        answer = f"<{call['type']}>"
    return call["src_port"], call["domain"], answer


def compare(calls: list[dict[str, Any]], log: Path) -> None:
    """Question by question, of all clients."""
    asked, told = logged(log)
    assert asked.total() == len(calls) == QUERIES // CLIENTS * CLIENTS >= 10_000
    assert Counter((call["src_port"], call["type"], call["domain"]) for call in calls) == asked
    assert Counter(map(in_its_words, calls)) == told
    assert all(call["latency_us"] is not None and call["latency_us"] >= 0 for call in calls)


@pytest.mark.parametrize("ask", [over_udp, over_tcp])
def test_every_question_is_paired_with_its_answer(tape: Recording, log: Path, ask: Callable[[str, int], None]) -> None:
    tape.inside(lambda: all_ask(ask, tape.address))
    compare(tape.calls(), log)


def test_a_name_has_the_answer_of_its_id(tape: Recording, log: Path) -> None:
    """The log does not say ids: the same question with many of them, each answered once."""
    tape.inside(lambda: over_udp(tape.address, 3))
    wanted = [(ident, message) for ident, message in questions(3)]
    assert [call["request_id"] for call in tape.calls()] == [ident for ident, _ in wanted]
    assert log.exists()


def test_a_zone_is_transferred(tape: Recording, tmp_path: Path) -> None:
    names = [f"--host-record=z{number}.zone.example,10.9.0.{number}" for number in range(200)]
    zone = ("--auth-server=ns.zone.example,lo", "--auth-zone=zone.example", f"--auth-peer={tape.address}")
    log = serve(tape, tmp_path, *zone, *names)

    def transfer() -> None:
        with socket.create_connection((tape.address, PORT), timeout=20) as asker:
            asker.sendall(framed(query("zone.example", AXFR)))
            asker.shutdown(socket.SHUT_WR)
            while asker.recv(65536):
                pass

    tape.inside(transfer)
    [call] = tape.calls()
    assert (call["type"], call["status"], call["domain"]) == ("AXFR", "ok", "zone.example")
    assert call["response_bytes"] > 200 * 20
    assert "[AXFR] zone.example" in log.read_text()


def test_what_is_kept(tape: Recording, log: Path) -> None:
    """Some of everything, small enough to be committed."""

    def some() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.connect((tape.address, PORT))
            for _, message in list(questions(0))[:40]:
                asker.send(message)
                asker.recv(4096)
        with socket.create_connection((tape.address, PORT), timeout=20) as asker:
            batch = [message for _, message in list(questions(1))[:40]]
            asker.sendall(framed(*batch))
            with asker.makefile("rb") as told:
                for _ in batch:
                    told.read(struct.unpack(">H", told.read(2))[0])

    tape.inside(some)
    asked, told = logged(log)
    calls = tape.calls()
    assert asked.total() == len(calls) == 80
    assert Counter(map(in_its_words, calls)) == told
    tape.keep("dns/dnsmasq")
