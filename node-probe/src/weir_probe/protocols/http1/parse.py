# cython: annotation_typing=False
"""Messages of HTTP/1: a head and its body. A head is one frame, with a body of known length; other bodies are more."""

from __future__ import annotations

from typing import Final

from weir_probe.protocols.http1.chunks import Chunks
from weir_probe.protocols.http1.detect import detect
from weir_probe.protocols.http1.head import BAD_LENGTH, CHUNKED, NO_LENGTH, OTHER, PLAIN, Head
from weir_probe.protocols.http1.request import Request
from weir_probe.protocols.http1.response import Response
from weir_probe.protocols.message import NOTHING, REQUEST, REQUEST_MORE, RESPONSE, RESPONSE_MORE, Message
from weir_probe.protocols.parser import FROM_CLIENT, FROM_SERVER, INVALID, NEED_MORE, Parser
from weir_probe.wire.cursor import Cursor

#: A head is waited for up to here; of a longer one what is there is told, and the rest comes as further frames.
WHOLE_HEAD: Final = 8192

#: What a direction expects: the beginning of a message, more fields of its head, chunks, bytes until the connection is
#: closed; the client after CONNECT: what the server says to it (RFC 9110 §9.3.6).
_START, _FIELDS, _CHUNKS, _UNTIL_CLOSE, _ANSWER = range(5)
#: `Message.hint`: what a response needs to know of its request.
HEAD, CONNECT = 1, 2
_CONTINUE_MAX, _SWITCHING, _NO_CONTENT, _NOT_MODIFIED = 199, 101, 204, 304
#: The stream that a request becomes when the connection is upgraded to HTTP/2 (RFC 7540 §3.2).
_UPGRADED_STREAM = 1

_WHOLE_HEAD, _HEAD, _CONNECT = WHOLE_HEAD, HEAD, CONNECT
_NO_LENGTH, _BAD_LENGTH, _PLAIN, _CHUNKED, _OTHER = NO_LENGTH, BAD_LENGTH, PLAIN, CHUNKED, OTHER
_NEED_MORE, _INVALID, _FROM_CLIENT, _FROM_SERVER = NEED_MORE, INVALID, FROM_CLIENT, FROM_SERVER
_NOTHING, _REQUEST, _REQUEST_MORE, _RESPONSE, _RESPONSE_MORE = NOTHING, REQUEST, REQUEST_MORE, RESPONSE, RESPONSE_MORE


