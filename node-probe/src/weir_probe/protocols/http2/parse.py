# cython: annotation_typing=False
# ruff: noqa: PLR0917 -- C calls are positional
"""Frames of HTTP/2: a call is a stream, from its HEADERS to the END_STREAM of the response."""

from __future__ import annotations

from typing import Final

from weir_probe.protocols.http2 import request, response
from weir_probe.protocols.http2.detect import PREFACE
from weir_probe.protocols.http2.fields import (
    AUTHORITY,
    CONTENT_TYPE,
    GRPC_MESSAGE,
    GRPC_STATUS,
    METHOD,
    PATH,
    SCHEME,
    STATUS,
)
from weir_probe.protocols.http2.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HAS_PRIORITY,
    HEADER,
    HEADERS,
    PADDED,
    PUSH_PROMISE,
    RST_STREAM,
    lawful,
    length_of,
    stream_of,
    strict,
)
from weir_probe.protocols.http2.hpack import Decoder
from weir_probe.protocols.http2.status import ERRORS, grpc_of_reset, of_grpc, of_reset
from weir_probe.protocols.http2.streams import ANSWERED, GRPC, UNDECIDED, Streams
from weir_probe.protocols.message import (
    ATTRIBUTES,
    EXCEPTION,
    OK,
    REFUSED,
    REQUEST,
    REQUEST_MORE,
    RESPONSE,
    RESPONSE_MORE,
    SERVER_ERROR,
    Message,
)
from weir_probe.protocols.parser import INVALID, NEED_MORE, Parser
from weir_probe.wire.cursor import Cursor

#: Of what a GOAWAY says for people.
MAX_DEBUG: Final = 128
#: After lost bytes: a client's new stream is no further from those that were seen.
MAX_JUMP: Final = 4096
#: `Message.variant`.
_IS_GRPC = 1

_PREFACE, _PREFACE_SIZE, _PRI = PREFACE, len(PREFACE), 0x50524920
_HEADER, _MAX_DEBUG, _MAX_JUMP = HEADER, MAX_DEBUG, MAX_JUMP
_DATA, _HEADERS, _RST_STREAM, _PUSH_PROMISE = DATA, HEADERS, RST_STREAM, PUSH_PROMISE
_GOAWAY, _CONTINUATION = GOAWAY, CONTINUATION
_END_STREAM, _END_HEADERS, _PADDED, _HAS_PRIORITY = END_STREAM, END_HEADERS, PADDED, HAS_PRIORITY
_AUTHORITY, _METHOD, _PATH, _SCHEME, _STATUS = AUTHORITY, METHOD, PATH, SCHEME, STATUS
_CONTENT_TYPE, _GRPC_MESSAGE, _GRPC_STATUS = CONTENT_TYPE, GRPC_MESSAGE, GRPC_STATUS
_ANSWERED, _GRPC, _UNDECIDED = ANSWERED, GRPC, UNDECIDED
_ATTRIBUTES, _EXCEPTION, _OK, _SERVER_ERROR = ATTRIBUTES, EXCEPTION, OK, SERVER_ERROR
_REFUSED, _REQUEST, _REQUEST_MORE = REFUSED, REQUEST, REQUEST_MORE
_RESPONSE, _RESPONSE_MORE = RESPONSE, RESPONSE_MORE
_NEED_MORE, _INVALID = NEED_MORE, INVALID


class Side:
    """One direction: its fields, and the field block that is not whole yet (RFC 9113 §4.3)."""

    def __init__(self) -> None:
        self.block = Decoder()
        #: The stream that the open block is about; 0: none is open.
        self.stream = 0
        self.ends = False  # END_STREAM comes with HEADERS, and is true after the block
        #: The block is a PUSH_PROMISE's, of that stream.
        self.promises = False
        self.promised = 0

    def lost(self) -> None:
        """What was half said will not be understood."""
        self.stream = 0
        self.block.lost()


