"""What was asked of the feed and what it has answered: the same book over every connection. No I/O, no clock."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from ipaddress import IPv6Address, ip_address
from itertools import islice
from typing import Final

from weir_api import feed
from weir_api.feed import Identity, Interest, News, PeerSelector
from weir_probe.identity.source import Packed

#: Addresses of all selectors together: what the kernel's table of prefixes takes.
MAX_MEMBERS: Final = 65_536
_UNANSWERED: Final = object()


def to_text(packed: Packed) -> str:
    """An address as the feed's messages have it."""
    address = IPv6Address(packed)
    return str(address.ipv4_mapped or address)


def from_text(text: str) -> Packed:
    """The address in 16 bytes. Raises ValueError."""
    address = ip_address(text)
    return address.packed if address.version == 6 else b"\0" * 10 + b"\xff\xff" + address.packed


class Book:
    """For one thread at a time. `begin` a connection, send each of `messages`, `hear` what comes."""

    def __init__(self) -> None:
        self.version: str | None = None
        self.answers: dict[Packed, object] = {}  # Identity, None or _UNANSWERED, of what is asked for
        self.peers: dict[str, set[Packed]] = {}  # of selectors that are answered
        self.cut: set[str] = set()  # selectors with members beyond MAX_MEMBERS
        self._members: Mapping[str, AbstractSet[Packed]] | None = None  # of `peers`, as it is told
        self._selectors: dict[str, PeerSelector] = {}
        self._changed: dict[Packed, Identity | None] = {}
        # what this connection still is to be told
        self._to_resume: dict[Packed, None] = {}
        self._to_add: dict[Packed, None] = {}
        self._to_remove: dict[Packed, None] = {}
        self._peers_to_add: dict[str, PeerSelector] = {}
        self._peers_to_remove: set[str] = set()
        self._told: set[Packed] = set()

    @property
    def unanswered(self) -> int:
        """Addresses without an answer yet."""
        return sum(1 for answer in self.answers.values() if answer is _UNANSWERED)

    @property
    def selectors(self) -> int:
        """Selectors that are asked for."""
        return len(self._selectors)

    def ask(self, add: Iterable[Packed], remove: Iterable[Packed]) -> None:
        """Want these addresses too, and no longer those. Beyond feed.MAX_ADDRESSES an address is left out."""
        for packed in remove:
            self.answers.pop(packed, None)
            self._changed.pop(packed, None)
            self._to_resume.pop(packed, None)
            self._to_add.pop(packed, None)
            if packed in self._told:
                self._told.discard(packed)
                self._to_remove[packed] = None
        for packed in add:
            if packed not in self.answers and len(self.answers) < feed.MAX_ADDRESSES:
                self.answers[packed] = _UNANSWERED
                self._to_add[packed] = None

    def select(self, selectors: Sequence[PeerSelector]) -> None:
        """Want these selectors, and no others."""
        wanted = {selector.id: selector for selector in selectors}
        self._members = None
        for gone in self._selectors.keys() - wanted.keys():
            self.peers.pop(gone, None)
            self.cut.discard(gone)
            self._peers_to_add.pop(gone, None)
            self._peers_to_remove.add(gone)
        for key, selector in wanted.items():
            if self._selectors.get(key) != selector:
                self._peers_to_add[key] = selector
                self._peers_to_remove.discard(key)
        self._selectors = wanted

    def begin(self) -> None:
        """A new connection, which knows nothing yet of what is wanted."""
        self._to_resume = dict.fromkeys(p for p, answer in self.answers.items() if answer is not _UNANSWERED)
        self._to_add = dict.fromkeys(p for p, answer in self.answers.items() if answer is _UNANSWERED)
        self._to_remove = {}
        self._peers_to_add = dict(self._selectors)
        self._peers_to_remove = set()
        self._told = set()

    def messages(self) -> Iterator[Interest]:
        """What is to be told now. Removals go first, on their own: what is asked again is answered again."""
        while self._to_remove or self._peers_to_remove:
            gone = [self._peers_to_remove.pop() for _ in range(min(len(self._peers_to_remove), feed.MAX_SELECTORS))]
            yield Interest(remove=[to_text(p) for p in _some(self._to_remove)], remove_peers=gone)
        while self._to_resume:
            # only what has an answer: it is not told again unless it changed
            yield Interest(resume=self.version, add=self._tell(self._to_resume))
        while self._to_add or self._peers_to_add:
            selectors = list(self._peers_to_add.values())[: feed.MAX_SELECTORS]
            for selector in selectors:
                del self._peers_to_add[selector.id]
            yield Interest(add=self._tell(self._to_add), add_peers=selectors)

    def _tell(self, waiting: dict[Packed, None]) -> list[str]:
        some = _some(waiting)
        self._told.update(some)
        return [to_text(packed) for packed in some]

    def hear(self, news: News) -> None:
        """Take an answer. Raises ValueError where it holds no address."""
        for who in news.identities:
            for text in who.addresses:
                self._answer(from_text(text), who)
        for text in news.nobody:
            self._answer(from_text(text), None)
        for change in news.peers:
            self._members = None
            if change.id not in self._selectors:
                continue
            if change.replace or change.id not in self.peers:
                self.peers[change.id] = set()
                self.cut.discard(change.id)
            held = self.peers[change.id]
            held.difference_update(map(from_text, change.remove))
            room = MAX_MEMBERS - sum(map(len, self.peers.values()))
            fresh = {from_text(text) for text in change.add} - held
            if len(fresh) > room:
                self.cut.add(change.id)
            held.update(islice(fresh, max(0, room)))
        self.version = news.version or self.version  # empty: not all is answered yet

    def _answer(self, packed: Packed, who: Identity | None) -> None:
        if packed in self.answers and self.answers[packed] != who:
            self.answers[packed] = self._changed[packed] = who

    def take(self) -> Mapping[Packed, Identity | None]:
        """Answers since the last call."""
        changed, self._changed = self._changed, {}
        return changed

    def members(self) -> Mapping[str, AbstractSet[Packed]]:
        """The members of each answered selector; the same object until any of them changes."""
        if self._members is None:
            self._members = {key: frozenset(members) for key, members in self.peers.items()}
        return self._members


def _some(waiting: dict[Packed, None]) -> list[Packed]:
    some = list(islice(waiting, feed.MAX_BATCH))
    for packed in some:
        del waiting[packed]
    return some
