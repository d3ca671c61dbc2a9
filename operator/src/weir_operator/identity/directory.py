"""The cluster on one side, clients on the other: who wants to hear of which change.

Nothing here does I/O. Changes are collected; `distribute` hands those of a moment to the clients that asked for them,
so that each client's News has all of them, and a version that says so.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from weir_api.feed import PeerSelector
from weir_api.selector import Workload
from weir_operator.identity.index import Claim, Index, Rank
from weir_operator.identity.peers import Group, Key, Peers
from weir_operator.identity.version import Version

#: Of one Identity; a Service or Node with more is told in several.
_ADDRESSES: Final = 64
_TEXTS: Final = 65_536
MAX_GROUPS: Final = 4096


class Listener(Protocol):
    """A client."""

    def address_changed(self, address: str) -> None:
        """The answer to an address that it watches is another now."""

    def peers_changed(self, group: Group, change: str) -> None:
        """A group that it watches changed; `change` is the rest of a PeerChange in JSON, after its id."""


class Directory:
    """Who has which address, who belongs to which peers, and who wants to know. `on_change`: call `distribute` soon."""

    def __init__(self, pods_in: Callable[[str], Iterable[Workload]], on_change: Callable[[], None]) -> None:
        #: What was distributed is complete up to here.
        self.version = Version()
        self._on_change = on_change
        self._index = Index(self._moved)
        self._peers = Peers(self._index, pods_in)
        self._watchers: dict[str, list[Listener]] = {}
        self._users: dict[Group, list[Listener]] = {}
        self._changed: set[str] = set()
        self._texts: dict[Claim, tuple[str, ...]] = {}

    # --- the cluster's side -------------------------------------------------------------------------------------------

    def put(self, claim: Claim) -> None:
        """A pod, Service or node claims exactly these addresses."""
        self._index.put(claim)

    def drop(self, rank: Rank, key: Key, version: int) -> None:
        """It is gone, at this resourceVersion of its kind."""
        self._index.drop((rank, *key), version)

    def pod_labels(self, key: Key, pod: Workload | None) -> None:
        """What selectors are asked about a pod; None: it is gone."""
        self._peers.pod_changed(key, pod)
        self._on_change()

    def service_selector(self, key: Key, selector: Mapping[str, str]) -> None:
        """The pods that a Service stands in front of; empty: none, or it is gone."""
        self._peers.service_changed(key, selector)
        self._on_change()

    def _moved(self, address: str, before: Claim | None, after: Claim | None) -> None:
        for claim in (before, after):
            if claim is not None:
                self._texts.pop(claim, None)
        self._peers.moved(address, before, after)
        if address in self._watchers:
            self._changed.add(address)
        self._on_change()

    def distribute(self, version: Version) -> None:
        """Tell clients of every change up to `version`."""
        changed, self._changed = self._changed, set()
        for address in changed:
            for listener in self._watchers.get(address, ()):
                listener.address_changed(address)
        for group, listeners in self._users.items():
            if group.added or group.removed:
                added, removed = group.settle()
                change = f'"add":{json_text(added)},"remove":{json_text(removed)}}}'
                for listener in dict.fromkeys(listeners):  # one may use a group under several names
                    listener.peers_changed(group, change)
        self.version = version

    # --- the clients' side --------------------------------------------------------------------------------------------

    @property
    def addresses(self) -> int:
        """Addresses that some client wants to know."""
        return len(self._watchers)

    @property
    def selectors(self) -> int:
        """Different selectors of peers that some client wants to know."""
        return len(self._peers)

    def watch(self, address: str, listener: Listener) -> None:
        """Tell of changes of an address."""
        self._watchers.setdefault(address, []).append(listener)

    def unwatch(self, address: str, listener: Listener) -> None:
        """No longer."""
        listeners = self._watchers[address]
        listeners.remove(listener)
        if not listeners:
            del self._watchers[address]

    def join(self, selector: PeerSelector, listener: Listener) -> Group:
        """Tell of changes of a selector's peers. Raises ValueError where there are too many selectors."""
        if len(self._peers) >= MAX_GROUPS:
            raise ValueError(f"clients already gave {MAX_GROUPS} different selectors")
        group = self._peers.join(selector)
        self._users.setdefault(group, []).append(listener)
        return group

    def part(self, group: Group, listener: Listener) -> None:
        """No longer."""
        self._peers.part(group)
        listeners = self._users[group]
        listeners.remove(listener)
        if not listeners:
            del self._users[group]

    def holder(self, address: str) -> Claim | None:
        """Who has an address."""
        return self._index.holder(address)

    def changed_since(self, address: str, version: Version) -> bool:
        """Whether what a client learnt of an address up to `version` may not be true any more."""
        return self._index.changed_since(address, version)

    def texts(self, claim: Claim) -> tuple[str, ...]:
        """Somebody with the addresses that they have, as Identities in JSON; made once for all clients."""
        texts = self._texts.get(claim)
        if texts is None:
            if len(self._texts) >= _TEXTS:
                self._texts.clear()
            held = self._index.held(claim.subject)
            pieces = [held[start : start + _ADDRESSES] for start in range(0, len(held), _ADDRESSES)]
            texts = self._texts[claim] = tuple(_identity(claim, piece) for piece in pieces)
        return texts


def json_text(value: object) -> str:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _identity(claim: Claim, addresses: list[str]) -> str:
    """A weir_api.feed.Identity."""
    fields = {
        "kind": claim.rank.kind.value,
        "namespace": claim.namespace,
        "name": claim.name,
        "ownerKind": claim.owner[0],
        "ownerName": claim.owner[1],
        "node": claim.node,
        "addresses": addresses,
    }
    return json_text({name: value for name, value in fields.items() if value})
