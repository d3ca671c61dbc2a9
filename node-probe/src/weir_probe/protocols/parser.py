# cython: annotation_typing=False
"""The verbs of a protocol. A Parser holds what one connection's protocol remembers between frames; directions are 0
from the client, 1 from the server.

detect  is this the protocol? asked of the first bytes of a direction, before there is a Parser
frame   where does the frame that starts here end?
parse   what does it say? -> Message
pairing is the call book's (streams/calls.py), by Message.id or in order
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from weir_probe.protocols.message import Message
from weir_probe.wire.cursor import Cursor

#: Answers of `frame`, and of `detect`.
NEED_MORE: Final = 0
INVALID: Final = -1

#: `Detect`: a message from the client, one from the server; 0 is NEED_MORE, -1 is INVALID: another protocol's.
FROM_CLIENT: Final = 1
FROM_SERVER: Final = 2


class Parser:
    """Subclassed by each protocol. Attributes are set by whoever drives it."""

    def __init__(self) -> None:
        #: How much of the frame `frame` has just measured must be there before `parse` is called; the rest is skipped.
        self.enough = 0
        #: Message.hint of the request that the frame at hand answers, where one is known: set before `frame` for those
        #: that pair in order, before `parse` for those that pair by id.
        self.hint = 0
        self.hinted = False
        #: Nothing will follow these bytes: `frame` measures what is there, where that can be told apart from nonsense.
        self.final = False
        #: Set in `parse`: what follows this frame, both ways, is another protocol (HTTP 101, an SSLRequest).
        self.switches = False
        #: Set in `parse`: the client's message goes on with the bytes to come. Where those are lost, no message is lost
        #: with them, as long as the client never had two under way.
        self.unfinished = False
        #: Each frame is a datagram, and ends with it.
        self.datagrams = False
        #: Set by `parse`: no further call will come on this connection, nothing more of it is to be read.
        self.done = False
        #: Whether literals and secrets are left out of what `parse` writes.
        self.redacts = True

    def frame(self, cursor: Cursor, at: int, end: int, way: int) -> int:
        """The length of the frame that starts at `at` (it may reach beyond `end`), NEED_MORE or INVALID.

        Sets `enough` where parse needs less than the whole of it. A body whose length nobody says ends where the bytes
        end.
        """
        raise NotImplementedError

    def parse(self, cursor: Cursor, at: int, end: int, way: int, message: Message) -> bool:
        """Write what the frame says; `end` is the frame's end, or what there is of it. False: it is no such frame.

        A frame that is cut gives what is known of it.
        """
        raise NotImplementedError

    def resync(self, cursor: Cursor, at: int, end: int, way: int) -> int:
        """Where a frame starts at or after `at`, after bytes were lost or made no sense; -1: nowhere in these bytes."""
        return at

    def lost(self, way: int) -> None:
        """Bytes of this direction are missing: forget what was half known."""

    def answered(self, cursor: Cursor, at: int, end: int) -> int:
        """The id of the request that a frame of the server answers, where `parse` needs its hint; -1: it does not."""
        return -1


@dataclass(frozen=True, slots=True)
class Spec:
    """A protocol, for the registry."""

    #: What `protocols.include` calls it: the folder's name.
    name: str
    #: What calls are called, by Message.variant.
    titles: tuple[str, ...]
    #: (cursor, at, end) -> FROM_CLIENT, FROM_SERVER, NEED_MORE, INVALID. Strict: no other protocol sends what it takes.
    detect: Callable[[Cursor, int, int], int]
    parser: Callable[[], Parser]
    #: Where it is looked for first; nothing is taken for it by port alone.
    tcp_ports: tuple[int, ...] = ()
    udp_ports: tuple[int, ...] = ()
    on_tcp: bool = True
    on_udp: bool = False
    #: Where its form is another protocol's: it is not looked for there.
    udp_ports_of_others: tuple[int, ...] = ()
    #: Responses name their request by Message.id; else they come in the order of the requests.
    pairs_by_id: bool = False
    #: Those ids are the protocol's own, and told as `request_id`.
    tells_ids: bool = True
    #: Of a frame, what is kept to be parsed where that takes more than one segment.
    parse_limit: int = 16_384
    #: Each segment is needed, not only the first after a change of direction: pipelined or multiplexed.
    every_segment: bool = False
