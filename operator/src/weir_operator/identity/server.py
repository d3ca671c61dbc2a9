"""The feed over HTTPS: one WebSocket per client whose token was reviewed, within bounds that a flood cannot pass."""

import asyncio
import logging
import ssl
import time
from asyncio.sslproto import SSLProtocol
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from aiohttp import WebSocketError, WSCloseCode, WSMessage, WSMsgType, web
from pydantic import ValidationError

from weir_api.feed import PATH, Interest
from weir_operator.identity.directory import Directory
from weir_operator.identity.session import RefusedError, Session
from weir_operator.identity.version import Version

_log = logging.getLogger(__name__)
#: Changes that come together are told together.
_COALESCE_S: Final = 0.075
#: News of the version alone, so that a client that comes back is not told again what it knows.
_REFRESH_S: Final = 60.0
_CATCH_UP_POLL_S: Final = 0.05
_CLOSE_S: Final = 5.0
_PING_S: Final = 30.0
#: An Interest with all that it may hold has 410 KB.
_MESSAGE_BYTES: Final = 1 << 20
# Each TLS connection of asyncio holds a buffer of 256 KiB for reading, which nothing but this sets: for thousands of
# clients that say little it is most of what they cost.
SSLProtocol.max_size = 32 << 10
#: Of the time that a client's messages take, it waits this multiple: no client has more than a fifth of the process.
_PACE: Final = 4.0


class Admission(Protocol):
    """The answer to a token."""

    @property
    def status(self) -> int:
        """An HTTP status; 200: let in."""

    @property
    def why(self) -> str:
        """Why not."""

    @property
    def client(self) -> str:
        """Whose token it is."""

    @property
    def expires_at(self) -> float:
        """When it ends, in seconds since 1970."""


