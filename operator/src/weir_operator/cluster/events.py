"""Posts Events (events.k8s.io/v1). What repeats within ten minutes is counted in the Event that is there."""

import asyncio
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from weir_operator.cluster.api import EVENTS, Api, ApiError, Resource, UnreachableError

_log = logging.getLogger(__name__)
CONTROLLER: Final = "weir.dev/operator"
SERIES_S: Final = 600.0
_REMEMBERED: Final = 4096
_QUEUED: Final = 512
_ATTEMPTS: Final = 5
_RETRY_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Regarding:
    """The object that an Event is about; for what has no namespace, Events are in `default`."""

    resource: Resource
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Happening:
    """What an Event says. `type` is Normal or Warning."""

    regarding: Regarding
    type: str
    reason: str
    action: str
    note: str


@dataclass(slots=True)
class _Series:
    name: str
    count: int
    last_at: float


class EventRecorder:
    """Takes what happened without waiting and posts it in the background.

    Bounded: what does not fit the queue, or cannot be posted after some attempts, is counted by `on_lost(reason)`.
    """

    def __init__(self, api: Api, instance: str, on_lost: Callable[[str], None]) -> None:
        self._api = api
        self._instance = instance[:128]
        self._on_lost = on_lost
        self._queue: asyncio.Queue[Happening] = asyncio.Queue(_QUEUED)
        self._series: OrderedDict[tuple[str, str, str], _Series] = OrderedDict()

    def record(self, happening: Happening) -> None:
        """Something happened."""
        try:
            self._queue.put_nowait(happening)
        except asyncio.QueueFull:
            self._on_lost("queue_full")

    async def run(self) -> None:
        """Post until cancelled."""
        while True:
            await self._deliver(await self._queue.get())

    async def _deliver(self, happening: Happening) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                await self._post(happening)
                return
            except ApiError as error:
                # the namespace is being deleted, or we may not: no use to ask again
                if error.status < 500 and error.status != 429:
                    _log.warning("event %s: %s", happening.reason, error)
                    self._on_lost("refused")
                    return
            except UnreachableError as error:
                _log.debug("event %s: %s", happening.reason, error)
            await asyncio.sleep(_RETRY_S * (attempt + 1))
        self._on_lost("unreachable")

    async def _post(self, happening: Happening) -> None:
        about = happening.regarding
        key = (about.uid, happening.reason, happening.type)
        known = self._series.get(key)
        if known is not None and time.monotonic() - known.last_at < SERIES_S and await self._count(about, known):
            self._series.move_to_end(key)
            return
        name = f"{about.name[:200]}.{secrets.token_hex(8)}"
        namespace = about.namespace or "default"
        await self._api.request("POST", EVENTS.path(namespace), body=self._body(happening, namespace, name))
        self._series[key] = _Series(name, 1, time.monotonic())
        self._series.move_to_end(key)
        if len(self._series) > _REMEMBERED:
            self._series.popitem(last=False)

    async def _count(self, about: Regarding, series: _Series) -> bool:
        """Add one to a series; False where its Event has expired."""
        path = EVENTS.path(about.namespace or "default", series.name)
        body = {"series": {"count": series.count + 1, "lastObservedTime": _micro_time()}}
        try:
            await self._api.request("PATCH", path, body=body, content_type="application/merge-patch+json")
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        series.count += 1
        series.last_at = time.monotonic()
        return True

    def _body(self, happening: Happening, namespace: str, name: str) -> dict[str, Any]:
        about = happening.regarding
        return {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"name": name, "namespace": namespace},
            "eventTime": _micro_time(),
            "reportingController": CONTROLLER,
            "reportingInstance": self._instance,
            "type": happening.type,
            "reason": happening.reason[:128],
            "action": happening.action[:128],
            "note": happening.note[:1024],
            "regarding": {
                "apiVersion": about.resource.api_version,
                "kind": about.resource.kind,
                "name": about.name,
                "uid": about.uid,
                **({"namespace": about.namespace} if about.namespace else {}),
            },
        }


def _micro_time() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
