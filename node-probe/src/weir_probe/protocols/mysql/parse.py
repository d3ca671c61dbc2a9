# cython: annotation_typing=False
"""A call is a command with all that answers it; so is the login. Commands without an answer are calls one way.

Packets are numbered from 0 on for each command, so a command is told from what belongs to the one before, and the first
packet of an answer, which has number 1, from the rest of one whose beginning was not seen.
"""

from __future__ import annotations

from typing import Final

from weir_probe.protocols.message import (
    ONE_WAY,
    REQUEST,
    REQUEST_ID,
    REQUEST_MORE,
    RESOURCE,
    RESPONSE,
    RESPONSE_MORE,
    TYPE,
    Message,
)
from weir_probe.protocols.mysql.answer import ENDS, NONSENSE, Answer
from weir_probe.protocols.mysql.command import behind_attributes, read_login
from weir_probe.protocols.mysql.inflate import Inflated
from weir_probe.protocols.mysql.wire import (
    BULK_EXECUTE,
    CHANGE_USER,
    CLOSE,
    COMPRESS,
    CONNECT,
    DEPRECATE_EOF,
    EXECUTE,
    FETCH,
    FIELD_LIST,
    FULL_PACKET,
    INIT_DB,
    LONG_DATA,
    PING,
    PREPARE,
    PROTOCOL_41,
    QUERY,
    QUERY_ATTRIBUTES,
    QUIT,
    RESET,
    RESET_CONNECTION,
    SECURE_CONNECTION,
    STATISTICS,
    TLS,
    ZSTD,
    is_command,
    is_compressed,
    name_of,
    u24,
)
from weir_probe.protocols.parser import INVALID, NEED_MORE, Parser
from weir_probe.protocols.sql import Sql
from weir_probe.protocols.sql_statements import Prepared, Statements
from weir_probe.protocols.strings import text_end
from weir_probe.wire.cursor import Cursor

#: Of a command, of an answer's packet, and of a compressed packet, what is waited for.
WHOLE_COMMAND: Final = 8192
WHOLE_ANSWER: Final = 1024
WHOLE_COMPRESSED: Final = 16_384
_WHOLE_COMMAND, _WHOLE_ANSWER, _WHOLE_COMPRESSED = WHOLE_COMMAND, WHOLE_ANSWER, WHOLE_COMPRESSED
_NEED_MORE, _INVALID, _ENDS, _NONSENSE, _FULL_PACKET = NEED_MORE, INVALID, ENDS, NONSENSE, FULL_PACKET
_REQUEST, _REQUEST_MORE, _RESPONSE, _RESPONSE_MORE, _ONE_WAY = REQUEST, REQUEST_MORE, RESPONSE, RESPONSE_MORE, ONE_WAY
_TYPE, _RESOURCE, _REQUEST_ID = TYPE, RESOURCE, REQUEST_ID
_BULK_EXECUTE, _CHANGE_USER, _CLOSE, _CONNECT = BULK_EXECUTE, CHANGE_USER, CLOSE, CONNECT
_EXECUTE, _FETCH = EXECUTE, FETCH
_FIELD_LIST, _INIT_DB, _LONG_DATA, _PREPARE, _QUERY, _QUIT = FIELD_LIST, INIT_DB, LONG_DATA, PREPARE, QUERY, QUIT
_PING, _RESET, _RESET_CONNECTION, _STATISTICS = PING, RESET, RESET_CONNECTION, STATISTICS
_COMPRESS, _DEPRECATE_EOF, _PROTOCOL_41, _QUERY_ATTRIBUTES = COMPRESS, DEPRECATE_EOF, PROTOCOL_41, QUERY_ATTRIBUTES
_SECURE_CONNECTION, _TLS, _ZSTD = SECURE_CONNECTION, TLS, ZSTD
#: hint: the command in its lowest byte, whether it takes several packets, and a number of its own above.
_BIG: Final = 0x100
_NUMBER: Final = 9
#: What a server offers whose greeting was not captured whole.
_ANY: Final = 0xFFFFFFFF
#: The statement that was prepared last, whose id the client need not know yet (MariaDB).
_LATEST: Final = 0xFFFFFFFF
#: Character sets whose characters of two bytes may end in a backslash: Big5, Shift JIS, GBK, CP932, GB18030.
_WIDE: Final = (1, 13, 28, 84, 87, 88, 95, 96, 248, 249, 250)


