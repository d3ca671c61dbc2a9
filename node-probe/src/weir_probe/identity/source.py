"""What answers who is behind an address; and the one that knows nobody beyond this node."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol

from weir_api.feed import Identity, PeerSelector

#: An address as slots hold it: 16 bytes in network order, IPv4 v4-mapped.
Packed = bytes


@dataclass(frozen=True, slots=True)
class State:
    """How a source is."""

    kind: Literal["Feed", "Node", "Host"]  # the operator's feed; this node's pods alone; all workloads of this host
    connected: bool
    since: datetime  # when `connected` became what it is
    problem: str = ""  # why not connected
    refused: bool = False  # by an answer of the operator: it does not end by itself
    addresses: int = 0  # asked for now
    unanswered: int = 0  # of these
    identities: int = 0  # different owners of these
    selectors: int = 0
    bytes_received: int = 0
    connections: int = 0  # that were made since the start


class Source(Protocol):
    """Answers, now and whenever an answer changes, until it is no longer asked. Calls return at once."""

    answers: bool
    """Whether it makes sense to wait for one."""

    def start(self, on_news: Callable[[], None]) -> None:
        """Begin. `on_news` is called from any thread when `take` or `members` has something new."""

    def ask(self, add: Iterable[Packed], remove: Iterable[Packed]) -> None:
        """Ask for these addresses too, and no longer for those."""

    def select(self, selectors: Sequence[PeerSelector]) -> None:
        """Ask for the members of these selectors, and of no others."""

    def take(self) -> Mapping[Packed, Identity | None]:
        """The answers since the last call; None: nobody has the address."""

    def members(self) -> Mapping[str, AbstractSet[Packed]]:
        """The addresses that belong to a selector, by its id; selectors without an answer are missing."""

    def state(self) -> State:
        """How it is now."""

    def close(self) -> None:
        """End."""


class Alone:
    """Nobody to ask. On a host without Kubernetes the probe knows every workload itself, and that is all there is; on a
    node of a cluster the others stay unknown."""

    answers = False

    def __init__(self, *, complete: bool) -> None:
        self._complete = complete
        self._selectors: Sequence[PeerSelector] = ()
        self._since = datetime.now(UTC)

    def start(self, on_news: Callable[[], None]) -> None:
        """Nothing ever changes."""

    def ask(self, add: Iterable[Packed], remove: Iterable[Packed]) -> None:
        """Nobody answers."""

    def select(self, selectors: Sequence[PeerSelector]) -> None:
        self._selectors = selectors

    def take(self) -> Mapping[Packed, Identity | None]:
        return {}

    def members(self) -> Mapping[str, AbstractSet[Packed]]:
        return {selector.id: frozenset() for selector in self._selectors} if self._complete else {}

    def state(self) -> State:
        return State("Host" if self._complete else "Node", self._complete, self._since)

    def close(self) -> None:
        """Nothing was begun."""
