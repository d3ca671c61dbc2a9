"""The operator's process: settings from flags and environment, wiring, leadership, pages over HTTP, an orderly end."""

import argparse
import asyncio
import logging
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pydantic import TypeAdapter, ValidationError

from weir_api.base import Duration, seconds
from weir_operator.cluster.api import (
    FLOW_OBSERVATIONS,
    L7_PROTOCOLS,
    NAMESPACES,
    NODE_PROBES,
    NODES,
    PODS,
    SERVICES,
    Access,
    Api,
    namespace_of_this_pod,
)
from weir_operator.cluster.census import Census
from weir_operator.cluster.events import EventRecorder
from weir_operator.cluster.lease import Leadership
from weir_operator.cluster.mirror import Mirror, key_of
from weir_operator.cluster.watch import Reflector
from weir_operator.controller import Controller, Timing
from weir_operator.handlers import CustomResourceWatch
from weir_operator.identity_feed import IdentityFeed
from weir_operator.metrics import Metrics
from weir_operator.serving import application, serve
from weir_operator.sight import Sight
from weir_operator.world import World

_log = logging.getLogger("weir_operator")
#: A loop that has not passed for so long hangs.
STUCK_AFTER_S: Final = 180.0
#: Pods that no node has, or that have finished, are not even sent.
_BOUND_AND_UNFINISHED: Final = "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"
_KOPF_STOP_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator is started with."""

    namespace: str
    kubeconfig: str | None
    host: str
    port: int
    #: (host, port) of the identity feed
    identity: tuple[str, int]
    timing: Timing
    resync_s: float
    log_level: str


def _duration(text: str) -> float:
    try:
        return seconds(TypeAdapter(Duration).validate_python(text))
    except ValidationError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 500ms, 30s, 1m30s") from None


def _listen(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT or :PORT")
    return host.strip("[]"), int(port)


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Settings from flags, and from the environment where a flag is not given. Exits with a message on bad ones."""
    parser = argparse.ArgumentParser("weir-operator", description="Weir's operator.", allow_abbrev=False)
    parser.add_argument(
        "--namespace",
        default=environment.get("POD_NAMESPACE") or namespace_of_this_pod(),
        help="its own namespace: holds the Lease, and may use namespaceSelector (POD_NAMESPACE)",
    )
    parser.add_argument(
        "--kubeconfig",
        default=environment.get("KUBECONFIG"),
        help="access to the cluster when not run inside it (KUBECONFIG)",
    )
    parser.add_argument(
        "--listen", type=_listen, default=":8080", help="address of /metrics, /healthz and /readyz (default :8080)"
    )
    parser.add_argument(
        "--identity-listen", type=_listen, default=":8443", help="address of the identity feed (default :8443)"
    )
    parser.add_argument(
        "--status-interval",
        type=_duration,
        default="15s",
        help="how often numbers in a status are written (default 15s)",
    )
    parser.add_argument(
        "--probe-timeout", type=_duration, default="60s", help="after which a probe counts as silent (default 60s)"
    )
    parser.add_argument("--resync-interval", type=_duration, default="60s", help="full resync (default 60s)")
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="info")
    given = parser.parse_args(arguments)
    if not given.namespace:
        parser.error("--namespace is needed outside a cluster (or POD_NAMESPACE)")
    for flag in ("status_interval", "probe_timeout", "resync_interval"):
        if getattr(given, flag) < 0.1:
            parser.error(f"--{flag.replace('_', '-')}: must be at least 100ms")
    return Settings(
        namespace=given.namespace,
        kubeconfig=given.kubeconfig,
        host=given.listen[0],
        port=given.listen[1],
        identity=given.identity_listen,
        timing=Timing(given.status_interval, given.probe_timeout),
        resync_s=given.resync_interval,
        log_level=given.log_level,
    )


class Part(Protocol):
    """Runs until it is cancelled."""

    async def run(self) -> None: ...


