"""The identity feed of this replica: its certificate, the reviews of its callers, and the server, put together."""

import asyncio
from collections.abc import Callable
from typing import Final

from weir_api.feed import AUDIENCE, PATH
from weir_operator.cluster.api import Api
from weir_operator.cluster.reviews import Reviewer
from weir_operator.identity.server import Feed, Knowledge, Limits
from weir_operator.metrics import Metrics
from weir_operator.serving_certificate import ServingCertificate, names_of
from weir_operator.world import World

SERVICE: Final = "weir-identity"


class IdentityFeed:
    """Every replica serves, from its own mirrors, whether it leads or not."""

    def __init__(
        self,
        api: Api,
        world: World,
        metrics: Metrics,
        complete: Callable[[], bool],
        *,
        namespace: str,
        host: str,
        port: int,
    ) -> None:
        self._host = host
        self._port = port
        self._certificate = ServingCertificate(api, namespace, names_of(SERVICE, namespace))
        reviewer = Reviewer(api, AUDIENCE, PATH, metrics.identity_reviewed)
        knowledge = Knowledge(complete, world.identity_version, world.has_seen)
        self._feed = Feed(world.directory, knowledge, reviewer.review, metrics, Limits())
        metrics.identity_clients.set_function(lambda: self._feed.clients)
        metrics.identity_addresses.set_function(lambda: world.directory.addresses)
        metrics.identity_selectors.set_function(lambda: world.directory.selectors)

    def wake(self) -> None:
        """The directory changed."""
        self._feed.wake()

    async def run(self) -> None:
        """Serve until cancelled. Raises OSError when the port is taken."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._certificate.run())
            group.create_task(self._feed.distribute())
            await self._certificate.ready.wait()
            await self._feed.serve(self._host, self._port, self._certificate.tls)
