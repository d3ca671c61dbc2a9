"""The operator's interest feed: one WebSocket, kept over any break, in a thread of its own.

The only module of the probe that knows the WebSocket library. Reading and writing are both of this thread: a TLS
connection is not for two.
"""

import logging
import random
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import websocket
from pydantic import ValidationError

from weir_api import feed
from weir_api.feed import Identity, News, PeerSelector
from weir_probe.identity.book import Book
from weir_probe.identity.source import Packed, State

_log = logging.getLogger(__name__)

_CONNECT_S: Final = 5.0
_SEND_S: Final = 10.0
#: How long a read waits for bytes that were announced; a message that is not whole by then goes on with the next read.
_READ_S: Final = 0.2
_CLOSE_S: Final = 2.0
_MAX_TOKEN_BYTES: Final = 64 << 10
#: The longest message that is taken; MAX_ADDRESSES pods are about 16 MiB.
_MAX_NEWS_BYTES: Final = 32 << 20


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """Where the feed is, and how to behave. Times in seconds."""

    url: str  # https://host[:port]/path
    token: Path  # a service account token of audience feed.AUDIENCE; read anew for every connection
    ca: Path  # PEM certificates that the server's is checked by; read anew for every connection
    ping_s: float = 15.0
    silence_s: float = 45.0  # after so long without a byte the connection is dead
    backoff_s: float = 1.0  # before the second try; doubles
    longest_backoff_s: float = 30.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme != "https" or not parts.hostname or parts.username or parts.query or parts.fragment:
            raise ValueError(f"--identity-url: {self.url!r} is not of the form https://HOST[:PORT]{feed.PATH}")


class _FeedError(Exception):
    """Why there is no connection; `refused`: by an answer that does not change by itself."""

    def __init__(self, text: str, *, refused: bool = False) -> None:
        super().__init__(text)
        self.refused = refused


