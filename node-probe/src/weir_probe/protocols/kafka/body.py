# cython: annotation_typing=False
# ruff: noqa: PLR0917 -- C calls are positional
"""Walks the body of a message by its program, and notes what is of interest. Positions are in the cursor."""

from __future__ import annotations

from weir_probe.protocols.kafka import programs
from weir_probe.protocols.message import ATTRIBUTES, Message
from weir_probe.wire.cursor import Cursor

#: Answers of `Body.read` where it does not get to the end: the bytes do not; they are no such message.
CUT, BAD = -1, -2
_CUT, _BAD = CUT, BAD
_CODE = programs.CODE.data
_END, _SKIP, _BYTES, _ARRAY, _STRUCTURE = (
    programs.END,
    programs.SKIP,
    programs.BYTES,
    programs.ARRAY,
    programs.STRUCTURE,
)
_TAGS, _TOPIC, _TOPIC_ID, _PARTITION = programs.TAGS, programs.TOPIC, programs.TOPIC_ID, programs.PARTITION
_ERROR, _GROUP, _TRANSACTION, _ACKS = programs.ERROR, programs.GROUP, programs.TRANSACTION, programs.ACKS
_OFFSET, _RECORDS = programs.OFFSET, programs.RECORDS
_ATTRIBUTES = ATTRIBUTES
#: Bytes of attributes after which no further topic is listed; topics that are remembered.
_MAX_LISTED, _MAX_NAMES = 256, 1024
_SIGN_32, _ALL_32 = 0x80000000, 0xFFFFFFFF