class MySQL(Parser):
    """`commands` numbers the commands. A statement that is being prepared is kept by its command's hint."""

    def __init__(self) -> None:
        super().__init__()
        self.sql = Sql(True)
        self.answer = Answer()
        self.statements = Statements()  # by id
        self.preparing = Statements()  # by hint
        self.commands = 0
        self.latest: Prepared | None = None
        self.connects = False
        self.logs_in = False  # the client's first packet has come
        self.capabilities = 0  # of both: some clients state what the server has not offered
        self.offers = 0  # the server's
        self.compressed = -1  # not known yet
        self.continues = False  # the client's packet before was full
        self.from_client = Inflated()
        self.from_server = Inflated()

    def frame(self, cursor: Cursor, at: int, end: int, way: int) -> int:
        if end - at < 4:
            return _INVALID if self.final else _NEED_MORE
        size = u24(cursor, at)
        if self.compressed < 0:
            if end - at < 12 and end - at < size + 4:
                return _INVALID if self.final else _NEED_MORE
            self.compressed = is_compressed(cursor, at, end)
        if self.compressed > 0:
            self.enough = min(size + 7, _WHOLE_COMPRESSED)
            return size + 7
        size += 4
        if way:
            self.enough = min(size, _WHOLE_ANSWER)
            if end - at >= size > 4 and cursor.u8(at + 4) < 0xFE:
                return self.answer.run(cursor, at + size, end) - at
            return size
        self.enough = min(size, _WHOLE_COMMAND)
        if self.connects or self.continues or self.answer.wants_file or cursor.u8(at + 3):
            return size
        if end - at < 5:
            return _INVALID if self.final else _NEED_MORE
        return size if _is_plausible(size - 4, cursor.u8(at + 4)) else _INVALID

    def parse(self, cursor: Cursor, at: int, end: int, way: int, message: Message) -> bool:
        if self.compressed > 0:
            return self._inflate(cursor, at, end, way, message)
        if way == 0:
            return self._command(cursor, at, end, message)
        while at < end and not message.ends:
            if not self._answer(cursor, at, message):
                return False
            at += u24(cursor, at) + 4
        return True

    def resync(self, cursor: Cursor, at: int, end: int, way: int) -> int:
        """Where a command, or an answer's first packet, is the beginning of packets that go on to the end."""
        if self.compressed > 0:
            return at if is_compressed(cursor, at, end) else -1
        first = 1 if way else 0
        while end - at >= 5:
            if cursor.u8(at + 3) == first and (way or _is_plausible(u24(cursor, at), cursor.u8(at + 4))):
                place = at
                seq = first
                while end - place >= 4 and cursor.u8(place + 3) == seq:
                    place += u24(cursor, place) + 4
                    seq = (seq + way) & 0xFF
                if place == end or (place > end and seq > first):
                    return at
            at += 1
        return -1

    def lost(self, way: int) -> None:
        self.answer.begin()
        self.continues = False
        self.preparing.clear()
        self.from_client.forget()
        self.from_server.forget()

    # ---- the compressed protocol

    def _inflate(self, cursor: Cursor, at: int, end: int, way: int, message: Message) -> bool:
        """All packets that it completes are one frame: it has one command, or a part of one answer."""
        inflated = self.from_server if way else self.from_client
        stop = inflated.feed(cursor, at, end)
        if stop < 0:
            return False
        place = 0
        size = inflated.size(place, stop)
        while size > 0:
            if way:
                if message.ends:
                    break
                if not self._answer(inflated.cursor, place, message):
                    return False
            elif not self._command(inflated.cursor, place, min(stop, place + size), message):
                return False
            place += size
            size = inflated.size(place, stop)
        inflated.taken(place, stop)
        return True

    # ---- commands

    def _command(self, cursor: Cursor, at: int, end: int, message: Message) -> bool:
        size = u24(cursor, at)
        continued = self.continues
        self.continues = size == _FULL_PACKET
        if self.connects:
            return self._login(cursor, at, end, message)
        uploads = self.answer.wants_file  # beyond 255 its packets are numbered from 0 again
        if uploads and size == 0:
            self.answer.wants_file = False
        if continued or uploads or cursor.u8(at + 3):  # the rest of a command, or of what the server has asked for
            message.part = _REQUEST_MORE
            return True
        command = cursor.u8(at + 4)
        body = at + 5
        if not _is_plausible(size, command):
            return False
        if at + 4 + size > end or size == _FULL_PACKET:
            message.cut = True
        message.put_text(_TYPE, name_of(command))
        if command == _QUIT or command == _CLOSE or command == _LONG_DATA:
            message.part = _ONE_WAY
        else:
            message.part = _REQUEST
            self.commands += 1
            message.hint = self.commands << _NUMBER | (_BIG if size == _FULL_PACKET else 0) | command
        if command == _QUERY or command == _PREPARE:
            if command == _QUERY:
                body = self._behind_attributes(cursor, body, end, message)
            self.sql.escapes = self.answer.escapes
            self.sql.read(cursor, body, end, message, self.redacts)
            if command == _PREPARE:
                self.latest = Prepared()
                self.latest.keep(message, _TYPE)
                self.preparing.remember(message.hint, self.latest)
        elif command == _INIT_DB:
            message.put(_RESOURCE, cursor, body, min(end - body, _WHOLE_ANSWER // 4))
        elif command == _FIELD_LIST:
            message.put(_RESOURCE, cursor, body, min(text_end(cursor, body, end) - body, _WHOLE_ANSWER // 4))
        elif command == _CHANGE_USER:
            read_login(cursor, body, end, self.capabilities | _SECURE_CONNECTION | 8, message)
            self.statements.clear()
        elif command == _RESET_CONNECTION:
            self.statements.clear()
        elif command == _BULK_EXECUTE or (_EXECUTE <= command <= _RESET) or command == _FETCH:
            self._of_statement(cursor.u32le(body), command, message)
        return True

    def _of_statement(self, ident: int, command: int, message: Message) -> None:
        """A command that names a prepared statement."""
        if ident == _LATEST:
            statement = self.latest
        else:
            message.begin(_REQUEST_ID)
            message.add_number(ident)
            statement = self.statements.find(ident)
        if command == _CLOSE:
            self.statements.forget(ident)
        elif statement is not None:
            statement.tell(message)

    def _behind_attributes(self, cursor: Cursor, at: int, end: int, message: Message) -> int:
        """Without the login, attributes are told by two bytes that no statement begins with."""
        if self.capabilities & _QUERY_ATTRIBUTES or (
            not self.capabilities and cursor.u8(at) < 0x09 and cursor.u8(at + 1) == 1
        ):
            return behind_attributes(cursor, at, end, message)
        return at

    def _login(self, cursor: Cursor, at: int, end: int, message: Message) -> bool:
        if self.logs_in:
            message.part = _REQUEST_MORE  # a password, or a proof of it
            return True
        capabilities = cursor.u32le(at + 4)
        if u24(cursor, at) == 32 and capabilities & _TLS:
            self.switches = True
            return True
        self.logs_in = True
        self.capabilities = capabilities & self.offers
        message.part = _REQUEST
        message.hint = _CONNECT
        message.put_text(_TYPE, name_of(_CONNECT))
        if capabilities & _PROTOCOL_41:
            self.answer.deprecates = 1 if self.capabilities & _DEPRECATE_EOF else 0
            self.sql.wide = cursor.u8(at + 12) in _WIDE
            read_login(cursor, at + 36, end, capabilities, message)
        return True

    # ---- answers

    def _answer(self, cursor: Cursor, at: int, message: Message) -> bool:
        seq = cursor.u8(at + 3)
        answer = self.answer
        command = self.hint & 0xFF if self.hinted else _QUERY
        in_turns = command != _CONNECT and command != _CHANGE_USER  # not those in which the client's count too
        if seq == 0 and not answer.begun and not self.hinted:
            return self._greets(cursor, at, message)
        if answer.begun and in_turns and not answer.follows(seq):
            answer.begin()  # its end was not seen
        if not answer.begun:
            if seq != 1 and in_turns and not self.hint & _BIG:
                return True  # the rest of an answer whose beginning was not seen
            message.part = _RESPONSE
        elif message.part != _RESPONSE:
            message.part = _RESPONSE_MORE
        outcome = answer.take(cursor, at, message, command, self.redacts)
        if outcome == _NONSENSE:
            answer.begin()
            return False
        if answer.prepared and message.part == _RESPONSE and message.length_of(_REQUEST_ID) == 0:
            self._prepared(message)
        if outcome == _ENDS:
            message.ends = True
            answer.begin()
            if command == _CONNECT:
                self._logged_in(message)
        return True

    def _greets(self, cursor: Cursor, at: int, message: Message) -> bool:
        """The server begins a connection, or refuses it."""
        if cursor.u8(at + 4) == 0xFF:
            message.part = _ONE_WAY
            message.put_text(_TYPE, name_of(_CONNECT))
            self.answer.take(cursor, at, message, _CONNECT, self.redacts)
            self.answer.begin()
            return True
        if cursor.u8(at + 4) != 10:
            return False
        self.connects = True
        place = text_end(cursor, at + 5, cursor.end) + 14
        self.offers = cursor.u16le(place) | cursor.u16le(place + 5) << 16 if place + 7 <= cursor.end else _ANY
        return True

    def _prepared(self, message: Message) -> None:
        message.begin(_REQUEST_ID)
        message.add_number(self.answer.statement)
        statement = self.preparing.find(self.hint)
        if statement is not None:
            self.statements.remember(self.answer.statement, statement)
            self.preparing.forget(self.hint)

    def _logged_in(self, message: Message) -> None:
        if message.has_code:
            return
        self.connects = False
        if self.capabilities & _COMPRESS:
            self.compressed = 1
        elif self.capabilities & _ZSTD:
            self.switches = True  # to what is not read here


def _is_plausible(size: int, command: int) -> bool:
    """Whether a command can have that length."""
    if command == _EXECUTE or command == _BULK_EXECUTE:
        return size >= 7
    if command == _CLOSE or command == _RESET:
        return size == 5
    if command == _FETCH:
        return size == 9
    if command == _QUERY or command == _PREPARE or command == _INIT_DB:
        return size >= 2
    if command == _QUIT or command == _STATISTICS or command == _PING or command == _RESET_CONNECTION:
        return size == 1
    return size >= 1 and is_command(command)
