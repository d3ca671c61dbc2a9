# cython: annotation_typing=False
"""Prepared statements of one connection: what a call that executes one tells."""

from __future__ import annotations

from typing import Final

from weir_probe.protocols.message import ENDPOINT, RESOURCE, Message

#: Statements of a connection, and bytes of their text, that are remembered; the oldest are forgotten.
MAX_STATEMENTS: Final = 1024
MAX_BYTES: Final = 131_072
_MAX_STATEMENTS, _MAX_BYTES = MAX_STATEMENTS, MAX_BYTES
_RESOURCE, _ENDPOINT = RESOURCE, ENDPOINT


class Prepared:
    """A statement as `Sql.read` told it: verb, resource, endpoint, one behind the other. Kept anew it allocates nothing
    where its text fits."""

    def __init__(self) -> None:
        self.text = memoryview(bytearray())
        self.room = 0
        self.verb = self.resource = self.endpoint = 0  # bytes of each
        self.cut = False

    def keep(self, message: Message, verb: int) -> None:
        """What the message tells; the verb stands in the column `verb`."""
        self.verb = message.length[verb]
        self.resource = message.length[_RESOURCE]
        self.endpoint = message.length[_ENDPOINT]
        self.cut = message.cut
        if self.size() > self.room:
            self.room = self.size()
            self.text = memoryview(bytearray(self.room))
        self._take(message, verb, 0)
        self._take(message, _RESOURCE, self.verb)
        self._take(message, _ENDPOINT, self.verb + self.resource)

    def _take(self, message: Message, column: int, at: int) -> None:
        first = message.start[column]
        for place in range(message.length[column]):
            self.text[at + place] = message.text[first + place]

    def size(self) -> int:
        """Bytes of text."""
        return self.verb + self.resource + self.endpoint

    def tell(self, message: Message) -> None:
        """Write the resource and the endpoint."""
        message.begin(_RESOURCE)
        for place in range(self.verb, self.verb + self.resource):
            message.add(self.text[place])
        message.begin(_ENDPOINT)
        for place in range(self.verb + self.resource, self.size()):
            message.add(self.text[place])
        message.cut = message.cut or self.cut

    def tell_verb(self, message: Message, column: int) -> None:
        message.begin(column)
        for place in range(self.verb):
            message.add(self.text[place])


class Statements:
    """Prepared statements by a number that stands for each."""

    def __init__(self) -> None:
        self.kept: dict[int, Prepared] = {}
        self.bytes = 0

    def remember(self, key: int, statement: Prepared) -> None:
        self.forget(key)
        self.kept[key] = statement
        self.bytes += statement.size()
        while self.bytes > _MAX_BYTES or len(self.kept) > _MAX_STATEMENTS:
            self.forget(next(iter(self.kept)))

    def find(self, key: int) -> Prepared | None:
        return self.kept.get(key)

    def forget(self, key: int) -> None:
        statement = self.kept.pop(key, None)
        if statement is not None:
            self.bytes -= statement.size()

    def clear(self) -> None:
        self.kept.clear()
        self.bytes = 0