class Body:
    """Of each kind of value the first that is there; a length of 0, or a position of 0: there is none."""

    def __init__(self) -> None:
        self.flexible = False
        #: Further topics are appended to the attributes, which are begun.
        self.lists = False
        #: Names of topics are remembered by their ids, where the message has both.
        self.learns = False
        self.names: dict[bytes, bytes] = {}
        self.length = 0  # what `_measure` has read
        self.reset()

    def reset(self) -> None:
        self.topics = 0
        self.topic = self.topic_length = 0
        self.last_topic = self.last_topic_length = 0
        self.topic_id = 0
        self.partition = -1
        self.group = self.group_length = 0
        self.transaction = self.transaction_length = 0
        self.acks = 1
        self.offset = 0
        self.records = self.records_length = 0
        self.error = 0

    def read(self, cursor: Cursor, at: int, end: int, program: int, flexible: bool, message: Message) -> int:
        """Behind the body that starts at `at`, or CUT, BAD; what was found on the way counts."""
        self.reset()
        self.flexible = flexible
        return self._walk(cursor, at, end, program, message)

    def skip_tags(self, cursor: Cursor, at: int, end: int) -> int:
        """Behind tagged fields: a number of them, then tag, size and value of each (KIP-482)."""
        at = self._varint(cursor, at, end)
        count = self.length
        while at >= 0 and count > 0:
            at = self._varint(cursor, at, end)
            if at >= 0:
                at = self._varint(cursor, at, end)
            if at >= 0:
                at += self.length
                if at > end:
                    return _CUT
            count -= 1
        return at

    def _walk(self, cursor: Cursor, at: int, end: int, place: int, message: Message) -> int:
        while True:
            operation = _CODE[place]
            argument = _CODE[place + 1]
            place += 2
            if operation == _END:
                return at
            if operation == _SKIP:
                at += argument
            elif operation == _TAGS:
                at = self.skip_tags(cursor, at, end)
            elif operation == _ARRAY:
                at = self._array(cursor, at, end, place, message)
                place = argument
            elif operation == _STRUCTURE:
                if at >= end:
                    return _CUT
                at += 1
                if cursor.u8(at - 1) < 0x80:
                    at = self._walk(cursor, at, end, place, message)
                place = argument
            elif operation == _PARTITION:
                if self.partition < 0 and at + 4 <= end and cursor.u32(at) < _SIGN_32:
                    self.partition = cursor.u32(at)
                at += 4
            elif operation == _ERROR:
                if self.error == 0 and at + 2 <= end:
                    self.error = cursor.u16(at)
                    if self.error >= 0x8000:
                        self.error -= 0x10000
                at += 2
            elif operation == _ACKS:
                self.acks = cursor.u16(at)
                at += 2
            elif operation == _OFFSET:
                if self.offset == 0 and at + 8 <= end:
                    self.offset = at
                at += 8
            elif operation == _TOPIC_ID:
                self._note_id(cursor, at, end)
                at += 16
            else:
                at = self._measure(cursor, at, end, operation in (_BYTES, _RECORDS))
                if at < 0:
                    return at
                if self.length > 0:
                    self._note(cursor, at, min(self.length, end - at), operation, message)
                    at += self.length
            if at < 0:
                return at
            if at > end:
                return _CUT

    def _array(self, cursor: Cursor, at: int, end: int, place: int, message: Message) -> int:
        at = self._measure(cursor, at, end, True)
        count = self.length
        while count > 0 and at >= 0:
            if at >= end:
                return _CUT
            begun = at
            at = self._walk(cursor, at, end, place, message)
            if at == begun:
                return _BAD
            count -= 1
        return at

    def _note(self, cursor: Cursor, at: int, length: int, operation: int, message: Message) -> None:
        """A string or bytes that are there, as far as they are."""
        if operation == _TOPIC:
            self.last_topic = at
            self.last_topic_length = length
            if self.topic_length == 0:
                self.topic = at
                self.topic_length = length
            elif self.lists:
                self._list(cursor, at, length, message)
            self.topics += 1
        elif operation == _RECORDS:
            if self.records_length == 0:
                self.records = at
                self.records_length = length
        elif operation == _GROUP:
            if self.group_length == 0:
                self.group = at
                self.group_length = length
        elif operation == _TRANSACTION and self.transaction_length == 0:
            self.transaction = at
            self.transaction_length = length

    def _list(self, cursor: Cursor, at: int, length: int, message: Message) -> None:
        if message.length_of(_ATTRIBUTES) >= _MAX_LISTED:
            message.cut = True
        elif self.topics == 1:
            message.add_text(b"messaging.kafka.more_topics\0")
            message.add_from(cursor, at, length)
        else:
            message.add(0x2C)
            message.add_from(cursor, at, length)

    def _note_id(self, cursor: Cursor, at: int, end: int) -> None:
        if at + 16 > end:
            return
        if not (cursor.u32(at) | cursor.u32(at + 4) | cursor.u32(at + 8) | cursor.u32(at + 12)):
            return  # Uuid.ZERO_UUID: none
        if self.topic_id == 0:
            self.topic_id = at
        if self.learns and self.last_topic_length and len(self.names) < _MAX_NAMES:
            name = cursor.copied(self.last_topic, self.last_topic + self.last_topic_length)
            self.names[cursor.copied(at, at + 16)] = name

    def _measure(self, cursor: Cursor, at: int, end: int, wide: bool) -> int:
        """Read a length into `length` (-1: null), of two bytes, or four, or a compact one; behind it."""
        if self.flexible:
            at = self._varint(cursor, at, end)
            self.length -= 1
            return at
        if wide:
            if at + 4 > end:
                return _CUT
            self.length = -1
            if cursor.u32(at) != _ALL_32:
                if cursor.u32(at) >= _SIGN_32:
                    return _BAD
                self.length = cursor.u32(at)
            return at + 4
        if at + 2 > end:
            return _CUT
        self.length = cursor.u16(at)
        if self.length >= 0x8000:
            if self.length != 0xFFFF:
                return _BAD
            self.length = -1
        return at + 2

    def _varint(self, cursor: Cursor, at: int, end: int) -> int:
        """Read an unsigned varint of five bytes at most into `length`; behind it."""
        value = 0
        shift = 0
        while shift < 35:
            if at >= end:
                return _CUT
            octet = cursor.u8(at)
            at += 1
            value |= (octet & 0x7F) << shift
            if octet < 0x80:
                self.length = value
                return at if value < _SIGN_32 else _BAD
            shift += 7
        return _BAD
