"""HTTP/1 as nginx speaks it: each line of its access log is a call, and each call is in its log."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from recording import Recording

pytestmark = pytest.mark.root
PORT, UPSTREAM, CONNECTIONS, REQUESTS, AT_ONCE = 8080, 8081, 60, 180, 8
CONFIGURATION = """
daemon off; worker_processes 2; pid {folder}/pid; error_log {folder}/error.log; user root;
events {{ worker_connections 512; }}
http {{
  log_format lines escape=json '{{"x_request_id": "$request_id", "code": $status, "type": "$request_method", '
    '"resource": "$request_uri", "domain": "$http_host", "src_port": $remote_port, "dst_port": $server_port, '
    '"request_bytes": $request_length, "response_bytes": $bytes_sent}}';
  access_log {folder}/access.log lines;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  keepalive_requests 100000; default_type text/plain; root {folder}/files;
  upstream behind {{ server 127.0.0.1:{upstream}; keepalive 4; }}
  server {{
    listen {address}:{port};
    add_header X-Request-Id $request_id always;
    location /items/ {{ return 200 "item $uri\\n"; }}
    location /moved/ {{ return 301 /items/; }}
    location /gone/ {{ return 410; }}
    location /broken/ {{ return 503; }}
    location /empty/ {{ return 204; }}
    location /files/ {{ }}
    location /zipped/ {{ gzip on; gzip_min_length 1; alias {folder}/files/files/; }}
    location /stored/ {{ dav_methods PUT DELETE; create_full_put_path on; alias {folder}/stored/; }}
    location /behind/ {{ proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
  server {{
    listen 127.0.0.1:{upstream};
    add_header X-Request-Id $request_id always;
    location / {{ return 200 "from behind"; }}
  }}
}}
"""


@pytest.fixture
def log(tape: Recording, tmp_path: Path) -> Path:
    """Of a running nginx."""
    files = tmp_path / "files/files"
    files.mkdir(parents=True)
    (tmp_path / "stored").mkdir()
    (files / "small.txt").write_text("small")
    (files / "large.txt").write_text("HTTP/1.1 200 OK\r\n\r\n" * 3_000)
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=tmp_path, address=tape.address, port=PORT, upstream=UPSTREAM))
    tape.start("nginx", "-c", configuration, "-p", tmp_path, "-e", tmp_path / "error.log", ready=PORT)
    return tmp_path / "access.log"


def requests(connection: int, count: int) -> Iterator[bytes]:
    """Of all kinds; the last asks to close the connection."""
    for number in range(count):
        name = b"%d-%d" % (connection, number)
        head = b" HTTP/1.1\r\nHost: shop-%d.example\r\nUser-Agent: test\r\n" % connection
        if number == count - 1:
            head += b"Connection: close\r\n"
        kinds = (
            b"GET /items/%s?page=%d%s\r\n" % (name, number, head),
            b"HEAD /items/%s%s\r\n" % (name, head),
            b"GET /moved/%s%s\r\n" % (name, head),
            b"DELETE /gone/%s%s\r\n" % (name, head),
            b"PUT /stored/%s%sContent-Length: 19\r\n\r\nGET / HTTP/1.1\r\n\r\nx" % (name, head),
            b"GET /broken/%s%s\r\n" % (name, head),
            b"GET /empty/%s%s\r\n" % (name, head),
            b"GET /files/small.txt?%s%s\r\n" % (name, head),
            b"GET /zipped/small.txt?%s%sAccept-Encoding: gzip\r\n\r\n" % (name, head),
            b"GET /behind/%s%s\r\n" % (name, head),
            b"PUT /stored/%s%sTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n3;x=y\r\n...\r\n0\r\n\r\n" % (name, head),
            b"PATCH /items/%s%s\r\n" % (name, head),
            b"GET /files/%s%s\r\n" % (name, head),
            b"GET /files/large.txt?%s%s\r\n" % (name, head)
            if number % 5 == 2
            else b"HEAD /empty/%s%s\r\n" % (name, head),
        )
        yield kinds[(number + connection) % len(kinds)]


class Responses(io.BufferedReader):
    """What one connection brings, for one HTTPResponse after the other, each of which would close it."""

    def __init__(self, client: socket.socket) -> None:
        super().__init__(socket.SocketIO(client, "r"))

    def makefile(self, _mode: str) -> Responses:
        return self

    def close(self) -> None:
        pass


def talk(host: str, connection: int, count: int) -> None:
    """All at once, in batches, or one after the other."""
    asked = list(requests(connection, count))
    batch = (count, 16, 1)[connection % 3]
    with socket.create_connection((host, PORT), timeout=60) as client, ThreadPoolExecutor(1) as sender:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        responses = Responses(client)
        for first in range(0, count, batch):
            sent = sender.submit(client.sendall, b"".join(asked[first : first + batch]))
            for request in asked[first : first + batch]:
                response = HTTPResponse(responses, method=request.partition(b" ")[0].decode())  # type: ignore[arg-type]
                response.begin()
                response.read()
            sent.result()


def shop(host: str, connections: int, count: int) -> None:
    with ThreadPoolExecutor(AT_ONCE) as crowd:
        list(crowd.map(lambda connection: talk(host, connection, count), range(connections)))


def logged(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def by_number(calls: list[dict[str, Any]], columns: list[str]) -> dict[str, dict[str, Any]]:
    """Some columns of each call, by the number that nginx gave the request, which its response brought."""
    found = {call["x_request_id"]: {name: call[name] for name in columns} for call in calls}
    assert len(found) == len(calls), "a request has two responses"
    return found


def compare(calls: list[dict[str, Any]], lines: list[dict[str, Any]]) -> None:
    """Call by call."""
    told, truth = by_number(calls, list(lines[0])), by_number(lines, list(lines[0]))
    assert told == truth
    assert {call["protocol"] for call in calls} == {"HTTP"}
    assert all(call["latency_us"] > 0 for call in calls)
    errors = {call["x_request_id"] for call in calls if call["status"] in ("client_error", "server_error")}
    assert errors == {line["x_request_id"] for line in lines if line["code"] >= 400}


def test_each_request_is_paired_with_its_response(tape: Recording, log: Path) -> None:
    tape.inside(lambda: shop(tape.address, CONNECTIONS, REQUESTS))
    lines = logged(log)
    assert len(lines) > CONNECTIONS * REQUESTS > 10_000
    compare(tape.calls(), lines)


def test_what_is_kept(tape: Recording, log: Path) -> None:
    tape.inside(lambda: shop(tape.address, 4, 26))
    assert len(tape.calls()) == len(logged(log))
    tape.keep("http1/nginx")
