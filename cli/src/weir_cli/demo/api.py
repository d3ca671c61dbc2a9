"""The shop's api: answers HTTP, counts orders in redis, found by DNS. `python -m weir_cli.demo.api PORT DNS`."""

import math
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from weir_cli.demo.dns import resolve

_REDIS: Final = "redis.shop"
_TTL_S: Final = 1.0
#: Commands on one connection. Whoever begins to observe soon sees a new one, and so who opened it.
_COMMANDS: Final = 40
_CATALOGUE: Final = b'{"item": "a bucket of water"}\n' * 500


class Redis:
    """A connection to redis, made again when it breaks; one command at a time (RESP2)."""

    def __init__(self, dns: str) -> None:
        self._dns = dns
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._left = 0
        self._address = ""
        self._resolved_s = -math.inf

    def increment(self, key: str) -> int:
        """Add one to a number and return it. Raises OSError when redis cannot be reached."""
        with self._lock:
            if time.monotonic() - self._resolved_s > _TTL_S:
                self._resolved_s, self._address = time.monotonic(), resolve(_REDIS, socket.AF_INET6, self._dns)
            if self._socket is None:
                self._socket, self._left = socket.create_connection((self._address, 6379), 2.0), _COMMANDS
            try:
                self._socket.sendall(f"*2\r\n$4\r\nINCR\r\n${len(key)}\r\n{key}\r\n".encode())
                number = int(self._socket.recv(64).removeprefix(b":"))
            except (OSError, ValueError) as error:
                self._close()
                raise OSError(f"redis: {error}") from error
            self._left -= 1
            if self._left == 0:
                self._close()
            return number

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Handler(BaseHTTPRequestHandler):
    """GET /catalogue gives some kilobytes; any other path takes an order."""

    protocol_version = "HTTP/1.1"
    redis: Redis

    def do_GET(self) -> None:
        try:
            order = self.redis.increment("orders")
            status, body = 200, _CATALOGUE if self.path == "/catalogue" else f'{{"order": {order}}}\n'.encode()
        except OSError as error:
            status, body = 502, f"{error}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if status == 200 else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: the demo shows the flows, not the requests."""


def main() -> None:
    port, Handler.redis = int(sys.argv[1]), Redis(sys.argv[2])
    ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()  # noqa: S104 - in a network namespace of its own


if __name__ == "__main__":
    main()