class Operator:
    """All parts, put together; `run` ends when it is told to stop, or raises when a part failed."""

    def __init__(self, settings: Settings, api: Api, metrics: Metrics, identity: str) -> None:
        self._settings = settings
        self._api = api
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        world = self._world = World(self._wake, self._identities_changed)
        pods = Reflector(api, PODS, world.pods, self._live_changed, field_selector=_BOUND_AND_UNFINISHED)
        nodes = Reflector(api, NODES, world.nodes, self._live_changed)
        namespaces = Reflector(api, NAMESPACES, world.namespaces, self._live_changed)
        self._reflectors = [pods, nodes, namespaces, Reflector(api, NODE_PROBES, world.probes, self._live_changed)]
        # plans and statuses do not depend on Services
        self._services = Reflector(api, SERVICES, world.services, lambda _live: None)
        self._identity_feed = IdentityFeed(
            api,
            world,
            metrics,
            lambda: all(reflector.synced for reflector in (pods, nodes, self._services)),
            namespace=settings.namespace,
            host=settings.identity[0],
            port=settings.identity[1],
        )
        self._fed: dict[str, Mirror[Any]] = {
            FLOW_OBSERVATIONS.plural: world.observations,
            L7_PROTOCOLS.plural: world.protocols,
        }
        censuses = [Census(api, resource, self._fed[resource.plural]) for resource in (FLOW_OBSERVATIONS, L7_PROTOCOLS)]
        self._sight = Sight(self._reflectors, censuses, resync_s=settings.resync_s, on_clear=self._sees_again)
        self._leadership = Leadership(api, settings.namespace, identity, self._leading_changed)
        self._recorder = EventRecorder(api, identity, metrics.lose_event)
        self._controller = Controller(
            api,
            world,
            sight=self._sight,
            leadership=self._leadership,
            recorder=self._recorder,
            metrics=metrics,
            namespace=settings.namespace,
            timing=settings.timing,
        )
        self._kopf = CustomResourceWatch(self._feed, self._credentials)

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then give the Lease back."""
        pages = application(self._metrics, self._unhealthy, self._unready)
        runner = await serve(pages, self._settings.host, self._settings.port)
        try:
            async with asyncio.TaskGroup() as group:
                parts: list[Part] = [self._sight, self._leadership, self._recorder, self._controller]
                parts += [*self._reflectors, self._services, self._identity_feed]
                tasks = [group.create_task(part.run()) for part in parts]
                tasks.append(group.create_task(self._follow_custom_resources()))
                await stop.wait()
                for task in tasks:
                    task.cancel()
        finally:
            await self._leadership.release()
            await runner.cleanup()
            self._kopf.stop(_KOPF_STOP_S)

    async def _follow_custom_resources(self) -> None:
        await self._sight.served.wait()
        self._kopf.start()

    # --- what parts tell each other -----------------------------------------------------------------------------------

    def _wake(self, *, urgent: bool) -> None:
        self._controller.wake(urgent=urgent)

    def _identities_changed(self) -> None:
        self._identity_feed.wake()

    def _live_changed(self, live: bool) -> None:
        self._sight.live_changed(live)

    def _sees_again(self) -> None:
        self._world.excuse_silence()
        self._controller.wake(urgent=True)

    def _leading_changed(self, leading: bool) -> None:
        self._metrics.leader.set(leading)
        self._controller.wake(urgent=True)

    def _feed(self, plural: str, happened: str | None, raw: Mapping[str, Any]) -> None:
        self._loop.call_soon_threadsafe(self._take, plural, happened, raw)

    def _take(self, plural: str, happened: str | None, raw: Mapping[str, Any]) -> None:
        if happened == "DELETED":
            self._fed[plural].remove(key_of(raw), str(raw["metadata"]["uid"]))
        else:
            self._fed[plural].put(raw)

    async def _credentials(self) -> Access:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._api.access(), self._loop))

    def _unhealthy(self) -> str:
        age = time.monotonic() - self._controller.passed_at
        return f"the last pass was {age:.0f} s ago" if age > STUCK_AFTER_S else ""

    def _unready(self) -> str:
        return "" if self._sight.clear else "the watches are not current"


async def run(settings: Settings) -> None:
    """Run an operator until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    metrics = Metrics()
    api = await Api.connect(settings.kubeconfig, metrics.count_request)
    identity = f"{os.environ.get('POD_NAME') or socket.gethostname()}_{secrets.token_hex(4)}"
    try:
        await Operator(settings, api, metrics, identity).run(stop)
    finally:
        await api.close()


def main() -> None:
    """The command `weir-operator`."""
    settings = parse(sys.argv[1:], os.environ)
    logging.basicConfig(
        level=settings.log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # kopf tells of every handler and every request that it repeats
    logging.getLogger("kopf").setLevel(max(logging.WARNING, logging.getLogger().level))
    try:
        asyncio.run(run(settings))
    except (ValueError, OSError) as error:
        sys.exit(f"weir-operator: {error}")
