"""A small operator that speaks the interest feed: TLS, tokens, answers and changes as the test says."""

import asyncio
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from kube.certs import Authority
from weir_api import feed
from weir_api.feed import Identity, IdentityKind, Interest, News, PeerChange, PeerSelector

GOOD = "header.good.signature"


def pod(name: str, *addresses: str, owner: str = "", namespace: str = "shop", node: str = "node-2") -> Identity:
    kind = "Deployment" if owner else "Pod"
    return Identity(
        kind=IdentityKind.POD, namespace=namespace, name=name, owner_kind=kind, owner_name=owner or name, node=node,
        addresses=list(addresses),
    )  # fmt: skip


def service(name: str, *addresses: str, namespace: str = "shop") -> Identity:
    return Identity(kind=IdentityKind.SERVICE, namespace=namespace, name=name, addresses=list(addresses))


def node(name: str, *addresses: str) -> Identity:
    return Identity(kind=IdentityKind.NODE, name=name, addresses=list(addresses))


@dataclass(eq=False)
class Client:
    socket: web.WebSocketResponse
    addresses: set[str] = field(default_factory=set)
    selectors: dict[str, PeerSelector] = field(default_factory=dict)
    heard: list[Interest] = field(default_factory=list)


class Operator:
    """Runs in a thread. What it knows is changed by `give`, `free` and `members`, which tell the clients."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder
        self.accepts = GOOD
        self.status = 0  # answer this instead of a WebSocket
        self.mute = False  # take interests and say nothing
        self.owners: dict[str, tuple[Identity, int]] = {}  # address: owner, version
        self.peers: dict[str, set[str]] = {}
        self.version = 1
        self.clients: list[Client] = []
        self.connections = 0
        self.authority = Authority(folder)
        self.port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}{feed.PATH}"

    @property
    def ca(self) -> Path:
        return self.authority.own.cert

    def token_file(self, content: str = GOOD) -> Path:
        file = self.folder / "token"
        file.write_text(content)
        return file

    def run(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(20)

    def hang(self, seconds: float) -> None:
        """Answer nothing for so long, not even pings."""
        self._loop.call_soon_threadsafe(time.sleep, seconds)

    def start(self) -> None:
        """Listen (again) at the same port."""

        async def start() -> None:
            app = web.Application()
            app.router.add_get(feed.PATH, self._serve)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            pair = self.authority.server("operator", ["IP:127.0.0.1"])
            context.load_cert_chain(pair.cert, pair.key)
            self._runner = web.AppRunner(app, shutdown_timeout=0.1)
            await self._runner.setup()
            site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=context, reuse_address=True)
            await site.start()
            self.port = self._runner.addresses[0][1]

        self.run(start)

    def stop(self) -> None:
        """Go away: connections break."""

        async def stop() -> None:
            for client in list(self.clients):
                await client.socket.close()
            await self._runner.cleanup()

        self.run(stop)

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def give(self, *identities: Identity) -> None:
        """These own their addresses from now on."""

        async def give() -> None:
            self.version += 1
            for identity in identities:
                for address in identity.addresses:
                    self.owners[address] = (identity, self.version)
            await self._tell({a for identity in identities for a in identity.addresses})

        self.run(give)

    def free(self, *addresses: str) -> None:
        """Nobody has these any more."""

        async def free() -> None:
            self.version += 1
            for address in addresses:
                del self.owners[address]
            await self._tell(set(addresses))

        self.run(free)

    def members(self, selector: str, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Addresses that belong to a selector now, or no longer do."""

        async def change() -> None:
            held = self.peers.setdefault(selector, set())
            held |= set(add)
            held -= set(remove)
            said = PeerChange(id=selector, add=list(add), remove=list(remove))
            for client in self.clients:
                if selector in client.selectors:
                    await self._send(client, News(version=str(self.version), peers=[said]))

        self.run(change)

    async def _tell(self, changed: set[str]) -> None:
        for client in self.clients:
            await self._send(client, self._news(client.addresses & changed))

    def _news(self, addresses: Iterable[str], newer_than: int = 0) -> News:
        told: dict[tuple[str, str], Identity] = {}
        nobody = []
        for address in addresses:
            if address not in self.owners:
                nobody.append(address)
            elif self.owners[address][1] > newer_than:
                identity = self.owners[address][0]
                before = told.get((identity.namespace, identity.name))
                both = [*(before.addresses if before else []), address]
                told[identity.namespace, identity.name] = identity.model_copy(update={"addresses": both})
        return News(version=str(self.version), identities=list(told.values()), nobody=nobody)

    async def _send(self, client: Client, news: News) -> None:
        if not self.mute:
            await client.socket.send_str(news.model_dump_json(by_alias=True, exclude_defaults=True))

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.connections += 1
        if self.status:
            return web.Response(status=self.status, text="as the test says")
        if request.headers.get("Authorization") != f"Bearer {self.accepts}":
            return web.Response(status=401, text="the token is not for this audience")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        client = Client(socket)
        self.clients.append(client)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._hear(client, Interest.model_validate_json(message.data))
        finally:
            self.clients.remove(client)
        return socket

    async def _hear(self, client: Client, interest: Interest) -> None:
        client.heard.append(interest)
        client.addresses.difference_update(interest.remove)
        for key in interest.remove_peers:
            client.selectors.pop(key, None)
        client.addresses.update(interest.add)
        news = self._news(interest.add, int(interest.resume or 0))
        changes = []
        for selector in interest.add_peers:
            client.selectors[selector.id] = selector
            changes.append(PeerChange(id=selector.id, replace=True, add=sorted(self.peers.get(selector.id, ()))))
        await self._send(client, news.model_copy(update={"peers": changes}))
