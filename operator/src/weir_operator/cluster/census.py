"""Compares a mirror that kopf's handlers feed with a list of what there is.

kopf tells neither when its first list is through, nor which objects were deleted while its watch was broken. A list of
the objects' metadata alone, which is small, tells both.
"""

from typing import Any

from weir_operator.cluster.api import METADATA_ONLY, Api, Resource
from weir_operator.cluster.mirror import Key, Mirror, key_of


class Census:
    """One kind's list, and what the mirror has yet to be told of it."""

    def __init__(self, api: Api, resource: Resource, mirror: Mirror[Any]) -> None:
        self._api = api
        self._resource = resource
        self._mirror = mirror
        self._awaited: dict[Key, int] | None = None

    async def take(self) -> None:
        """List what there is, and drop from the mirror what is gone. Raises ApiError or UnreachableError."""
        present: dict[Key, int] = {}
        version = 0
        async for page in self._api.pages(self._resource, accept=METADATA_ONLY):
            present.update({key_of(item): int(item["metadata"]["resourceVersion"]) for item in page.items})
            version = page.version
        self._mirror.retain(present, version)
        self._awaited = present

    def complete(self) -> bool:
        """Whether the mirror is at least as new as the last list.

        An object that is deleted before the mirror is told of it keeps this False until the next list.
        """
        if self._awaited is None:
            return False
        self._awaited = {
            key: version
            for key, version in self._awaited.items()
            if (self._mirror.version(key) or ("", -1))[1] < version
        }
        return not self._awaited