class Http2(Parser):
    """`newest` is the client's last stream."""

    def __init__(self) -> None:
        Parser.__init__(self)
        self.client = Side()
        self.server = Side()
        self.streams = Streams()
        self.newest = 0
        #: Of the DATA frame at hand: where its data begins and ends.
        self.data = self.data_end = 0

    def frame(self, cursor: Cursor, at: int, end: int, way: int) -> int:
        if way == 0 and cursor.u8(at) == _PREFACE[0]:
            return self._preface(cursor, at, end)
        if end - at < _HEADER:
            return _NEED_MORE
        if not lawful(cursor, at):
            return _INVALID
        size = _HEADER + length_of(cursor, at)
        kind = cursor.u8(at + 3)
        if kind == _DATA:
            self.enough = min(size, self._data_needed(cursor, at, end, size, way) - at)
        elif kind == _GOAWAY:
            self.enough = min(size, _HEADER + 8 + _MAX_DEBUG)
        elif kind != _HEADERS and kind != _PUSH_PROMISE and kind != _CONTINUATION:
            self.enough = min(size, _HEADER + 4)
        return size

    def parse(self, cursor: Cursor, at: int, end: int, way: int, message: Message) -> bool:
        if way == 0 and cursor.u32(at) == _PRI:
            self._begin()
            return True
        side = self.server if way else self.client
        kind = cursor.u8(at + 3)
        if side.stream and kind != _CONTINUATION:  # RFC 9113 §6.10: nothing else comes between
            side.lost()
        message.id = stream_of(cursor, at)
        if kind == _DATA:
            return self._data(cursor, at, end, way, message)
        if kind == _HEADERS or kind == _PUSH_PROMISE:
            return self._headers(cursor, at, end, way, message)
        if kind == _CONTINUATION:
            if side.stream == 0 or side.stream != message.id:
                side.lost()
                return True
            message.part = _RESPONSE_MORE if way and not side.promises else _REQUEST_MORE
            return self._fragment(
                side, cursor, at + _HEADER, end, at + _HEADER + length_of(cursor, at), at, way, message
            )
        if kind == _RST_STREAM and end - at >= _HEADER + 4:
            self._reset(cursor.u32(at + _HEADER), way, message)
        elif kind == _GOAWAY and way and end - at >= _HEADER + 8:
            self._goaway(cursor, at + _HEADER, end, message)
        return True

    def resync(self, cursor: Cursor, at: int, end: int, way: int) -> int:
        """Two frame headers, one behind the other; or one of a stream that is known, of a frame that ends with the
        bytes, or begins with them."""
        first = at
        while end - at >= _HEADER:
            if cursor.u8(at) == 0 and strict(cursor, at):
                behind = at + _HEADER + length_of(cursor, at)
                if end - behind >= _HEADER:
                    if strict(cursor, behind):
                        return at
                elif (behind == end or at == first) and self._expects(cursor, at, way):
                    return at
            at += 1
        return -1

    def lost(self, way: int) -> None:
        self.streams.gap(way)
        if way:
            self.server.lost()
        else:
            self.client.lost()

    # ---- frames

    def _preface(self, cursor: Cursor, at: int, end: int) -> int:
        for place in range(min(end - at, _PREFACE_SIZE)):
            if cursor.u8(at + place) != _PREFACE[place]:
                return _INVALID
        return _PREFACE_SIZE

    def _begin(self) -> None:
        """The connection is met at its beginning, so both tables are known. After an upgrade, what came is all."""
        if self.client.block.table.inserted == 0:
            self.client.block.table.begin()
        if self.server.block.table.inserted == 0:
            self.server.block.table.begin()

    def _expects(self, cursor: Cursor, at: int, way: int) -> bool:
        """Whether a frame of this stream may well come now."""
        stream = stream_of(cursor, at)
        if stream == 0 or self.streams.find(stream) >= 0:
            return True
        return (
            way == 0
            and cursor.u8(at + 3) == _HEADERS
            and stream & 1 == 1
            and self.newest < stream <= self.newest + _MAX_JUMP
        )

    def _data_bounds(self, cursor: Cursor, at: int, size: int) -> None:
        self.data = at + _HEADER
        self.data_end = at + size
        if cursor.u8(at + 4) & _PADDED:
            self.data_end -= cursor.u8(self.data)
            self.data += 1

    def _data_needed(self, cursor: Cursor, at: int, end: int, size: int, way: int) -> int:
        """Up to where the frame has to be there: the length of gRPC's last message in it."""
        place = self.streams.find(stream_of(cursor, at))
        if place < 0 or not self.streams.known(place, _GRPC):
            return at + _HEADER
        self._data_bounds(cursor, at, size)
        return self.streams.needed(place, way, cursor, self.data, end, self.data_end)

    def _data(self, cursor: Cursor, at: int, end: int, way: int, message: Message) -> bool:
        place = self.streams.find(message.id)
        message.part = _RESPONSE_MORE if way else _REQUEST_MORE
        if place < 0:
            message.ends = way == 1 and cursor.u8(at + 4) & _END_STREAM != 0
            return True
        if self.streams.known(place, _GRPC):
            self._data_bounds(cursor, at, _HEADER + length_of(cursor, at))
            self.streams.count(place, way, cursor, self.data, end, self.data_end)
        if way:
            self.streams.note(place, _ANSWERED)
            if cursor.u8(at + 4) & _END_STREAM:
                if self.streams.known(place, _UNDECIDED):  # gRPC ends with trailers
                    message.status = _OK
                self._end(place, message)
        return True

    def _end(self, place: int, message: Message) -> None:
        """The stream is over, and with it the call."""
        message.ends = True
        if self.streams.known(place, _GRPC):
            if message.length_of(_ATTRIBUTES) == 0:
                message.begin(_ATTRIBUTES)
            response.put_messages(self.streams.messages(place, 0), self.streams.messages(place, 1), message)
        self.streams.close(place)

    def _reset(self, error: int, way: int, message: Message) -> None:
        """RST_STREAM: of a request by its client, of a response by the server."""
        place = self.streams.find(message.id)
        grpc = place >= 0 and self.streams.known(place, _GRPC)
        message.part = _RESPONSE_MORE if way else _REQUEST_MORE
        message.ends = True
        if error or (grpc and way):
            if error < len(ERRORS):
                message.put_text(_EXCEPTION, ERRORS[error])
            message.status = of_reset(error, way)
            if grpc:
                message.has_code = True
                message.code = grpc_of_reset(error)
                message.status = of_grpc(message.code)
        if place >= 0:
            self._end(place, message)
            if way == 0:  # what is on its way to the client is no answer to anything
                self.streams.open(message.id, _ANSWERED)

    def _goaway(self, cursor: Cursor, at: int, end: int, message: Message) -> None:
        """Of the client's streams, which have odd numbers, those behind this one were not and will not be looked at."""
        message.part = _REFUSED
        message.id = cursor.u32(at) & 0x7FFFFFFF
        message.hint = 1
        message.status = _SERVER_ERROR
        message.begin(_EXCEPTION)
        error = cursor.u32(at + 4)
        message.add_text(ERRORS[error] if error < len(ERRORS) else b"GOAWAY")
        if end > at + 8:
            message.add_text(b": ")
            message.add_from(cursor, at + 8, min(end - at - 8, _MAX_DEBUG))

    # ---- field blocks

    def _headers(self, cursor: Cursor, at: int, end: int, way: int, message: Message) -> bool:
        """HEADERS or PUSH_PROMISE: a block begins."""
        side = self.server if way else self.client
        flags = cursor.u8(at + 4)
        place = at + _HEADER
        stop = place + length_of(cursor, at)
        if flags & _PADDED:
            stop -= cursor.u8(place)
            place += 1
        side.promises = cursor.u8(at + 3) == _PUSH_PROMISE
        side.stream = message.id
        side.ends = not side.promises and flags & _END_STREAM != 0
        side.block.begin()
        if side.promises:
            message.id = cursor.u32(place) & 0x7FFFFFFF
            side.promised = message.id
            place += 4
        elif flags & _HAS_PRIORITY:
            place += 5
        if place > stop:
            side.lost()
            return False
        self._opens(side, way, message)
        return self._fragment(side, cursor, place, end, stop, at, way, message)

    def _opens(self, side: Side, way: int, message: Message) -> None:
        """Which part of a call the block is, as far as its stream tells."""
        place = self.streams.find(message.id)
        if side.promises:
            message.part = _REQUEST
        elif way:
            answered = place >= 0 and self.streams.known(place, _ANSWERED)
            message.part = _RESPONSE_MORE if answered else _RESPONSE
        elif place < 0 and message.id > self.newest:
            message.part = _REQUEST
            self.newest = message.id
        else:
            message.part = _REQUEST_MORE  # trailers

    def _fragment(
        self, side: Side, cursor: Cursor, at: int, end: int, stop: int, frame: int, way: int, message: Message
    ) -> bool:
        """A part of a field block, at `at` in the frame at `frame`, and what it says if that is the last of it."""
        there = min(end, stop)
        if at < there and not side.block.feed(cursor, at, there):
            side.lost()
            return False
        cut = there < stop
        whole = cut or cursor.u8(frame + 4) & _END_HEADERS != 0
        if whole and not cut and not side.block.whole():
            side.lost()
            return False
        if side.promises:
            message.id = side.promised
        if way and not side.promises:
            self._response(side, whole, message)
        else:
            self._request(side, whole, message)
        if cut:
            message.cut = True
            side.lost()
        elif whole:
            side.stream = 0
        return True

    def _request(self, side: Side, whole: bool, message: Message) -> None:
        """A stream begins with its first fragment, and is told when the block is whole. What has no pseudo-header is
        a trailer section, or its pseudo-headers are unknown."""
        block = side.block
        asks = block.has(_METHOD) or block.has(_PATH) or block.has(_SCHEME) or block.has(_AUTHORITY)
        if message.part == _REQUEST and whole and not asks and block.unknown == 0:
            message.part = _REQUEST_MORE
        place = self.streams.find(message.id)
        if message.part == _REQUEST and place < 0:
            place = self.streams.open(message.id, 0)
        if not whole or (not asks and message.part != _REQUEST):
            return
        grpc = request.is_grpc(block)
        if grpc:
            message.variant = _IS_GRPC
            if place >= 0:
                self.streams.note(place, _GRPC)
        elif place >= 0 and request.is_undecided(block):
            self.streams.note(place, _UNDECIDED)
        request.put(block, grpc, self.redacts, message)

    def _response(self, side: Side, whole: bool, message: Message) -> None:
        """Interim responses (1xx) come before the one that counts."""
        block = side.block
        code = response.number(block, _STATUS)
        if 100 <= code < 200:
            message.part = 0
            return
        if code < 0 and block.unknown == 0:
            message.part = _RESPONSE_MORE  # trailers
        place = self.streams.find(message.id)
        if place >= 0:
            self.streams.note(place, _ANSWERED)
        if not whole:
            return
        grpc = request.is_grpc(block) or block.has(_GRPC_STATUS) or block.has(_GRPC_MESSAGE)
        if place >= 0:
            if grpc:
                self.streams.note(place, _GRPC)
            grpc = self.streams.known(place, _GRPC)
            if grpc or (code >= 0 and (code != 200 or block.has(_CONTENT_TYPE))):
                self.streams.drop(place, _UNDECIDED)
        if grpc:
            message.variant = _IS_GRPC
        response.put(block, grpc, message)
        if place >= 0 and self.streams.known(place, _UNDECIDED) and not side.ends:
            message.status = 0  # 200 is how gRPC begins, whatever becomes of it
        if side.ends:
            message.ends = True
            if place >= 0:
                self._end(place, message)
