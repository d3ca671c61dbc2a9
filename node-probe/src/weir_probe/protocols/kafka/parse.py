# cython: annotation_typing=False
"""A size, a header, and a body that is as the API and its version say. A response says neither: its request did."""

from __future__ import annotations

from weir_probe.protocols.kafka import programs
from weir_probe.protocols.kafka.body import Body
from weir_probe.protocols.kafka.detect import detect
from weir_probe.protocols.kafka.errors import SERVERS, error_name
from weir_probe.protocols.kafka.records import Batch
from weir_probe.protocols.message import (
    ATTRIBUTES,
    CLIENT_ERROR,
    ENDPOINT,
    EXCEPTION,
    OK,
    ONE_WAY,
    REQUEST,
    RESOURCE,
    RESPONSE,
    RESULT,
    SERVER_ERROR,
    TYPE,
    Message,
)
from weir_probe.protocols.parser import FROM_CLIENT, INVALID, NEED_MORE, Parser
from weir_probe.wire.cursor import Cursor

#: A message is waited for up to here, so that what it is about is there to be told.
WHOLE = 8192
#: socket.request.max.bytes of a broker, and what an array in Java can hold.
_MAX_REQUEST, _MAX_RESPONSE = 104_857_600, 0x7FFFFFFF
_WHOLE, _NEED_MORE, _INVALID = WHOLE, NEED_MORE, INVALID
_FROM_CLIENT = FROM_CLIENT
_REQUEST, _RESPONSE, _ONE_WAY, _OK = REQUEST, RESPONSE, ONE_WAY, OK
_CLIENT_ERROR, _SERVER_ERROR = CLIENT_ERROR, SERVER_ERROR
_TYPE, _RESOURCE, _ENDPOINT, _EXCEPTION = TYPE, RESOURCE, ENDPOINT, EXCEPTION
_RESULT, _ATTRIBUTES = RESULT, ATTRIBUTES
_PRODUCE, _FETCH, _METADATA, _API_VERSIONS, _CREATE_TOPICS, _CONTROLLED_SHUTDOWN = 0, 1, 3, 18, 19, 7
_STARTS, _FLEXIBLE, _NAMES = programs.STARTS.data, programs.FLEXIBLE.data, programs.NAMES
_KEYS, _VERSIONS = programs.KEYS, programs.VERSIONS
_HINTED = 1 << 32
_COMPRESSIONS = (b"none", b"gzip", b"snappy", b"lz4", b"zstd")
#: RFC 4648 §5, as Kafka writes its ids (org.apache.kafka.common.Uuid).
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class Kafka(Parser):
    """Calls pair by correlation id. What a fetch session is about is remembered, and topics' names by their ids."""

    def __init__(self) -> None:
        Parser.__init__(self)
        self.body = Body()
        self.batch = Batch()
        #: The last correlation id that was asked with.
        self.asked = 0
        #: Topic and partition of the last fetch that named some; those after it may only say what is new (KIP-227).
        self.fetched = b""
        self.fetched_partition = -1

    def frame(self, cursor: Cursor, at: int, end: int, way: int) -> int:
        if end - at < 4:
            return _NEED_MORE
        size = cursor.u32(at)
        if size < (4 if way else 8) or size > (_MAX_RESPONSE if way else _MAX_REQUEST):
            return _INVALID
        if way == 0 and end - at >= 8 and not self._is_known(cursor.u16(at + 4)):
            return _INVALID
        self.enough = min(4 + size, _WHOLE)
        return 4 + size

    def parse(self, cursor: Cursor, at: int, end: int, way: int, message: Message) -> bool:
        if way:
            return self._response(cursor, at, end, message)
        return self._request(cursor, at, end, message)

    def resync(self, cursor: Cursor, at: int, end: int, way: int) -> int:
        """Of the client what detection takes; of the server responses to what was asked lately, as far as they go."""
        while at + 8 <= end:
            if way:
                if self._answers(cursor, at):
                    behind = at + 4 + cursor.u32(at)
                    if behind + 8 > end or self._answers(cursor, behind):
                        return at
            elif detect(cursor, at, end) == _FROM_CLIENT:
                return at
            at += 1
        return -1

    def answered(self, cursor: Cursor, at: int, end: int) -> int:
        return cursor.u32(at + 4)

    def _is_known(self, key: int) -> bool:
        return key < _KEYS and len(_NAMES[key]) > 0

    def _answers(self, cursor: Cursor, at: int) -> bool:
        """Whether there is a response to one of the last requests."""
        size = cursor.u32(at)
        return 4 <= size <= _MAX_RESPONSE and 0 <= self.asked - cursor.u32(at + 4) < 1024

    # ---- requests

    def _request(self, cursor: Cursor, at: int, end: int, message: Message) -> bool:
        key = cursor.u16(at + 4)
        version = cursor.u16(at + 6)
        if end - at < 12 or not self._is_known(key):
            return False
        message.part = _REQUEST
        message.id = cursor.u32(at + 8)
        message.hint = _HINTED | key << 16 | version
        self.asked = cursor.u32(at + 8)
        program = _STARTS[key, 0, version] if version < _VERSIONS else -1
        flexible = version >= _FLEXIBLE[key]
        client = at + 14
        length = 0
        place = at + 12
        if key != _CONTROLLED_SHUTDOWN or version > 0:  # whose first version had a header without
            length = cursor.u16(place)
            if length == 0xFFFF:
                length = 0
            elif length > 0x7FFF:
                return False
            place += 2 + length
            if flexible:
                place = self.body.skip_tags(cursor, place, end)
        message.begin(_ATTRIBUTES)
        self.body.reset()
        self.body.lists = True
        self.body.learns = False
        if place > 0 and program >= 0:
            self.body.read(cursor, place, end, program, flexible, message)
            if self.body.topics > 1:
                message.add(0)
        self._attribute(b"messaging.client.id\0", cursor, client, length, message)
        self._attribute(b"messaging.consumer.group.name\0", cursor, self.body.group, self.body.group_length, message)
        self._attribute(
            b"messaging.kafka.transactional_id\0", cursor, self.body.transaction, self.body.transaction_length, message
        )
        message.add_text(b"messaging.kafka.api_version\0")
        message.add_number(version)
        message.add(0)
        if key == _FETCH and self.body.offset:
            message.add_text(b"messaging.kafka.offset\0")
            self._add_offset(cursor, message)
            message.add(0)
        self._records(cursor, end, message)
        message.put_text(_TYPE, _NAMES[key])
        self._topic(cursor, key, message)
        if key == _PRODUCE and self.body.acks == 0:
            message.part = _ONE_WAY
        return True

    def _attribute(self, name: bytes, cursor: Cursor, at: int, length: int, message: Message) -> None:
        if length > 0:
            message.add_text(name)
            message.add_from(cursor, at, min(length, 128))
            message.add(0)

    def _records(self, cursor: Cursor, end: int, message: Message) -> None:
        """What the records say that are sent; attributes are begun, and done after this."""
        if self.body.records_length <= 0:
            return
        at = self.body.records
        end = min(end, at + self.body.records_length)
        self.batch.read(cursor, at, end)
        if self.batch.count >= 0:
            message.add_text(b"messaging.batch.message_count\0")
            message.add_number(self.batch.count)
            message.add(0)
        if 0 < self.batch.compression < 5:
            message.add_text(b"messaging.kafka.compression\0")
            message.add_text(_COMPRESSIONS[self.batch.compression])
            message.add(0)
        self.batch.read_trace(cursor, at, end, message)

    def _topic(self, cursor: Cursor, key: int, message: Message) -> None:
        """The first topic that is named, and with its partition."""
        message.begin(_RESOURCE)
        if self.body.topic_length or self.body.topic_id:
            self._add_topic(cursor, message)
            message.begin(_ENDPOINT)
            self._add_topic(cursor, message)
            if key == _FETCH:
                self._remember(message)
                self.fetched_partition = self.body.partition
            self._add_partition(self.body.partition, message)
        elif key == _FETCH and self.fetched:
            message.add_text(self.fetched)
            message.begin(_ENDPOINT)
            message.add_text(self.fetched)
            self._add_partition(self.fetched_partition, message)

    def _remember(self, message: Message) -> None:
        """The topic that has just been written, unless it is the last one again."""
        length = message.length_of(_RESOURCE)
        same = length == len(self.fetched)
        place = 0
        while same and place < length:
            same = message.text[message.start[_RESOURCE] + place] == self.fetched[place]
            place += 1
        if not same:
            self.fetched = message.of(_RESOURCE)

    def _add_partition(self, partition: int, message: Message) -> None:
        if partition >= 0:
            message.add(0x2D)
            message.add_number(partition)

    def _add_topic(self, cursor: Cursor, message: Message) -> None:
        """By its name, or the id that it has instead (KIP-516)."""
        if self.body.topic_length > 0:
            message.add_from(cursor, self.body.topic, self.body.topic_length)
        elif self.body.topic_id > 0:
            if self.body.names:
                name = self.body.names.get(cursor.copied(self.body.topic_id, self.body.topic_id + 16))
                if name is not None:
                    message.add_text(name)
                    return
            self._add_id(cursor, self.body.topic_id, message)

    def _add_id(self, cursor: Cursor, at: int, message: Message) -> None:
        held = 0
        bits = 0
        for place in range(at, at + 16):
            held = (held << 8 | cursor.u8(place)) & 0xFFFF
            bits += 8
            while bits >= 6:
                bits -= 6
                message.add(_BASE64[held >> bits & 63])
        message.add(_BASE64[held << 6 - bits & 63])

    def _add_offset(self, cursor: Cursor, message: Message) -> None:
        at = self.body.offset
        high = cursor.u32(at)
        if high > 0x7FFFFFFF:
            message.add_text(b"-1")
        else:
            message.add_number(high << 32 | cursor.u32(at + 4))

    # ---- responses

    def _response(self, cursor: Cursor, at: int, end: int, message: Message) -> bool:
        if end - at < 8:
            return False
        message.part = _RESPONSE
        message.ends = True
        message.id = cursor.u32(at + 4)
        if not self.hinted:
            return True
        key = self.hint >> 16 & 0xFFFF
        version = self.hint & 0xFFFF
        message.status = _OK
        program = _STARTS[key, 1, version] if version < _VERSIONS else -1
        if program < 0:
            return True
        flexible = version >= _FLEXIBLE[key]
        place = at + 8
        if flexible and key != _API_VERSIONS:  # whose client does not know yet what the server understands (KIP-511)
            place = self.body.skip_tags(cursor, place, end)
        self.body.reset()
        self.body.lists = False
        self.body.learns = key in (_METADATA, _CREATE_TOPICS)
        if place > 0:
            self.body.read(cursor, place, end, program, flexible, message)
        message.has_code = True
        message.code = self.body.error
        if self.body.error:
            message.status = _SERVER_ERROR if self.body.error in SERVERS else _CLIENT_ERROR
            message.put_text(_EXCEPTION, error_name(self.body.error))
        elif key == _PRODUCE and self.body.offset:
            message.begin(_RESULT)
            self._add_topic(cursor, message)
            self._add_partition(self.body.partition, message)
            message.add(0x3A)
            self._add_offset(cursor, message)
        if key == _FETCH and self.body.records_length > 0:
            self.batch.read(cursor, self.body.records, end)
            self.batch.read_trace(
                cursor, self.body.records, min(end, self.body.records + self.body.records_length), message
            )
        return True