class Feed:
    """A Source (see there) that asks the operator. While the operator is away, the last answers stay."""

    answers = True

    def __init__(self, settings: FeedSettings) -> None:
        self._settings = settings
        self._book = Book()
        self._lock = threading.Lock()  # of the book and of what follows
        self._connected = False
        self._since = datetime.now(UTC)
        self._problem = "not connected yet"
        self._refused = False
        self._bytes = 0
        self._connections = 0
        self._since_news = 0  # bytes that are no whole message yet; of the thread
        self._closing = threading.Event()
        self._wake, self._waker = socket.socketpair()
        self._wake.setblocking(False)
        self._waker.setblocking(False)
        self._on_news: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="identity", daemon=True)

    def start(self, on_news: Callable[[], None]) -> None:
        self._on_news = on_news
        self._thread.start()

    def ask(self, add: Iterable[Packed], remove: Iterable[Packed]) -> None:
        with self._lock:
            self._book.ask(add, remove)
        self._interrupt()

    def select(self, selectors: Sequence[PeerSelector]) -> None:
        with self._lock:
            self._book.select(selectors)
        self._interrupt()

    def take(self) -> Mapping[Packed, Identity | None]:
        with self._lock:
            return self._book.take()

    def members(self) -> Mapping[str, AbstractSet[Packed]]:
        with self._lock:
            return self._book.members()

    def state(self) -> State:
        with self._lock:
            owners = {(i.kind, i.namespace, i.name) for i in self._book.answers.values() if isinstance(i, Identity)}
            return State(
                kind="Feed",
                connected=self._connected,
                since=self._since,
                problem=self._problem,
                refused=self._refused,
                addresses=len(self._book.answers),
                unanswered=self._book.unanswered,
                identities=len(owners),
                selectors=self._book.selectors,
                bytes_received=self._bytes,
                connections=self._connections,
            )

    def close(self) -> None:
        """Hang up; returns within 2 s."""
        self._closing.set()
        self._interrupt()
        if self._thread.ident is not None:
            self._thread.join(_CLOSE_S)

    def _interrupt(self) -> None:
        with suppress(BlockingIOError):  # it is full: the thread is to wake anyway
            self._waker.send(b"\0")

    # ---- the thread

    def _run(self) -> None:
        failures = 0
        while not self._closing.is_set():
            began = time.monotonic()
            try:
                with closing(self._connect()) as connection:
                    self._tell_state(True, "")
                    self._converse(connection)
            except _FeedError as error:
                self._tell_state(False, str(error), refused=error.refused)
            except (OSError, websocket.WebSocketException) as error:
                self._tell_state(False, f"{self._settings.url}: {error}")
            except Exception as error:  # a fault of ours: the probe must not be deaf from here on
                _log.exception("the interest feed")
                self._tell_state(False, repr(error))
            if time.monotonic() - began > self._settings.silence_s:
                failures = 0
            failures += 1
            most = min(self._settings.longest_backoff_s, self._settings.backoff_s * 2 ** min(failures - 1, 10))
            # anywhere in it: all probes lose an operator at once
            self._closing.wait(most * random.uniform(0.1, 1))

    def _tell_state(self, connected: bool, problem: str, *, refused: bool = False) -> None:
        if self._closing.is_set():
            return
        with self._lock:
            if connected != self._connected:
                self._since = datetime.now(UTC)
            first = problem and not self._problem.startswith(problem)
            self._connected, self._problem, self._refused = connected, problem, refused
            self._connections += connected
        if connected:
            _log.info("connected to the interest feed")
        elif first:
            _log.warning("no interest feed: %s; trying again", problem)

    def _connect(self) -> websocket.WebSocket:
        settings = self._settings
        try:
            with settings.token.open(encoding="ascii") as file:
                token = file.read(_MAX_TOKEN_BYTES).strip()
        except (OSError, ValueError) as error:
            raise _FeedError(
                f"token {settings.token}: {error}; mount a service account token of audience {feed.AUDIENCE} there"
            ) from error
        try:
            context = ssl.create_default_context(cafile=str(settings.ca))
            context.minimum_version = ssl.TLSVersion.TLSv1_2
        except OSError as error:
            raise _FeedError(f"CA certificates {settings.ca}: {error}; mount the operator's there") from error
        connection = websocket.WebSocket(skip_utf8_validation=True)
        try:
            connection.connect(  # type: ignore[no-untyped-call] # not annotated there
                settings.url.replace("https:", "wss:", 1),
                timeout=_CONNECT_S,
                header=[f"Authorization: Bearer {token}"],
                suppress_origin=True,
                redirect_limit=0,  # the token is for this server
                socket=self._dial(context),
            )
        except websocket.WebSocketBadStatusException as error:
            raise _refusal(error) from error
        connection.frame_buffer.recv = self._limited(connection.frame_buffer.recv)
        return connection

    def _dial(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        """By ourselves: the library would ask the environment for a proxy, and the operator is inside the cluster."""
        settings = self._settings
        parts = urlsplit(settings.url)
        plain = socket.create_connection((parts.hostname, parts.port or 443), _CONNECT_S)
        try:
            return context.wrap_socket(plain, server_hostname=parts.hostname)
        except ssl.SSLCertVerificationError as error:
            plain.close()
            raise _FeedError(
                f"{settings.url}: its certificate is not trusted by {settings.ca}: {error.verify_message}"
            ) from error
        except OSError:
            plain.close()
            raise

    def _limited(self, read: Callable[[int], bytes]) -> Callable[[int], bytes]:
        """The library takes messages of any length: no more bytes than this between two."""

        def limited(size: int) -> bytes:
            data = read(size)
            self._since_news += len(data)
            if self._since_news > _MAX_NEWS_BYTES:
                raise _FeedError(f"{self._settings.url}: a message of more than {_MAX_NEWS_BYTES >> 20} MiB")
            return data

        return limited

    def _converse(self, connection: websocket.WebSocket) -> None:
        """Tell and hear until the connection breaks or we close."""
        with self._lock:
            self._book.begin()
        self._since_news = 0
        heard = pinged = time.monotonic()
        while not self._closing.is_set():
            connection.settimeout(_SEND_S)
            with self._lock:
                messages = [
                    message.model_dump_json(by_alias=True, exclude_defaults=True) for message in self._book.messages()
                ]
            for text in messages:
                connection.send(text)
            now = time.monotonic()
            if now - pinged >= self._settings.ping_s:
                connection.ping()
                pinged = now
            if now - heard >= self._settings.silence_s:
                raise _FeedError(f"{self._settings.url}: silent for {self._settings.silence_s:.0f} s")
            if self._wait(connection, max(0.0, pinged + self._settings.ping_s - now)):
                connection.settimeout(_READ_S)
                try:
                    opcode, data = connection.recv_data(control_frame=True)
                except websocket.WebSocketTimeoutException:
                    continue
                heard = time.monotonic()
                self._since_news = 0
                self._hear(opcode, data)

    def _wait(self, connection: websocket.WebSocket, timeout_s: float) -> bool:
        """Until there is something to read, or to tell; whether there is something to read."""
        sock = connection.sock
        if not isinstance(sock, ssl.SSLSocket):
            raise _FeedError(f"{self._settings.url}: the connection is gone")
        if sock.pending():
            return True
        readable, _, _ = select.select([sock, self._wake], [], [], timeout_s)
        if self._wake in readable:
            with suppress(BlockingIOError):
                self._wake.recv(4096)
        return sock in readable

    def _hear(self, opcode: int, data: bytes) -> None:
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            reason = data[2:].decode(errors="replace") or "without a reason"
            raise _FeedError(f"the operator closed the feed: {reason}")
        if opcode not in (websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY):
            return
        try:
            news = News.model_validate_json(data)
            with self._lock:
                self._bytes += len(data)
                self._book.hear(news)
        except (ValidationError, ValueError) as error:
            raise _FeedError(f"the operator's message cannot be read: {error}; give both one version") from error
        self._on_news()


def _refusal(error: websocket.WebSocketBadStatusException) -> _FeedError:
    """What an HTTP status means, and what to do."""
    status = error.status_code
    said = (error.resp_body or b"")[:300].decode(errors="replace").strip()
    text = f"the operator answers {status}" + (f": {said}" if said else "")
    if status == 401:
        return _FeedError(f"{text}; mount a service account token of audience {feed.AUDIENCE}", refused=True)
    if status == 403:
        return _FeedError(
            f"{text}; bind the probe's service account to a role with verb get on the non-resource URL {feed.PATH}",
            refused=True,
        )
    return _FeedError(text)
