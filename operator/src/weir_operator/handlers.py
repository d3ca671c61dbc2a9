"""kopf's side: it follows what users write, FlowObservations and L7Protocols, and each handler hands the object on.

Only `on.event` handlers: kopf adds no annotation and no finalizer for them, and keeps no state in the objects. It runs
in a thread with an event loop of its own, because it cancels every task of its loop when it ends, and because it ends
on some answers of an API server that is coming back; then it is started again.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import kopf

from weir_api import GROUP, VERSION
from weir_operator.cluster.api import Access

_log = logging.getLogger(__name__)
_PAGE: Final = 500
_RESTART_S: Final = 1.0

#: Takes (plural, what happened or None for listed, object); called from kopf's thread.
Feed = Callable[[str, str | None, Mapping[str, Any]], None]
#: Gives the server and the credentials as they are now; awaited in kopf's thread.
Credentials = Callable[[], Awaitable[Access]]


def register(feed: Feed, credentials: Credentials) -> kopf.OperatorRegistry:
    """The handlers, in a registry of their own."""
    registry = kopf.OperatorRegistry()

    @kopf.on.event(GROUP, VERSION, "flowobservations", registry=registry)
    async def flow_observation(event: Mapping[str, Any], **_: Any) -> None:
        feed("flowobservations", event["type"], event["object"])

    @kopf.on.event(GROUP, VERSION, "l7protocols", registry=registry)
    async def l7_protocol(event: Mapping[str, Any], **_: Any) -> None:
        feed("l7protocols", event["type"], event["object"])

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        access = await credentials()
        return kopf.ConnectionInfo(
            server=access.server,
            ca_path=access.ca_file,
            ca_data=access.ca_data,
            certificate_path=access.cert_file,
            private_key_path=access.key_file,
            scheme="Bearer" if access.token else None,
            token=access.token,
            insecure=access.insecure,
        )

    return registry


def settings() -> kopf.OperatorSettings:
    """kopf's settings: no peering (a Lease decides who writes), no scanning, no Events, lists in pages."""
    chosen = kopf.OperatorSettings()
    chosen.peering.standalone = True
    chosen.scanning.disabled = True
    chosen.posting.enabled = False
    chosen.watching.chunk_size = _PAGE
    chosen.watching.server_timeout = 270
    chosen.watching.reconnect_backoff = 0.5
    chosen.networking.connect_timeout = 5
    chosen.networking.request_timeout = 60
    chosen.networking.error_backoffs = (1, 2, 4)
    # never by SIGKILL from within: the process ends by itself
    chosen.process.ultimate_exiting_timeout = None
    return chosen


class CustomResourceWatch:
    """Runs kopf in a thread until stopped."""

    def __init__(self, feed: Feed, credentials: Credentials) -> None:
        self._feed = feed
        self._credentials = credentials
        self._stop = threading.Event()
        # a daemon: the process does not wait for it beyond `stop`
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)

    def start(self) -> None:
        """Start following."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Stop, and wait for at most so long."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                asyncio.run(self._follow())
            except Exception as error:  # whatever ended kopf: the watch must go on
                _log.warning("kopf ended and is started again: %r", error)
            self._stop.wait(_RESTART_S)

    async def _follow(self) -> None:
        await kopf.operator(
            registry=register(self._feed, self._credentials),
            settings=settings(),
            clusterwide=True,
            stop_flag=self._stop,
        )
