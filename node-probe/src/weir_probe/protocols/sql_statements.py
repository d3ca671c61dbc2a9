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
    """A statement as `Sql.read` told it."""

    def __init__(self, verb: bytes, resource: bytes, endpoint: bytes, cut: bool) -> None:
        self.verb = verb
        self.resource = resource
        self.endpoint = endpoint
        self.cut = cut

    def tell(self, message: Message) -> None:
        """Write the resource and the endpoint."""
        message.put_text(_RESOURCE, self.resource)
        message.put_text(_ENDPOINT, self.endpoint)
        message.cut = message.cut or self.cut


def prepared(message: Message, verb: int) -> Prepared:
    """What a message tells, to be told again; the verb stands in the column `verb`."""
    return Prepared(message.of(verb), message.of(_RESOURCE), message.of(_ENDPOINT), message.cut)


class Statements:
    """Prepared statements by a number that stands for each."""

    def __init__(self) -> None:
        self.kept: dict[int, Prepared] = {}
        self.size = 0

    def remember(self, key: int, statement: Prepared) -> None:
        self.forget(key)
        self.kept[key] = statement
        self.size += len(statement.resource) + len(statement.endpoint)
        while self.size > _MAX_BYTES or len(self.kept) > _MAX_STATEMENTS:
            self.forget(next(iter(self.kept)))

    def find(self, key: int) -> Prepared | None:
        return self.kept.get(key)

    def forget(self, key: int) -> None:
        statement = self.kept.pop(key, None)
        if statement is not None:
            self.size -= len(statement.resource) + len(statement.endpoint)

    def clear(self) -> None:
        self.kept.clear()
        self.size = 0