class Direction:
    """What one side's next bytes are; of a head that comes in several frames, what it has said of the body."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """A message begins."""
        self.state = _START
        self.length = _NO_LENGTH
        self.coding = _PLAIN
        self.has_body = True


class Http1(Parser):
    """`head` and `chunks` are of the frame at hand."""

    def __init__(self) -> None:
        Parser.__init__(self)
        self.head = Head()
        self.chunks = Chunks()
        self.request = Request()
        self.response = Response()
        self.client = Direction()
        self.server = Direction()

    def frame(self, cursor: Cursor, at: int, end: int, way: int) -> int:
        side = self.server if way else self.client
        head = self.head
        if side.state == _CHUNKS:
            return self._chunk_frame(cursor, at, end)
        if side.state == _UNTIL_CLOSE:
            return end - at
        if side.state == _ANSWER:
            return _NEED_MORE
        head.fields = at
        if side.state == _START:
            if cursor.u8(at) == 0x0A or cursor.u8(at) == 0x0D:  # an empty line before a message (RFC 9112 §2.2)
                return 1
            if not (head.status_line(cursor, at, end) if way else head.request_line(cursor, at, end)):
                return _INVALID
            side.has_body = self._may_have_body(way)
        head.length = side.length
        head.coding = side.coding
        head.read(cursor, end)
        size = head.end - at
        if not head.whole:
            if not self.final and end - at < _WHOLE_HEAD:
                return _NEED_MORE
            if head.fields < 0 and (head.code == 0 if way else head.target_end <= head.method_end + 1):
                return _INVALID  # too little of a first line
            if self.final or size <= 0:
                size = end - at
        self.enough = size
        if head.whole and side.has_body and head.coding == _PLAIN and head.length > 0:
            size += head.length
        return size

    def parse(self, cursor: Cursor, at: int, end: int, way: int, message: Message) -> bool:
        side = self.server if way else self.client
        state = side.state
        if state == _START and (cursor.u8(at) == 0x0A or cursor.u8(at) == 0x0D):
            return True
        if state == _START and way == 0:
            self._begin_request(cursor, at, message)
        elif state == _START:
            self._begin_response(cursor, message)
        else:
            message.part = _RESPONSE_MORE if way else _REQUEST_MORE
            if state == _FIELDS and way == 0:
                self.request.put_more(cursor, self.head, message)
        if state == _CHUNKS:
            if self.chunks.over:
                side.reset()
        elif side.state == _START or state == _FIELDS:
            self._end_head(side, way)
        if way:
            message.ends = side.state == _START
        else:
            self.unfinished = side.state != _START
        return True

    def resync(self, cursor: Cursor, at: int, end: int, way: int) -> int:
        """A segment that begins like a message is taken for the start of one."""
        return at if detect(cursor, at, end) == (_FROM_SERVER if way else _FROM_CLIENT) else -1

    def lost(self, way: int) -> None:
        if way:
            self.server.reset()
        if way == 0 or self.client.state == _ANSWER:
            self.client.reset()
            self.unfinished = False

    def _chunk_frame(self, cursor: Cursor, at: int, end: int) -> int:
        if self.chunks.walk(cursor, at, end) == _INVALID:
            return _INVALID
        size = self.chunks.at - at
        self.enough = min(size, end - at)
        return size if size > 0 else end - at if self.final else _NEED_MORE

    def _may_have_body(self, way: int) -> bool:
        """What the first lines of request and response say of it (RFC 9112 §6.3)."""
        if way == 0:
            return True
        code = self.head.code
        if code <= _CONTINUE_MAX or code == _NO_CONTENT or code == _NOT_MODIFIED:
            return False
        return not (self.hinted and (self.hint == _HEAD or (self.hint == _CONNECT and code < 300)))

    def _end_head(self, side: Direction, way: int) -> None:
        """Which state comes after these fields."""
        head = self.head
        if not head.whole:
            side.state = _FIELDS
            side.length = head.length
            side.coding = head.coding
            if way and self.final:
                side.reset()
        elif side.has_body and head.coding == _CHUNKED:
            side.state = _CHUNKS
        elif side.has_body and (
            head.coding == _OTHER or head.length == _BAD_LENGTH or (way and head.length == _NO_LENGTH)
        ):
            side.state = _UNTIL_CLOSE
        else:
            side.reset()

    def _begin_request(self, cursor: Cursor, at: int, message: Message) -> None:
        message.part = _REQUEST
        self.request.put(cursor, at, self.head, self.redacts, message)
        if self.request.upgrades:
            message.id = _UPGRADED_STREAM
        if cursor.is_name(at, self.head.method_end - at, b"head"):
            message.hint = _HEAD
        elif cursor.is_name(at, self.head.method_end - at, b"connect"):
            message.hint = _CONNECT
            self.client.state = _ANSWER

    def _begin_response(self, cursor: Cursor, message: Message) -> None:
        code = self.head.code
        if code <= _CONTINUE_MAX and code != _SWITCHING:
            message.part = _NOTHING  # the final response comes after it
            return
        message.part = _RESPONSE
        self.response.put(cursor, self.head, message)
        if code == _SWITCHING:
            self.switches = True
            if self.response.upgrades:
                message.part = _NOTHING  # the response comes on stream 1
        elif self.client.state == _ANSWER and (not self.hinted or self.hint == _CONNECT):
            self.client.reset()
            self.switches = self.hinted and code < 300
