"""Who calls, and whether they may: the API server's answers on a bearer token, remembered for a short while."""

import asyncio
import base64
import binascii
import hashlib
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from weir_operator.cluster.api import (
    SUBJECT_ACCESS_REVIEWS,
    TOKEN_REVIEWS,
    Api,
    ApiError,
    Raw,
    Resource,
    UnreachableError,
)

_log = logging.getLogger(__name__)
#: How long an answer holds: rights that are taken away are gone for new connections after this.
_KEEP_S: Final = 60.0
_KEEP_REFUSAL_S: Final = 10.0
_REMEMBERED: Final = 16_384
#: At a time, so that callers who all come at once leave the API server to others.
_CONCURRENT: Final = 8
#: Of a token that does not say when it ends.
_UNKNOWN_LIFE_S: Final = 600.0
#: The API server puts the pod of a bound token here.
_POD: Final = "authentication.kubernetes.io/pod-uid"


@dataclass(frozen=True, slots=True)
class Review:
    """The answer: an HTTP status (200: let in; 401, 403, 503), and why."""

    status: int
    why: str
    #: Whose it is: the user, and the pod that the token is bound to.
    client: str = ""
    #: When the token ends (seconds since 1970).
    expires_at: float = 0.0


@dataclass(frozen=True, slots=True)
class _Kept:
    review: Review
    until: float


class Reviewer:
    """Reviews tokens for one audience and one non-resource URL. `on_review(status)` is told of each question asked."""

    def __init__(self, api: Api, audience: str, path: str, on_review: Callable[[int], None]) -> None:
        self._api = api
        self._audience = audience
        self._path = path
        self._on_review = on_review
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Review]] = {}
        self._slots = asyncio.Semaphore(_CONCURRENT)

    async def review(self, token: str) -> Review:
        """Whether the holder of a token may read the path now."""
        key = hashlib.sha256(token.encode()).digest()
        kept = self._kept.get(key)
        if kept is not None and time.monotonic() < kept.until:
            return self._unless_expired(kept.review)
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = asyncio.create_task(self._ask(token))
            asking.add_done_callback(lambda _: self._asking.pop(key))
        # one caller who leaves must not end the question for the others
        review = await asyncio.shield(asking)
        if review.status != 503:
            self._keep(key, review)
        return review

    def _keep(self, key: bytes, review: Review) -> None:
        self._kept[key] = _Kept(review, time.monotonic() + (_KEEP_S if review.status == 200 else _KEEP_REFUSAL_S))
        self._kept.move_to_end(key)
        if len(self._kept) > _REMEMBERED:
            self._kept.popitem(last=False)

    @staticmethod
    def _unless_expired(review: Review) -> Review:
        if review.status == 200 and review.expires_at <= time.time():
            return replace(review, status=401, why="the token has expired")
        return review

    async def _ask(self, token: str) -> Review:
        async with self._slots:
            try:
                review = await self._authenticate(token)
            except (ApiError, UnreachableError) as error:
                # an ApiError here is about the operator's own rights, or the API server's trouble
                _log.warning("reviewing a token: %s", error)
                review = Review(503, "the API server cannot be asked about the token now")
        self._on_review(review.status)
        return review

    async def _authenticate(self, token: str) -> Review:
        spec = {"token": token, "audiences": [self._audience]}
        status = await self._create(TOKEN_REVIEWS, spec)
        # a server that knows no audiences authenticates for its own, and leaves the list empty
        if not status.get("authenticated") or self._audience not in (status.get("audiences") or ()):
            return Review(401, f"the token is not a valid one for the audience {self._audience}")
        user = status.get("user") or {}
        return await self._authorize(user, _expiry(token))

    async def _authorize(self, user: Raw, expires_at: float) -> Review:
        name = str(user.get("username", ""))
        spec: dict[str, Any] = {"nonResourceAttributes": {"path": self._path, "verb": "get"}, "user": name}
        spec |= {field: user[field] for field in ("uid", "groups", "extra") if user.get(field)}
        status = await self._create(SUBJECT_ACCESS_REVIEWS, spec)
        if not status.get("allowed"):
            return Review(403, f"{name} may not get {self._path}: bind the ClusterRole weir-identity-reader to it")
        pod = ((user.get("extra") or {}).get(_POD) or [""])[0]
        return Review(200, "", f"{name}/{pod}", expires_at)

    async def _create(self, resource: Resource, spec: Raw) -> Raw:
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "spec": spec}
        answer = await self._api.request("POST", resource.path(), body=body)
        status: Raw = answer.get("status") or {}
        return status


def _expiry(token: str) -> float:
    """When a token ends that the API server found good: its claim `exp` (RFC 7519), which no review tells."""
    payload = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        return time.time() + _UNKNOWN_LIFE_S
