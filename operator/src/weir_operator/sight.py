"""Whether what the operator knows of the cluster is current.

While it is not (before every watch has synced, and while the API server is away) nothing is decided: a pod that was not
listed yet is not a pod that is gone, and a probe that could not be heard is not silent.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from weir_operator.cluster.api import ApiError, UnreachableError
from weir_operator.cluster.census import Census
from weir_operator.cluster.watch import Reflector

_log = logging.getLogger(__name__)
_RETRY_S = 1.0
_COMPLETE_WITHIN_S = 10.0
_POLL_S = 0.05


class Sight:
    """`clear` when every watch is live and every kind that kopf follows was counted and found complete."""

    def __init__(
        self,
        reflectors: Sequence[Reflector],
        censuses: Sequence[Census],
        *,
        resync_s: float,
        on_clear: Callable[[], None],
    ) -> None:
        self.clear = False
        #: Set once the kinds that kopf follows are known to the API server, so that kopf finds them.
        self.served = asyncio.Event()
        self._reflectors = reflectors
        self._censuses = censuses
        self._resync_s = resync_s
        self._on_clear = on_clear
        self._lost = asyncio.Event()
        self._said = ""

    def lose(self, why: str) -> None:
        """The API server could not be reached."""
        if self.clear:
            _log.warning("waiting for the API server: %s", why)
        self.clear = False
        self._lost.set()

    def live_changed(self, live: bool) -> None:
        """A reflector's watch began or broke."""
        if not live:
            self.lose("a watch broke")

    async def run(self) -> None:
        """Count again and again, at once after sight was lost, until cancelled."""
        while True:
            self._lost.clear()
            if await self._look():
                if not self.clear:
                    _log.info("every watch is current")
                    self._said = ""
                    self.clear = True
                    self._on_clear()
                await self._until_lost(self._resync_s)
            else:
                await asyncio.sleep(_RETRY_S)

    async def _look(self) -> bool:
        try:
            for census in self._censuses:
                await census.take()
        except (ApiError, UnreachableError) as error:
            if str(error) != self._said:
                self._said = str(error)
                _log.warning("counting: %s", error)
            self.lose(str(error))
            return False
        self.served.set()
        for _ in range(int(_COMPLETE_WITHIN_S / _POLL_S)):
            if self._complete():
                return True
            await asyncio.sleep(_POLL_S)
        self.lose("some objects were not told of")
        return False

    def _complete(self) -> bool:
        live = all(reflector.live and reflector.synced for reflector in self._reflectors)
        return live and all(census.complete() for census in self._censuses)

    async def _until_lost(self, timeout_s: float) -> None:
        try:
            await asyncio.wait_for(self._lost.wait(), timeout_s)
        except TimeoutError:
            return
