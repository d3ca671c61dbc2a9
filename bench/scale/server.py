"""Many requests to the API server at a time, and streams of changes: for the benchmark's objects and its probes."""

import asyncio
import base64
import json
import random
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import aiohttp

T = TypeVar("T")
_LINE_BYTES: Final = 8 << 20
Raw = dict[str, Any]
#: For answers to writes: who does not read the object spares the server to send it.
METADATA_ONLY: Final = {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}


class RefusedError(Exception):
    """The API server answered with an error; `status` is the HTTP status code."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text[:300]}")
        self.status = status


class Server:
    """Connections to the API server by an administrator's kubeconfig, or by a token per request."""

    def __init__(self, kubeconfig: Path, connections: int, *, as_administrator: bool = True) -> None:
        """`connections` at most at a time; 0: as many as there are requests. Needs a running event loop."""
        content = json.loads(kubeconfig.read_text())
        cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
        self.url: str = cluster["server"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        tls = ssl.create_default_context(cadata=authority)
        if as_administrator:
            with tempfile.NamedTemporaryFile() as pair:
                pair.write(base64.b64decode(user["client-certificate-data"]))
                pair.write(base64.b64decode(user["client-key-data"]))
                pair.flush()
                tls.load_cert_chain(pair.name)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls, limit=connections),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=60, sock_read=90),
            read_bufsize=_LINE_BYTES,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """One request; the answer's text. Raises RefusedError."""
        payload = None if body is None else json.dumps(body)
        sent = {"Content-Type": content_type, "Accept": "application/json", **(headers or {})}
        async with self._session.request(method, self.url + path, data=payload, headers=sent) as response:
            content = await response.read()
            if response.status >= 400:
                raise RefusedError(response.status, content.decode(errors="replace"))
            return content

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Raw:
        answer: Raw = json.loads(await self.request("GET", path, headers=headers))
        return answer

    async def objects(
        self, path: str, selector: str = "", headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[tuple[str, Raw]]:
        """A list, then its changes for ever, as (type, object): ADDED, MODIFIED, DELETED; over any break.

        When the server no longer has the changes (410) it lists again; what went meanwhile is not told.
        """
        query = f"fieldSelector={selector}&" if selector else ""
        version = ""
        while True:
            try:
                if not version:
                    listed = await self.get(f"{path}?{query}resourceVersion=0", headers)
                    for item in listed["items"]:
                        yield "ADDED", item
                    version = listed["metadata"]["resourceVersion"]
                url = f"{self.url}{path}?{query}watch=1&allowWatchBookmarks=true&resourceVersion={version}"
                async with self._session.get(url, headers=headers) as response:
                    while line := await response.content.readline():
                        event = json.loads(line)
                        if event["type"] == "ERROR":
                            raise RefusedError(event["object"]["code"], event["object"]["message"])
                        version = event["object"]["metadata"]["resourceVersion"]
                        if event["type"] != "BOOKMARK":
                            yield event["type"], event["object"]
            except RefusedError as error:
                version = "" if error.status == 410 else version
                await asyncio.sleep(random.uniform(0.5, 1.5))
            except OSError:
                await asyncio.sleep(random.uniform(0.5, 1.5))


async def each(items: Iterable[T], do: Callable[[T], Awaitable[object]], at_a_time: int = 48) -> None:
    """Do something with every item, some at a time. The first failure ends it."""
    waiting = iter(items)

    async def work() -> None:
        for item in waiting:
            await do(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_a_time):
            group.create_task(work())
