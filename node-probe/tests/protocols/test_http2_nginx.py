"""HTTP/2 as nginx and curl speak it, in clear text and multiplexed: each line of the access log is a call."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from recording import Recording

pytestmark = pytest.mark.root
PORT = 8082
CONFIGURATION = """
daemon off; worker_processes 2; pid {folder}/pid; error_log {folder}/error.log; user root;
events {{ worker_connections 512; }}
http {{
  log_format lines escape=json '{{"id": "$http_x_request_id", "code": $status, "type": "$request_method", '
    '"resource": "$request_uri", "domain": "$host", "src_port": $remote_port}}';
  access_log {folder}/access.log lines;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  keepalive_requests 100000; default_type text/plain; root {folder}/files;
  server {{
    listen {address}:{port} http2;
    location /items/ {{ return 200 "item $uri\\n"; }}
    location /moved/ {{ return 301 /items/; }}
    location /gone/ {{ return 410; }}
    location /broken/ {{ return 503; }}
    location /empty/ {{ return 204; }}
    location /files/ {{ }}
    location /stored/ {{ dav_methods PUT; create_full_put_path on; alias {folder}/stored/; }}
  }}
}}
"""
PATHS = ("items", "moved", "items", "gone", "files", "broken", "empty", "missing", "stored")


@pytest.fixture
def log(tape: Recording, tmp_path: Path) -> Path:
    """Of a running nginx."""
    (tmp_path / "files/files").mkdir(parents=True)
    (tmp_path / "stored").mkdir()
    (tmp_path / "files/files/large.txt").write_text("large " * 3000)
    (tmp_path / "body.txt").write_text("body " * 1200)
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=tmp_path, address=tape.address, port=PORT))
    tape.start("nginx", "-c", configuration, "-p", tmp_path, "-e", tmp_path / "error.log", ready=PORT)
    return tmp_path / "access.log"


def requests(host: str, folder: Path, first: int, count: int) -> Iterator[str]:
    """A curl configuration: transfers with a number each."""
    for number in range(first, first + count):
        place = PATHS[number % len(PATHS)]
        name = "large.txt" if place == "files" else f"n{number}"
        text = f'url = "http://{host}:{PORT}/{place}/{name}?turn={number % 97}"\noutput = "/dev/null"\n'
        text += f'header = "x-request-id: r{number}"\nheader = "cookie: session={number}"\n'
        if place == "stored":
            text += f'upload-file = "{folder}/body.txt"\n'
        elif number % 10 == 0:
            text += "head\n"
        yield text


def fetch(tape: Recording, folder: Path, count: int) -> None:
    """Three clients, one after the other; each has up to a hundred transfers at once on one connection or some."""
    for turn, first in enumerate(range(0, count, -(-count // 3))):
        configuration = folder / f"curl{turn}"
        configuration.write_text(
            "next\n".join(requests(tape.address, folder, first, min(-(-count // 3), count - first)))
        )
        command = ["curl", "-s", "-Z", "--parallel-max", "100", "--http2-prior-knowledge", "-K", str(configuration)]
        tape.inside(lambda command=command: subprocess.run(command, check=True, timeout=200, stdout=subprocess.DEVNULL))  # type: ignore[misc]


def compare(calls: list[dict[str, Any]], log: Path, count: int) -> None:
    """Call by call; and what curl does for itself is nothing of a call."""
    lines = {line.pop("id"): line for line in map(json.loads, log.read_text().splitlines())}
    assert len(lines) == count
    told = {call["x_request_id"]: call for call in calls}
    assert len(told) == len(calls) == count
    for name, line in lines.items():
        call = told[name]
        assert call["protocol"] == "HTTP/2"
        assert {key: call[key] for key in ("code", "type", "resource", "src_port")} == {
            key: line[key] for key in ("code", "type", "resource", "src_port")
        }
        assert call["domain"] == f"{line['domain']}:{PORT}"
        code = line["code"]
        assert call["status"] == ("ok" if code < 400 else "client_error" if code < 500 else "server_error")
        assert call["attributes"]["user_agent.original"].startswith("curl/")
        assert call["latency_us"] > 0


def test_a_few_calls(tape: Recording, log: Path, tmp_path: Path) -> None:
    fetch(tape, tmp_path, 60)
    compare(tape.calls(), log, 60)
    tape.keep("http2/nginx")


def test_ten_thousand_calls(tape: Recording, log: Path, tmp_path: Path) -> None:
    fetch(tape, tmp_path, 10_200)
    compare(tape.calls(), log, 10_200)
