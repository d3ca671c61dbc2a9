"""Keeps a mirror of one kind current: a list in pages, then a watch, over any break of the connection.

NodeProbes, Pods, Services, Nodes and Namespaces are followed by this rather than by kopf's handlers: kopf makes a task
and a queue for every object that changes, which is much for every pod of a cluster and for some hundred reports a
second, and does not tell which objects went away while its watch was broken.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any, Final

from weir_operator.cluster.api import Api, ApiError, Resource, UnreachableError
from weir_operator.cluster.mirror import Key, Mirror, key_of

_log = logging.getLogger(__name__)
_BACKOFF_S: Final = (0.5, 1, 2, 5)
#: The server ends a watch after a time in this range: before a silent one would be taken for dead. A kind that does not
#: change need not send bookmarks (they need etcd's progress notifications, which come every ten minutes by default).
_STREAM_S: Final = (50, 65)


class Reflector:
    """One kind's list and watch.

    `synced`: it was complete once. `live`: it is current now; `on_live(False)` tells that it no longer is.
    """

    def __init__(
        self,
        api: Api,
        resource: Resource,
        mirror: Mirror[Any],
        on_live: Callable[[bool], None],
        *,
        field_selector: str = "",
    ) -> None:
        self.resource = resource
        self.synced = False
        self.live = False
        self._api = api
        self._mirror = mirror
        self._on_live = on_live
        self._selector = field_selector
        self._version: str | None = None

    async def run(self) -> None:
        """Run until cancelled."""
        failures = 0
        while True:
            try:
                if self._version is None:
                    self._version = await self._list()
                await self._watch(self._version)
                failures = 0
                continue
            except ApiError as error:
                if error.status == 410:  # Gone: the server no longer has the changes since our version
                    _log.info("watch of %s: %s; listing again", self.resource.plural, error)
                    self._version = None
                    failures = 0
                else:
                    _log.warning("watch of %s: %s", self.resource.plural, error)
            except UnreachableError as error:
                _log.warning("%s", error)
            self._set_live(False)
            await asyncio.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)] * random.uniform(0.8, 1.2))
            failures += 1

    def _set_live(self, live: bool) -> None:
        if live is not self.live:
            self.live = live
            self._on_live(live)

    async def _list(self) -> str:
        present: list[Key] = []
        version = changed = 0
        async for page in self._api.pages(self.resource, field_selector=self._selector):
            for item in page.items:
                present.append(key_of(item))
                self._mirror.put(item)
                changed = max(changed, int(item["metadata"]["resourceVersion"]))
            version = page.version
        self._mirror.retain(present, version)
        self._mirror.reach(version, changed)
        self.synced = True
        return str(version)

    async def _watch(self, version: str) -> None:
        """Follow the changes after `version` until the server ends the stream."""
        seconds = random.randint(*_STREAM_S)
        async with self._api.watch(self.resource, version, field_selector=self._selector, timeout_s=seconds) as changes:
            self._set_live(True)
            async for type_, item in changes:
                reached = int(item["metadata"]["resourceVersion"])
                if type_ == "DELETED" and self._selector:
                    # with a field selector, this also tells of an object that ceased to match it
                    self._mirror.leave(key_of(item), reached)
                elif type_ == "DELETED":
                    self._mirror.remove(key_of(item), str(item["metadata"]["uid"]), reached)
                elif type_ != "BOOKMARK":
                    self._mirror.put(item)
                self._mirror.reach(reached, 0 if type_ == "BOOKMARK" else reached)
                self._version = str(reached)
