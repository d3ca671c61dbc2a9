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
        self._awaited: list[tuple[Key, str, int]] | None = None

    async def take(self) -> None:
        """List what there is, and drop from the mirror what is gone. Raises ApiError or UnreachableError."""
        present: list[tuple[Key, str, int]] = []
        version = 0
        async for page in self._api.pages(self._resource, accept=METADATA_ONLY):
            for item in page.items:
                metadata = item["metadata"]
                present.append((key_of(item), str(metadata["uid"]), int(metadata["resourceVersion"])))
            version = page.version
        self._mirror.retain({key for key, _, _ in present}, version)
        self._awaited = present

    def complete(self) -> bool:
        """Whether the mirror is at least as new as the last list."""
        if self._awaited is None:
            return False
        self._awaited = [seen for seen in self._awaited if not self._mirror.is_past(*seen)]
        return not self._awaited