class Counters(Protocol):
    """What the server counts."""

    def identity_told(self, size: int) -> None:
        """A News of so many bytes was sent."""

    def identity_dropped(self, reason: str) -> None:
        """A connection was closed or not let in for a reason that is not the client's wish."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on connections. Times in seconds."""

    #: All that are let in.
    clients: int = 8192
    #: Of one client: one that comes back before its last connection was found dead, and a little more.
    per_client: int = 4
    #: That have not been let in yet.
    waiting: int = 1024
    #: How long one may be there without being let in.
    knock_s: float = 10.0
    #: How long a client may take no more.
    send_s: float = 30.0
    #: How long a client that was told more by another replica waits for this one to know as much.
    catch_up_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What the server asks the operator."""

    #: Whether everything was listed once.
    complete: Callable[[], bool]
    #: The last changes that the directory has.
    version: Callable[[], Version]
    #: Whether the directory has everything up to a version.
    has_seen: Callable[[Version], bool]


class Feed:
    """Serves a directory. `wake` it when there is something to distribute."""

    def __init__(
        self,
        directory: Directory,
        knowledge: Knowledge,
        review: Callable[[str], Awaitable[Admission]],
        counters: Counters,
        limits: Limits,
    ) -> None:
        self._directory = directory
        self._knowledge = knowledge
        self._review = review
        self._counters = counters
        self._limits = limits
        self._woken = asyncio.Event()
        self._sockets: set[web.WebSocketResponse] = set()
        self._clients: Counter[str] = Counter()
        self._waiting: set[web.RequestHandler] = set()

    @property
    def clients(self) -> int:
        """Connections that were let in."""
        return self._clients.total()

    def wake(self) -> None:
        """The directory changed."""
        self._woken.set()

    async def distribute(self) -> None:
        """Hand changes on until cancelled."""
        while True:
            try:
                await asyncio.wait_for(self._woken.wait(), _REFRESH_S / 2)
                await asyncio.sleep(_COALESCE_S)
            except TimeoutError:
                pass  # the version moved, even where nothing did that anybody asks for
            self._woken.clear()
            self._directory.distribute(self._knowledge.version())

    async def serve(self, host: str, port: int, tls: ssl.SSLContext) -> None:
        """Listen until cancelled. Raises OSError when the port is taken."""
        app = web.Application()
        app.router.add_get(PATH, self._answer)
        runner = web.AppRunner(app, access_log=None, keepalive_timeout=self._limits.knock_s)
        await runner.setup()
        assert runner.server is not None
        listener = await asyncio.get_running_loop().create_server(
            lambda: self._knock(runner.server),
            host or None,
            port,
            ssl=tls,
            ssl_handshake_timeout=self._limits.knock_s,
            backlog=512,
        )
        try:
            await listener.serve_forever()
        finally:
            listener.close()
            leaving = [s.close(code=WSCloseCode.GOING_AWAY, message=b"the operator ends") for s in self._sockets]
            await asyncio.wait([asyncio.ensure_future(each) for each in [*leaving, asyncio.sleep(0)]], timeout=1)
            await runner.cleanup()

    # --- at the door --------------------------------------------------------------------------------------------------

    def _knock(self, server: Any) -> asyncio.BaseProtocol:
        """Somebody connects; nothing is known of them, not even that they will speak TLS."""
        if len(self._waiting) >= self._limits.waiting:
            self._counters.identity_dropped("too_many_waiting")
            return _Refusal()
        handler: web.RequestHandler = server()
        self._waiting.add(handler)
        asyncio.get_running_loop().call_later(self._limits.knock_s, self._give_up, handler)
        return handler

    def _give_up(self, handler: web.RequestHandler) -> None:
        if handler not in self._waiting:
            return
        self._waiting.discard(handler)
        if handler.transport is not None:
            self._counters.identity_dropped("idle")
            handler.transport.abort()

    async def _admit(self, request: web.Request) -> Admission:
        """Let a request in, or raise the answer that says why not."""
        if not self._knowledge.complete():
            raise web.HTTPServiceUnavailable(text="the operator is still listing pods, services and nodes\n")
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            self._counters.identity_dropped("no_token")
            raise web.HTTPUnauthorized(
                text="send Authorization: Bearer with a service account token\n", headers={"WWW-Authenticate": "Bearer"}
            )
        admission = await self._review(token.strip())
        match admission.status:
            case 200:
                pass
            case 401:
                self._counters.identity_dropped("unauthenticated")
                challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
                raise web.HTTPUnauthorized(text=f"{admission.why}\n", headers=challenge)
            case 403:
                self._counters.identity_dropped("forbidden")
                raise web.HTTPForbidden(text=f"{admission.why}\n")
            case _:
                self._counters.identity_dropped("unreviewed")
                raise web.HTTPServiceUnavailable(text=f"{admission.why}\n")
        if self._clients[admission.client] >= self._limits.per_client or self.clients >= self._limits.clients:
            self._counters.identity_dropped("too_many_clients")
            raise web.HTTPTooManyRequests(text="too many connections; close one, or try again later\n")
        return admission

    # --- one client ---------------------------------------------------------------------------------------------------

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        admission = await self._admit(request)
        self._waiting.discard(request.protocol)
        socket = web.WebSocketResponse(heartbeat=_PING_S, max_msg_size=_MESSAGE_BYTES, compress=False)
        # counted before anything is awaited again, so that many who come at once do not all pass the check
        self._clients[admission.client] += 1
        try:
            await socket.prepare(request)
            self._sockets.add(socket)
            await self._converse(request, socket, admission)
        finally:
            self._sockets.discard(socket)
            self._clients[admission.client] -= 1
            if not self._clients[admission.client]:
                del self._clients[admission.client]
        return socket

    async def _converse(self, request: web.Request, socket: web.WebSocketResponse, admission: Admission) -> None:
        news = asyncio.Event()
        session = Session(self._directory, news.set)
        teller = asyncio.create_task(self._tell(request, socket, session, news))
        try:
            async with asyncio.timeout(max(0.0, admission.expires_at - time.time())):
                reason, words = await self._listen(socket, session)
        except TimeoutError:
            reason, words = "token_expired", "the token has expired; come back with a new one"
        finally:
            teller.cancel()
            session.close()
        if reason:
            self._counters.identity_dropped(reason)
            _log.info("identity feed: %s: %s", admission.client, words)
            # RFC 6455: a reason has at most 123 bytes
            reason_bytes = words.encode()[:123].decode(errors="ignore").encode()
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_S):
                    await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=reason_bytes)

    async def _listen(self, socket: web.WebSocketResponse, session: Session) -> tuple[str, str]:
        """Take in what a client asks for; why it is to be dropped, empty where it left by itself."""
        async for message in socket:
            try:
                if message.type is WSMsgType.ERROR:
                    return _error(message.data)
                started = time.monotonic()
                interest = _interest(message)
                used_s = time.monotonic() - started
                interest = await self._caught_up(interest)
                started = time.monotonic()
                if interest.resume:
                    # the version that it is told is as new as the answers: it may come back again soon
                    self._directory.distribute(self._knowledge.version())
                session.hear(interest)
                used_s += time.monotonic() - started
            except RefusedError as error:
                return "refused", str(error)
            await asyncio.sleep(min(1.0, used_s * _PACE))
        return "", ""

    async def _caught_up(self, interest: Interest) -> Interest:
        """Wait until as much is known here as where the client was told last; where it takes too long, tell it all."""
        if not interest.resume:
            return interest
        try:
            version = Version.parse(interest.resume)
        except ValueError as error:
            raise RefusedError(f"resume: {error}") from error
        for _ in range(int(self._limits.catch_up_s / _CATCH_UP_POLL_S)):
            if self._knowledge.has_seen(version):
                return interest
            await asyncio.sleep(_CATCH_UP_POLL_S)
        return interest.model_copy(update={"resume": None})

    async def _tell(
        self, request: web.Request, socket: web.WebSocketResponse, session: Session, news: asyncio.Event
    ) -> None:
        """Send News until cancelled. A client that does not read is dropped."""
        try:
            while True:
                try:
                    await asyncio.wait_for(news.wait(), _REFRESH_S)
                    refresh = False
                except TimeoutError:
                    refresh = True
                news.clear()
                while (text := session.tell(refresh)) is not None:
                    async with asyncio.timeout(self._limits.send_s):
                        await socket.send_str(text)
                    self._counters.identity_told(len(text.encode()))
        except TimeoutError:
            self._counters.identity_dropped("slow")
        except (ConnectionError, RuntimeError) as error:
            # it is closing: the reading side sees it too
            _log.debug("identity feed: %s", error)
        if request.transport is not None:
            request.transport.abort()


class _Refusal(asyncio.Protocol):
    """Closes the connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


def _error(error: object) -> tuple[str, str]:
    """Why a connection failed: the reason that is counted, and the words."""
    match error:
        case WebSocketError(code=WSCloseCode.MESSAGE_TOO_BIG):
            return "message_too_big", f"a message may have {_MESSAGE_BYTES} bytes"
        case WebSocketError():
            return "protocol", str(error)
        case TimeoutError():
            return "unresponsive", "no answer to a ping"
        case _:
            return "broken", str(error)


def _interest(message: WSMessage) -> Interest:
    if message.type is not WSMsgType.TEXT:
        raise RefusedError("send an Interest as a JSON text message")
    try:
        return Interest.model_validate_json(message.data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(step) for step in first["loc"]) or "message"
        raise RefusedError(f"{field}: {first['msg']}") from error
