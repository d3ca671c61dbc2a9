"""What the feed's server does with clients that do not read, come too many, or know more than it does: real sockets."""

import asyncio
import socket
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from identity_told import Told
from weir_api.feed import MAX_BATCH, PATH, Interest, News
from weir_operator.cluster.reviews import Review
from weir_operator.identity.certificates import current
from weir_operator.identity.directory import Directory
from weir_operator.identity.index import Claim, Rank
from weir_operator.identity.server import Feed, Knowledge, Limits
from weir_operator.identity.version import Version

HOST = "weir-identity.test"


class Counted:
    """Counts what the server says."""

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        self.bytes = 0

    def identity_told(self, size: int) -> None:
        self.bytes += size

    def identity_dropped(self, reason: str) -> None:
        self.dropped[reason] += 1


@dataclass
class Served:
    """A feed whose callers are who they say they are."""

    directory: Directory
    counted: Counted
    port: int
    trust: ssl.SSLContext
    seen: Version
    feed: Feed | None = None

    @asynccontextmanager
    async def client(self, name: str = "probe") -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        async with aiohttp.ClientSession() as session:
            connecting = session.ws_connect(
                f"https://127.0.0.1:{self.port}{PATH}",
                headers={"Authorization": f"Bearer {name}"},
                ssl=self.trust,
                server_hostname=HOST,
            )
            async with connecting as connected:
                yield connected

    def put(self, address: str, name: str, version: int) -> None:
        self.directory.put(Claim(Rank.POD, "shop", name, (address,), started=version, version=version))
        self.seen = Version(pods=version)
        assert self.feed is not None
        self.feed.wake()


@asynccontextmanager
async def serving(folder: Path, limits: Limits) -> AsyncIterator[Served]:
    async def review(token: str) -> Review:
        return Review(200, "", token, time.time() + 600)

    material = current(None, [HOST], datetime.now(UTC))
    (folder / "chain.pem").write_bytes(material.chain)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "chain.pem")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    served = Served(
        Directory(lambda _: (), lambda: None),
        Counted(),
        port,
        ssl.create_default_context(cadata=material.bundle),
        Version(),
    )

    def has_seen(version: Version) -> bool:
        return served.seen.reaches(version)

    knowledge = Knowledge(lambda: True, lambda: served.seen, has_seen)
    served.feed = Feed(served.directory, knowledge, review, served.counted, limits)
    tasks = [
        asyncio.create_task(served.feed.serve("127.0.0.1", port, tls)),
        asyncio.create_task(served.feed.distribute()),
    ]
    try:
        await until(lambda: is_open(port))
        yield served
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def is_open(port: int) -> bool:
    with socket.socket() as knock:
        return knock.connect_ex(("127.0.0.1", port)) == 0


async def until(check: Callable[[], object], timeout_s: float = 30) -> None:
    async with asyncio.timeout(timeout_s):
        while not check():
            await asyncio.sleep(0.02)


async def ask(client: aiohttp.ClientWebSocketResponse, interest: Interest) -> None:
    await client.send_str(interest.model_dump_json(by_alias=True, exclude_none=True))


async def hear(client: aiohttp.ClientWebSocketResponse, told: Told) -> None:
    told.take(News.model_validate_json(await client.receive_str(timeout=30)))


def test_who_does_not_read_is_dropped(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path, Limits(send_s=0.2)) as served, served.client() as client:
            # what is asked again is answered again; nobody reads it
            many = Interest(add=[f"10.9.{n >> 8}.{n & 255}" for n in range(MAX_BATCH)])
            client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            asking = asyncio.create_task(flood(client, many))
            await until(lambda: served.counted.dropped["slow"] == 1, 100)
            asking.cancel()
            await until(lambda: served.directory.addresses == 0)

    asyncio.run(main())


async def flood(client: aiohttp.ClientWebSocketResponse, interest: Interest) -> None:
    while True:
        await ask(client, interest)


def test_no_more_clients_than_there_may_be(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path, Limits(clients=3)) as served, AsyncExitStack() as clients:
            for number in range(3):
                await clients.enter_async_context(served.client(f"probe-{number}"))
            with pytest.raises(aiohttp.WSServerHandshakeError, match="429"):
                await clients.enter_async_context(served.client("one-more"))
            assert served.counted.dropped["too_many_clients"] == 1

    asyncio.run(main())


def test_no_more_wait_at_the_door_than_there_may(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path, Limits(waiting=5, knock_s=2)) as served, AsyncExitStack() as knocking:
            for _ in range(20):
                _, writer = await asyncio.open_connection("127.0.0.1", served.port)
                knocking.callback(writer.close)
            await until(lambda: served.counted.dropped["too_many_waiting"] >= 15)
            # a moment later they are gone, and others can come in
            await asyncio.sleep(2.5)
            async with served.client() as client:
                await ask(client, Interest(add=["10.0.0.1"]))
                await hear(client, told := Told())
                assert told.name("10.0.0.1") == "nobody"

    asyncio.run(main())


def test_a_replica_that_is_behind_is_waited_for(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path, Limits(catch_up_s=20)) as served, served.client() as client:
            served.put("10.0.0.1", "old", 10)
            served.put("10.0.0.2", "same", 11)
            # another replica told the client of a change at 20, which this one does not know yet
            await ask(client, Interest(resume="20.0.0", add=["10.0.0.1", "10.0.0.2"]))
            with pytest.raises(TimeoutError):
                await client.receive(timeout=0.5)
            served.put("10.0.0.1", "new", 30)
            await hear(client, told := Told())
            assert (told.name("10.0.0.1"), told.name("10.0.0.2")) == ("Pod/shop/new", "unknown")

    asyncio.run(main())


def test_a_replica_that_stays_behind_tells_what_it_knows(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(tmp_path, Limits(catch_up_s=0.2)) as served, served.client() as client:
            served.put("10.0.0.1", "old", 10)
            await ask(client, Interest(resume="20.0.0", add=["10.0.0.1"]))
            await hear(client, told := Told())
            assert told.name("10.0.0.1") == "Pod/shop/old"

    asyncio.run(main())
