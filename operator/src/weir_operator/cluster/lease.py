"""Leadership by a Lease (coordination.k8s.io): of several operators, one writes.

Holders are compared by whether their Lease changes within its duration by our own clock, so clocks need not agree.
A leader that cannot renew steps back well before another may take over, and becomes a candidate again.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from weir_operator.cluster.api import LEASES, Api, ApiError, Raw, UnreachableError

_log = logging.getLogger(__name__)
LEASE_NAME: Final = "weir-operator"
DURATION_S: Final = 15
RENEW_DEADLINE_S: Final = 10.0
RETRY_S: Final = 2.0


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Leadership:
    """Holds or seeks the Lease; `on_change(leading)` tells when that changes."""

    def __init__(self, api: Api, namespace: str, identity: str, on_change: Callable[[bool], None]) -> None:
        self._api = api
        self._namespace = namespace
        self._identity = identity
        self._on_change = on_change
        self._renewed_at: float | None = None
        self._leading = False
        self._rival: tuple[str, str] = ("", "")
        self._rival_seen_at = 0.0

    def held(self) -> bool:
        """Whether this process may write now."""
        return self._renewed_at is not None and time.monotonic() - self._renewed_at < RENEW_DEADLINE_S

    async def run(self) -> None:
        """Seek and renew until cancelled."""
        while True:
            try:
                await self._try()
            except (ApiError, UnreachableError) as error:
                _log.warning("lease %s: %s", LEASE_NAME, error)
            self._tell()
            await asyncio.sleep(RETRY_S)

    async def release(self) -> None:
        """Let another take over at once. Does nothing where the Lease is not ours."""
        if self._renewed_at is None:
            return
        self._renewed_at = None
        self._tell()
        try:
            lease = await self._api.request("GET", LEASES.path(self._namespace, LEASE_NAME), timeout_s=1)
            if lease["spec"].get("holderIdentity") == self._identity:
                await self._put(lease, {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}, timeout_s=1)
        except (ApiError, UnreachableError) as error:
            _log.warning("lease %s was not released and will run out: %s", LEASE_NAME, error)

    def _tell(self) -> None:
        leading = self.held()
        if leading is not self._leading:
            self._leading = leading
            _log.info("leading" if leading else "no longer leading")
            self._on_change(leading)

    async def _try(self) -> None:
        started = time.monotonic()
        try:
            lease = await self._api.request("GET", LEASES.path(self._namespace, LEASE_NAME))
        except ApiError as error:
            if error.status != 404:
                raise
            await self._create()
            self._renewed_at = started
            return
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder == self._identity:
            await self._put(lease, {**spec, "renewTime": _now(), "leaseDurationSeconds": DURATION_S})
        elif not holder or self._has_run_out(spec):
            await self._put(
                lease,
                {
                    "holderIdentity": self._identity,
                    "leaseDurationSeconds": DURATION_S,
                    "acquireTime": _now(),
                    "renewTime": _now(),
                    "leaseTransitions": int(spec.get("leaseTransitions") or 0) + 1,
                },
            )
        else:
            self._renewed_at = None
            return
        # counted from before the request: the server may have written it then
        self._renewed_at = started

    def _has_run_out(self, spec: Raw) -> bool:
        """Whether the holder has not renewed for the duration it gave, as long as we have watched."""
        seen = (str(spec.get("holderIdentity")), str(spec.get("renewTime")))
        if seen != self._rival:
            self._rival, self._rival_seen_at = seen, time.monotonic()
        return time.monotonic() - self._rival_seen_at > int(spec.get("leaseDurationSeconds") or DURATION_S)

    async def _create(self) -> None:
        spec: dict[str, Any] = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": DURATION_S,
            "acquireTime": _now(),
            "renewTime": _now(),
            "leaseTransitions": 0,
        }
        body = {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {"name": LEASE_NAME, "namespace": self._namespace},
            "spec": spec,
        }
        await self._api.request("POST", LEASES.path(self._namespace), body=body)

    async def _put(self, lease: Raw, spec: Raw, timeout_s: float = 5) -> None:
        """Write the Lease unless somebody else did since it was read: its resourceVersion goes along."""
        body = {**lease, "spec": spec}
        await self._api.request("PUT", LEASES.path(self._namespace, LEASE_NAME), body=body, timeout_s=timeout_s)
