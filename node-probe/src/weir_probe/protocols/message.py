# cython: annotation_typing=False
"""What one frame of a protocol says: written by a parser, read by the call book, used again for the next frame."""

from __future__ import annotations

from typing import Final

import numpy as np

from weir_probe.wire.copying import copy_bytes
from weir_probe.wire.cursor import Cursor

#: Text columns of a call, by index.
COLUMNS: Final = (
    "type",
    "domain",
    "resource",
    "endpoint",
    "request_id",
    "code",
    "exception",
    "result",
    "trace_id",
    "span_id",
    "parent_span_id",
    "x_request_id",
    "attributes",
)
TYPE, DOMAIN, RESOURCE, ENDPOINT, REQUEST_ID, CODE, EXCEPTION, RESULT = range(8)
TRACE_ID, SPAN_ID, PARENT_SPAN_ID, X_REQUEST_ID, ATTRIBUTES = range(8, 13)
#: Bytes of text that one message can bring, over all columns.
TEXT: Final = 1024

#: `Message.part`: what a frame is to a call. A frame that says nothing of calls is NOTHING: it is consumed.
NOTHING: Final = 0
#: Opens a call; REQUEST_MORE are its further frames, of either side, before there is a response. The client's may end
#: it: it gave up.
REQUEST: Final = 1
REQUEST_MORE: Final = 2
#: As REQUEST; where a call with its id and hint waits, it is that one's: a client's retry, not another call.
REQUEST_AGAIN: Final = 6
#: The first frame of a response, which gives the call its latency; RESPONSE_MORE are the further ones.
RESPONSE: Final = 3
RESPONSE_MORE: Final = 4
#: A call without a response, complete as it is: also what a server pushes.
ONE_WAY: Final = 5
#: Calls in flight whose id is above this one's, and as odd or even as its hint, will have no response (pairs_by_id).
REFUSED: Final = 7

#: `Message.status`: weir_api.records names them so.
STATUSES: Final = ("unknown", "ok", "client_error", "server_error", "timeout")
UNKNOWN, OK, CLIENT_ERROR, SERVER_ERROR, TIMEOUT = range(5)

_TEXT = TEXT
_COLUMNS = len(COLUMNS)
_NOTHING = NOTHING


class Message:
    """`text[start[c] : start[c] + length[c]]` is column c; an empty one is absent."""

    def __init__(self) -> None:
        self.text = np.zeros(TEXT, np.uint8).data
        self.start = np.zeros(len(COLUMNS), np.uint16).data
        self.length = np.zeros(len(COLUMNS), np.uint16).data
        self.reset()

    def reset(self) -> None:
        """Say nothing."""
        self.part = _NOTHING
        #: The response is complete with this frame.
        self.ends = False
        #: Calls that a response is for, the oldest first: a server may answer several at once.
        self.answers = 1
        #: What a protocol pairs by, where it has ids.
        self.id = 0
        self.status = 0
        #: Index in Spec.titles.
        self.variant = 0
        self.has_code = False
        self.code = 0
        #: For the parser of the response: what it needs to know of the request. Of a response: which of the calls
        #: with its id is meant.
        self.hint = 0
        #: Of the format that the trace columns were read from (protocols/trace.py).
        self.trace_rank = 0
        self.used = 0
        self.cut = False  # some text had no room
        self.column = -1
        for column in range(_COLUMNS):
            self.length[column] = 0

    def begin(self, column: int) -> None:
        """Start to write a column; what it had is forgotten."""
        self.column = column
        self.start[column] = self.used
        self.length[column] = 0

    def add(self, byte: int) -> None:
        """Append one byte to the column that was begun."""
        if self.used >= _TEXT:
            self.cut = True
            return
        self.text[self.used] = byte
        self.used += 1
        self.length[self.column] += 1

    def add_from(self, cursor: Cursor, at: int, count: int) -> None:
        """Append bytes of the packet; where it is cut, those that are there."""
        count = min(count, cursor.end - at)
        if count > _TEXT - self.used:
            self.cut = True
            count = _TEXT - self.used
        if count > 0:
            copy_bytes(self.text, self.used, cursor.buffer, at, count)
            self.used += count
            self.length[self.column] += count

    def put(self, column: int, cursor: Cursor, at: int, count: int) -> None:
        """A column that stands in the packet as it is."""
        self.begin(column)
        self.add_from(cursor, at, count)

    def add_number(self, value: int) -> None:
        """Append a non-negative number in decimal."""
        power = 1
        while value // power >= 10:
            power *= 10
        while power > 0:
            self.add(48 + value // power % 10)
            power //= 10

    def add_text(self, text: bytes) -> None:
        """Append a constant; its bytes are text of ours, so this is for short ones."""
        count = len(text)
        if count > _TEXT - self.used:
            self.cut = True
            count = _TEXT - self.used
        for place in range(count):
            self.text[self.used + place] = text[place]
        self.used += count
        self.length[self.column] += count

    def add_attribute(self, name: bytes, value: int) -> None:
        """Append a name and its number to ATTRIBUTES, which was begun."""
        self.add_text(name)
        self.add(0)
        self.add_number(value)
        self.add(0)

    def put_text(self, column: int, text: bytes) -> None:
        """A column that is a constant."""
        self.begin(column)
        self.add_text(text)

    def length_of(self, column: int) -> int:
        """Bytes of a column."""
        return self.length[column]

    def of(self, column: int) -> bytes:
        """A column's bytes: for tests and for what is not called per message."""
        first = self.start[column]
        return bytes(self.text[first : first + self.length[column]])
