"""What one client has asked for, and what it has not been told yet."""

import sys
from collections.abc import Callable
from itertools import islice
from typing import Final

from weir_api.feed import MAX_ADDRESSES, MAX_BATCH, MAX_SELECTORS, Interest, PeerSelector
from weir_operator.identity.directory import Directory, json_text
from weir_operator.identity.index import canonical
from weir_operator.identity.peers import Group
from weir_operator.identity.version import Version

#: Addresses answered by one message, about 24 KB: a client that asks for many does not hold up the others, and OpenSSL
#: keeps a buffer of the largest message for as long as the connection lasts.
ANSWERS: Final = 128
#: Instead of a change: the whole is to be told.
_ALL: Final = ""


class RefusedError(Exception):
    """The client asked for what it cannot have; the text names the field and the fix."""


class Session:
    """One client. `on_news` is called when `tell` has something to say; `close` it at the end."""

    def __init__(self, directory: Directory, on_news: Callable[[], None]) -> None:
        self._directory = directory
        self._on_news = on_news
        # dicts keep order, and are smaller than sets
        self._addresses: dict[str, None] = {}
        self._unanswered: dict[str, None] = {}
        self._groups: dict[str, Group] = {}
        self._changes: dict[str, str] = {}
        #: Everything asked for has been told up to here; empty where not even that is so.
        self._version = ""
        #: The client resumes, and has not sent all that it knows yet.
        self._resuming = False

    def hear(self, interest: Interest) -> None:
        """Add and remove. Raises RefusedError; the session is to be closed then."""
        known = _version(interest.resume)
        for number, text in enumerate(interest.remove):
            self._remove(_address(text, f"remove[{number}]"))
        for number, text in enumerate(interest.add):
            address = _address(text, f"add[{number}]")
            self._add(address)
            if known is None or self._directory.changed_since(address, known):
                self._unanswered[address] = None
        for name in interest.remove_peers:
            self._part(name)
        for selector in interest.add_peers:
            self._join(selector)
        if known is not None and not self._version:
            self._version = str(known)
        # should the connection break between two full messages, the second's addresses are as old as they were
        self._resuming = known is not None and len(interest.add) == MAX_BATCH
        if self._unanswered or self._changes:
            self._on_news()

    def tell(self, refresh: bool = False) -> str | None:
        """The next News as JSON; None where there is none. With `refresh`, one of a new version alone, too."""
        newer = not self._resuming and self._version != str(self._directory.version)
        if not self._unanswered and not self._changes and not (refresh and newer):
            return None
        batch = list(islice(self._unanswered, ANSWERS))
        identities: dict[str, None] = {}
        nobody = []
        for address in batch:
            del self._unanswered[address]
            holder = self._directory.holder(address)
            if holder is None:
                nobody.append(address)
            else:
                identities.update(dict.fromkeys(self._directory.texts(holder)))
        peers = [self._peer_change(name, change) for name, change in self._changes.items()]
        self._changes.clear()
        # what was distributed is all in this message or in those before it, unless there is more to answer
        if not self._unanswered:
            self._unanswered = {}  # a dict that was large stays large
        if not self._unanswered and not self._resuming:
            self._version = str(self._directory.version)
        parts = [f'"version":{json_text(self._version)}']
        if identities:
            parts.append(f'"identities":[{",".join(identities)}]')
        if nobody:
            parts.append(f'"nobody":{json_text(nobody)}')
        if peers:
            parts.append(f'"peers":[{",".join(peers)}]')
        return "{" + ",".join(parts) + "}"

    def close(self) -> None:
        """Forget the client."""
        for address in self._addresses:
            self._directory.unwatch(address, self)
        for group in self._groups.values():
            self._directory.part(group, self)
        self._addresses.clear()
        self._groups.clear()

    # --- Listener -----------------------------------------------------------------------------------------------------

    def address_changed(self, address: str) -> None:
        """See directory.Listener."""
        self._unanswered[address] = None
        self._on_news()

    def peers_changed(self, group: Group, change: str) -> None:
        """See directory.Listener."""
        for name, joined in self._groups.items():
            if joined is group:
                # a second change before the first was told: tell the whole rather than keep a queue
                self._changes[name] = _ALL if name in self._changes else change
        self._on_news()

    # --- what it asked for --------------------------------------------------------------------------------------------

    def _add(self, address: str) -> None:
        if address in self._addresses:
            return
        if len(self._addresses) >= MAX_ADDRESSES:
            raise RefusedError(f"add: at most {MAX_ADDRESSES} addresses per connection; remove some first")
        self._addresses[address] = None
        self._directory.watch(address, self)

    def _remove(self, address: str) -> None:
        if address in self._addresses:
            del self._addresses[address]
            self._unanswered.pop(address, None)
            self._directory.unwatch(address, self)

    def _join(self, selector: PeerSelector) -> None:
        self._part(selector.id)
        if len(self._groups) >= MAX_SELECTORS:
            raise RefusedError(f"addPeers: at most {MAX_SELECTORS} selectors per connection; remove some first")
        try:
            self._groups[selector.id] = self._directory.join(selector, self)
        except ValueError as error:
            raise RefusedError(f"addPeers: {error}") from error
        self._changes[selector.id] = _ALL

    def _part(self, name: str) -> None:
        group = self._groups.pop(name, None)
        self._changes.pop(name, None)
        if group is not None:
            self._directory.part(group, self)

    def _peer_change(self, name: str, change: str) -> str:
        """A weir_api.feed.PeerChange."""
        if change == _ALL:
            change = f'"replace":true,"add":{json_text(self._groups[name].settled())}}}'
        return f'{{"id":{json_text(name)},{change}'


def _version(resume: str | None) -> Version | None:
    try:
        return Version.parse(resume) if resume else None
    except ValueError as error:
        raise RefusedError(f"resume: {error}") from error


def _address(text: str, field: str) -> str:
    try:
        address = canonical(text)
    except ValueError as error:
        raise RefusedError(f"{field}: {error}") from error
    if address != text:
        raise RefusedError(f"{field}: write {address}, not {text}")
    return sys.intern(address)  # many clients ask for the same
