"""The identity feed's cost: a cluster of pods, clients that each talk to some of them; memory and bytes on the wire.

`.venv/bin/python bench/identity_feed.py [PODS] [CLIENTS] [ADDRESSES]` (20,000, 50 and 500). No API server: objects go
into the operator's world as its watches put them there; clients are real WebSockets over TLS, in another process.
"""

import asyncio
import multiprocessing
import resource
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp

from weir_api.feed import PATH, Interest, News
from weir_operator.cluster.reviews import Review
from weir_operator.identity.certificates import current
from weir_operator.identity.server import Feed, Knowledge, Limits
from weir_operator.metrics import Metrics
from weir_operator.world import World

HOST = "weir-identity.bench"
CHURN = 500


def rss_kib() -> int:
    """Resident memory of this process now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024


def address(pod: int) -> str:
    """10.0.0.0/8 in order."""
    return f"10.{pod >> 16}.{pod >> 8 & 255}.{pod & 255}"


def raw_pod(number: int, version: int) -> dict[str, Any]:
    """A pod as the API server gives it, in what the operator reads: ten to a Deployment, 30 to a node."""
    deployment = f"deployment-{number // 10}"
    owner = {"kind": "ReplicaSet", "name": f"{deployment}-5d4f8c7b9", "controller": True}
    return {
        "metadata": {
            "namespace": f"namespace-{number // 200}",
            "name": f"{deployment}-5d4f8c7b9-{number:05}",
            "uid": f"00000000-0000-4000-8000-{number:012}",
            "resourceVersion": str(version),
            "labels": {
                "app.kubernetes.io/name": deployment,
                "app.kubernetes.io/part-of": "bench",
                "app.kubernetes.io/version": "1.2.3",
                "pod-template-hash": "5d4f8c7b9",
            },
            "ownerReferences": [owner],
        },
        "spec": {"nodeName": f"node-{number // 30}"},
        "status": {"phase": "Running", "podIPs": [{"ip": address(number)}], "startTime": "2030-01-01T00:00:00Z"},
    }


async def client(port: int, trust: ssl.SSLContext, number: int, wanted: list[str], told: dict[str, Any]) -> None:
    """One client that asks once and listens."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(
            f"https://127.0.0.1:{port}{PATH}",
            headers={"Authorization": f"Bearer {number}"},
            ssl=trust,
            server_hostname=HOST,
            max_msg_size=0,
        ) as socket,
    ):
        await socket.send_str(Interest(add=wanted).model_dump_json(by_alias=True, exclude_none=True))
        async for message in socket:
            news = News.model_validate_json(message.data)
            told["bytes"] += len(message.data)
            told["answers"] += sum(len(each.addresses) for each in news.identities) + len(news.nobody)


def clients(port: int, bundle: str, wanted: list[list[str]], parent: Connection) -> None:
    """Process of all clients: says how much they were told when asked."""

    async def main() -> None:
        trust = ssl.create_default_context(cadata=bundle)
        told: dict[str, Any] = {"bytes": 0, "answers": 0}
        tasks = [
            asyncio.create_task(client(port, trust, number, addresses, told)) for number, addresses in enumerate(wanted)
        ]
        while await asyncio.to_thread(parent.recv):
            parent.send(dict(told))
        for task in tasks:
            task.cancel()

    asyncio.run(main())


async def until_told(child: Connection, answers: int) -> dict[str, Any]:
    """Until the clients were told so many answers."""
    while True:
        child.send(True)
        told: dict[str, Any] = await asyncio.to_thread(child.recv)
        if told["answers"] >= answers:
            return told
        await asyncio.sleep(0.05)


def lines(pods: int, count: int, each: int) -> Iterator[str]:
    """Run; one line per figure."""
    before = rss_kib()
    feeds: list[Feed] = []

    def wake() -> None:
        for feed in feeds:
            feed.wake()

    world = World(_no_wake, wake)
    for number in range(pods):
        world.pods.put(raw_pod(number, number + 1))
    world.pods.reach(pods, pods)
    world.directory.distribute(world.identity_version())
    yield f"{pods} pods: {(rss_kib() - before) * 1024 // pods} bytes each, {(rss_kib() - before) // 1024} MiB"
    yield from asyncio.run(_serve(world, feeds, pods, count, each))


async def _serve(world: World, feeds: list[Feed], pods: int, count: int, each: int) -> list[str]:
    async def review(token: str) -> Review:
        return Review(200, "", token, time.time() + 3600)

    found = []
    metrics = Metrics()
    material = current(None, [HOST], datetime.now(UTC))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(material.chain)
        file.flush()
        tls.load_cert_chain(file.name)
    feed = Feed(
        world.directory, Knowledge(lambda: True, world.identity_version, world.has_seen), review, metrics, Limits()
    )
    feeds.append(feed)
    port = 18443
    tasks = [asyncio.create_task(feed.serve("127.0.0.1", port, tls)), asyncio.create_task(feed.distribute())]
    await asyncio.sleep(0.2)
    asked = [[(number * 37 + n * 7) % pods for n in range(each)] for number in range(count)]
    before, cpu = rss_kib(), time.process_time()
    parent, child = multiprocessing.Pipe()
    spawned = multiprocessing.get_context("spawn").Process(
        target=clients,
        args=(port, material.bundle, [[address(pod) for pod in one] for one in asked], child),
        daemon=True,
    )
    spawned.start()
    told = await until_told(parent, count * each)
    seconds = time.process_time() - cpu
    found.append(
        f"{count} clients of {each} addresses: {told['bytes'] // count} bytes to each, "
        f"{(rss_kib() - before) // count} KiB of memory each, {seconds / count * 1000:.1f} ms of CPU each"
    )
    # every one of the first pods gets a successor with its address
    before_bytes, cpu = told["bytes"], time.process_time()
    watched = [pod for pods_of_one in asked for pod in pods_of_one if pod < CHURN]
    for number in range(CHURN):
        version = pods + 2 * number + 1
        raw = raw_pod(number, version)
        world.pods.leave((raw["metadata"]["namespace"], raw["metadata"]["name"]), version)
        raw["metadata"] |= {"name": f"successor-{number}", "uid": f"s{number}", "resourceVersion": str(version + 1)}
        world.pods.put(raw)
        world.pods.reach(version + 1, version + 1)
    told = await until_told(parent, told["answers"] + len(watched))
    found.append(
        f"{CHURN} pods replaced, of {len(watched)} interests: {told['bytes'] - before_bytes} bytes, "
        f"{(time.process_time() - cpu) * 1000:.0f} ms of CPU"
    )
    parent.send(False)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    spawned.join(10)
    return found


def _no_wake(*, urgent: bool) -> None:
    del urgent


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:4]]
    for line in lines(*(given + [20_000, 50, 500][len(given) :])):
        print(line, flush=True)
