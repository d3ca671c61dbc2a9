"""The objects of one kind as they were last seen, kept as slim records."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Generic, TypeVar

Raw = Mapping[str, Any]
Key = tuple[str, str]
T = TypeVar("T")

_TOMBSTONES: Final = 4096


def key_of(raw: Raw) -> Key:
    """(namespace, name); the namespace is empty for what has none."""
    metadata = raw["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


class Mirror(Generic[T]):
    """Records by key, made by `keep(object, record before)`; where that gives None, none is kept.

    Objects reach it by several ways (a watch, a list, the answer to a write) and in any order. The resourceVersion says
    which is newer: the API server's are integers that rise. `on_change(key, before, after)` is told of every change; in
    `at` it finds the resourceVersion of one that a list or a watch told of.
    """

    def __init__(
        self, keep: Callable[[Raw, T | None], T | None], on_change: Callable[[Key, T | None, T | None], None]
    ) -> None:
        self.objects: dict[Key, T] = {}
        self.at = 0
        #: Where a Reflector feeds it: it has every change up to `complete_to`; the last of these was at `changed_to`.
        self.complete_to = 0
        self.changed_to = 0
        self._versions: dict[Key, tuple[str, int]] = {}
        self._deleted: OrderedDict[str, None] = OrderedDict()
        self._keep = keep
        self._on_change = on_change

    def is_past(self, key: Key, uid: str, version: int) -> bool:
        """Whether it was told of this object at this resourceVersion, or of what came later: its deletion included."""
        known = self._versions.get(key)
        return uid in self._deleted or (known is not None and known[1] >= version)

    def put(self, raw: Raw) -> None:
        """An object as it is, or was."""
        key, uid, version = key_of(raw), str(raw["metadata"]["uid"]), int(raw["metadata"]["resourceVersion"])
        known = self._versions.get(key)
        if uid in self._deleted or (known is not None and known[1] >= version):
            return
        before = self.objects.get(key)
        after = self._keep(raw, before)
        self._versions[key] = uid, version
        self.at = version
        if after is None:
            self.objects.pop(key, None)
        else:
            self.objects[key] = after
        if before is not None or after is not None:
            self._on_change(key, before, after)

    def remove(self, key: Key, uid: str, version: int | None = None) -> None:
        """An object was deleted, at `version` where a watch told it; later news of the same object are old news."""
        if version is not None:
            self.at = version
        self._deleted[uid] = None
        if len(self._deleted) > _TOMBSTONES:
            self._deleted.popitem(last=False)
        known = self._versions.get(key)
        if known is None or known[0] != uid:
            return
        del self._versions[key]
        before = self.objects.pop(key, None)
        if before is not None:
            self._on_change(key, before, None)

    def leave(self, key: Key, version: int) -> None:
        """An object is no longer among those that are watched, from `version` on; it may come back."""
        self._versions.pop(key, None)
        self.at = version
        before = self.objects.pop(key, None)
        if before is not None:
            self._on_change(key, before, None)

    def retain(self, present: Iterable[Key], version: int) -> None:
        """Drop what a complete list at `version` does not have."""
        kept = set(present)
        self.at = version
        for key, (uid, seen) in list(self._versions.items()):
            if key not in kept and seen <= version:
                self.remove(key, uid)

    def reach(self, version: int, changed: int) -> None:
        """It was told of every change up to `version`; the last of these was at `changed`."""
        self.complete_to = version
        self.changed_to = max(self.changed_to, changed)
