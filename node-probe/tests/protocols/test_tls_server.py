"""TLS as nginx and OpenSSL speak it: each handshake in nginx's log is a call that says the same."""

from __future__ import annotations

import re
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from protocols.test_tls import Keys, keys

if TYPE_CHECKING:
    from recording import Recording

__all__ = ["keys"]
pytestmark = pytest.mark.root
PORT, CLIENTS, CONNECTIONS = 8443, 6, 10_200
_LINE = re.compile(r"^(\d+) TLSv(\S+) (\S+) (\S+) (\S+) ([r.])$", re.MULTILINE)
#: As OpenSSL calls those that the IANA calls otherwise.
_CIPHERS = {
    "ECDHE-ECDSA-AES128-GCM-SHA256": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305": "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
}
CONFIG = """
daemon off; worker_processes 2; error_log {folder}/error.log info; pid {folder}/pid;
events {{ worker_connections 512; }}
http {{
  log_format tls "$remote_port $ssl_protocol $ssl_cipher $ssl_server_name $ssl_alpn_protocol $ssl_session_reused";
  access_log {folder}/access.log tls;
  server {{
    listen {address}:{port} ssl; lingering_close off;
    ssl_certificate {certificate}; ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE+ECDSA;
    ssl_session_cache shared:a:1m; ssl_session_tickets on;
    location / {{ return 204; }}
  }}
}}
"""


@pytest.fixture
def folder(tape: Recording, tmp_path: Path, keys: Keys) -> Path:
    """Of a running nginx: access.log, error.log."""
    config = tmp_path / "nginx.conf"
    config.write_text(
        CONFIG.format(folder=tmp_path, address=tape.address, port=PORT, certificate=keys.certificate, key=keys.key)
    )
    tape.start("nginx", "-c", config, "-p", tmp_path, "-e", tmp_path / "error.log", ready=PORT)
    return tmp_path


class Client:
    """Connections one after the other: each kind with and without a session of before."""

    def __init__(self, host: str, number: int) -> None:
        self.host, self.number = host, number
        self.contexts = [
            context("TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256", ["http/1.1"]),
            context("TLSv1.3", "DEFAULT", ["http/1.1"]),
            context("TLSv1.2", "ECDHE-ECDSA-CHACHA20-POLY1305", []),
        ]
        #: And the name that it was made for, which nginx logs though another one is asked for.
        self.sessions: list[tuple[ssl.SSLSession | None, str]] = [(None, "")] * len(self.contexts)

    def connect(self, turn: int) -> None:
        kind = turn % len(self.contexts)
        session, name = self.sessions[kind] if turn % 2 else (None, "")
        name = name or f"s{self.number}-{turn % 50}.test"
        with (
            socket.create_connection((self.host, PORT), timeout=30) as plain,
            self.contexts[kind].wrap_socket(plain, server_hostname=name, session=session) as end,
        ):
            end.sendall(b"GET / HTTP/1.0\r\n\r\n")
            while end.recv(4096):
                pass
            self.sessions[kind] = end.session, name


def context(version: str, ciphers: str, protocols: list[str]) -> ssl.SSLContext:
    """A client that takes any certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.minimum_version = made.maximum_version = ssl.TLSVersion[version.replace(".", "_")]
    made.set_ciphers(ciphers)
    if protocols:
        made.set_alpn_protocols(protocols)
    return made


def refused_by_server(host: str, turn: int) -> None:
    """There is no cipher that both know."""
    _fails(host, context("TLSv1.2", "AES128-GCM-SHA256", []), turn)


def refused_by_client(host: str, turn: int) -> None:
    """The certificate is signed by nobody."""
    _fails(host, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), turn)


def _fails(host: str, made: ssl.SSLContext, turn: int) -> None:
    with socket.create_connection((host, PORT), timeout=30) as plain, pytest.raises(ssl.SSLError):
        made.wrap_socket(plain, server_hostname=f"refused{turn}.test")


def in_its_words(call: dict[str, Any]) -> tuple[str, ...]:
    """As a line of the log."""
    return (
        str(call["src_port"]),
        call["type"].removeprefix("TLS "),
        call["attributes"]["tls.cipher"],
        call["domain"],
        call["resource"] or "-",
        "r" if "tls.resumed" in call["attributes"] else ".",
    )


def logged(folder: Path) -> Counter[tuple[str, ...]]:
    lines = _LINE.findall((folder / "access.log").read_text())
    return Counter((port, version, _CIPHERS.get(cipher, cipher), *rest) for port, version, cipher, *rest in lines)


def all_connect(host: str, connections: int) -> None:
    """So many connections, of several clients at once."""

    def connect(number: int) -> None:
        client = Client(host, number)
        for turn in range(connections // CLIENTS):
            client.connect(turn)

    _at_once(connect)


def all_are_refused(host: str, times: int) -> None:
    """Each client, so often by the server, and so often by itself."""

    def be_refused(number: int) -> None:
        for turn in range(number * times, (number + 1) * times):
            refused_by_server(host, turn)
            refused_by_client(host, turn)

    _at_once(be_refused)


def _at_once(work: Callable[[int], None]) -> None:
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(work, range(CLIENTS)))


def compare(calls: list[dict[str, Any]], folder: Path, connections: int) -> None:
    """Handshake by handshake."""
    assert {call["protocol"] for call in calls} == {"TLS"}
    assert {call["status"] for call in calls} == {"ok"}
    told = logged(folder)
    assert told.total() == len(calls) == connections
    assert Counter(map(in_its_words, calls)) == told
    assert min(Counter(line[5] for line in told).values()) > connections / 10
    fingerprints = {(call["src_port"], call["attributes"]["tls.client.ja4"][:4]) for call in calls}
    assert {kind for _, kind in fingerprints} == {"t12d", "t13d"}


def compare_refused(calls: list[dict[str, Any]], folder: Path, times: int) -> None:
    """By the alerts that the server logs."""
    told = (folder / "error.log").read_text()
    ends = Counter((call["status"], call["exception"]) for call in calls)
    assert ends["client_error", "handshake_failure"] == told.count("no shared cipher") == times
    assert ends["server_error", "unknown_ca"] == told.count("alert unknown ca") == times
    assert ends.total() == 2 * times
    assert {call["domain"] for call in calls} == {f"refused{turn}.test" for turn in range(times)}


def test_every_handshake_says_what_the_server_logs(tape: Recording, folder: Path) -> None:
    tape.inside(lambda: all_connect(tape.address, CONNECTIONS))
    compare(tape.calls(), folder, CONNECTIONS)
    assert min(Counter(line[5] for line in logged(folder)).values()) > 1000
    assert CONNECTIONS >= 10_000


def test_every_refusal_is_told_with_its_alert(tape: Recording, folder: Path) -> None:
    tape.inside(lambda: all_are_refused(tape.address, 100))
    compare_refused(tape.calls(), folder, 100 * CLIENTS)


def test_what_is_kept(tape: Recording, folder: Path) -> None:
    """Some of each kind, small enough to be committed."""

    def some() -> None:
        client = Client(tape.address, 0)
        for turn in range(12):
            client.connect(turn)
        refused_by_server(tape.address, 1)
        refused_by_client(tape.address, 2)

    tape.inside(some)
    calls = tape.calls()
    assert Counter(in_its_words(call) for call in calls if call["status"] == "ok") == logged(folder)
    assert [call["exception"] for call in calls[12:]] == ["handshake_failure", "unknown_ca"]
    tape.keep("tls/nginx")
