"""The probe's HTTP port: /metrics for Prometheus, /healthz for the kubelet."""

import socket
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    timeout = 10  # a client that sends nothing does not hold its thread for ever

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged."""


def serve(address: str, registry: CollectorRegistry, healthy: Callable[[], str]) -> Callable[[], None]:
    """Serve on `host:port` in threads; returns what stops it. `healthy` says what is wrong, or "". Raises OSError."""
    host, _, port = address.rpartition(":")
    metrics = make_wsgi_app(registry)

    def app(environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if path == "/metrics":
            page: Iterable[bytes] = metrics(environ, start)
            return page
        if path == "/healthz":
            problem = healthy()
            start("503 Service Unavailable" if problem else "200 OK", [("Content-Type", "text/plain; charset=utf-8")])
            return [(problem or "ok").encode() + b"\n"]
        start("404 Not Found", [("Content-Type", "text/plain")])
        return [b"there are /metrics and /healthz\n"]

    host = host.strip("[]")
    server = make_server(host, int(port), app, _Server6 if ":" in host else _Server, _Quiet)
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return stop
