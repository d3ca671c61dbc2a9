# cython: annotation_typing=False
"""The packets that answer a command: OK, an error, or definitions and rows, perhaps of several results.

What an EOF packet means tells itself: without CLIENT_DEPRECATE_EOF it has 5 bytes, with it an OK packet in its place
has 7 at least. Only behind the definitions of a prepared statement one has to know.
"""

from __future__ import annotations

from typing import Final

from weir_probe.protocols.message import ATTRIBUTES, CLIENT_ERROR, OK, SERVER_ERROR, UNKNOWN, Message
from weir_probe.protocols.mysql.wire import (
    BINLOG_DUMP,
    BINLOG_DUMP_GTID,
    CHANGE_USER,
    CONNECT,
    FETCH,
    FIELD_LIST,
    FULL_PACKET,
    PREPARE,
    STATISTICS,
    behind,
    number,
    u24,
)
from weir_probe.protocols.sql_errors import put_error, status_of_sqlstate
from weir_probe.wire.cursor import Cursor

#: Answers of `take`.
NONSENSE, GOES_ON, ENDS = -1, 0, 1
_NONSENSE, _GOES_ON, _ENDS = NONSENSE, GOES_ON, ENDS
#: Status flags.
_MORE_RESULTS: Final = 0x0008
_CURSOR_EXISTS: Final = 0x0040
_NO_BACKSLASH_ESCAPES: Final = 0x0200
_MAX_COLUMNS: Final = 4096
_FULL_PACKET = FULL_PACKET
_BINLOG_DUMP, _BINLOG_DUMP_GTID, _CHANGE_USER, _CONNECT = BINLOG_DUMP, BINLOG_DUMP_GTID, CHANGE_USER, CONNECT
_FETCH, _FIELD_LIST, _PREPARE, _STATISTICS = FETCH, FIELD_LIST, PREPARE, STATISTICS
_ATTRIBUTES, _UNKNOWN, _OK, _CLIENT_ERROR, _SERVER_ERROR = ATTRIBUTES, UNKNOWN, OK, CLIENT_ERROR, SERVER_ERROR
#: What comes next. FILE is the client's data for LOAD DATA LOCAL INFILE, and then an answer.
_FIRST, _COLUMNS, _AFTER_COLUMNS, _ROWS, _FIELDS, _FILE, _STREAM = range(7)
_PARAMETERS, _AFTER_PARAMETERS, _RESULTS, _AFTER_RESULTS = range(7, 11)


class Answer:
    """Of the command that is answered, or was last."""

    def __init__(self) -> None:
        self.seq = 0
        #: CLIENT_DEPRECATE_EOF: 1 or 0; -1 where the login was not seen.
        self.deprecates = -1
        self.escapes = True
        self.begin()

    def begin(self) -> None:
        """What comes next is an answer's first packet."""
        self.state = _FIRST
        self.begun = False
        self.continues = False  # the packet before was full: this one is its rest
        self.left = self.columns = 0
        self.rows = self.affected = self.results = 0
        self.returns = self.affects = False
        self.prepared = False
        self.wants_file = False  # until an empty packet ends it
        self.statement = 0

    def run(self, cursor: Cursor, at: int, end: int) -> int:
        """Where the rows, or definitions, end that stand whole from `at` on, behind one of them."""
        left = self.left - 1 if self.state != _ROWS else 1
        if self.continues or (self.state != _ROWS and self.state != _COLUMNS):
            return at
        while left > 0 and end - at >= 5:
            size = u24(cursor, at)
            first = cursor.u8(at + 4)
            if end - at < size + 4 or size == _FULL_PACKET or size == 0:
                break
            if self.state == _ROWS:
                if first >= 0xFE:
                    break
            else:
                left -= 1
            at += size + 4
        return at

    def follows(self, seq: int) -> bool:
        """Whether a packet with that number continues the answer that was begun."""
        return self.state == _FILE or seq == (self.seq + 1) & 0xFF

    def take(self, cursor: Cursor, at: int, message: Message, command: int, redacts: bool) -> int:
        """One packet."""
        size = u24(cursor, at)
        body = at + 4
        self.seq = cursor.u8(at + 3)
        self.begun = True
        if self.continues:
            self.continues = size == _FULL_PACKET
            return _GOES_ON
        self.continues = size == _FULL_PACKET
        if size == 0:
            return _NONSENSE
        first = cursor.u8(body)
        if first == 0xFF:
            return self._error(cursor, body, body + size, message, redacts)
        if self.state == _FIRST or self.state == _FILE:
            return self._first(cursor, body, size, message, command)
        if self.state == _ROWS or self.state == _AFTER_COLUMNS:
            return self._row(cursor, body, size, first, message)
        if self.state == _STREAM or self.state == _FIELDS:
            return _ENDS if first == 0xFE else _GOES_ON
        return self._definition(size, first)

    def _first(self, cursor: Cursor, body: int, size: int, message: Message, command: int) -> int:
        first = cursor.u8(body)
        message.status = _OK
        logs_in = command == _CONNECT or command == _CHANGE_USER
        if first == 0x00 and command == _PREPARE and size >= 12:
            return self._prepares(cursor, body)
        if command == _STATISTICS:
            return _ENDS
        if command == _FETCH:
            self.state = _ROWS
            return self._row(cursor, body, size, first, message)
        if command == _BINLOG_DUMP or command == _BINLOG_DUMP_GTID:
            self.state = _STREAM
            return _ENDS if first == 0xFE else _GOES_ON
        if command == _FIELD_LIST:
            self.state = _FIELDS
            return _ENDS if first == 0xFE else _GOES_ON
        if first == 0x00 or (first == 0xFE and not logs_in):
            return self._ok(cursor, body, size, message) if first == 0 and size >= 7 else _ENDS
        if logs_in:  # the server asks for more
            message.status = _UNKNOWN
            return _GOES_ON
        if first == 0xFB:
            message.status = _UNKNOWN
            self.state = _FILE
            self.wants_file = True
            return _GOES_ON
        columns = number(cursor, body)
        rest = body + size - behind(cursor, body)
        if not 0 < columns <= _MAX_COLUMNS or rest < 0 or rest > 1:
            return _NONSENSE
        self.columns = self.left = columns
        # MARIADB_CLIENT_CACHE_METADATA: a byte says whether definitions follow
        without = rest == 1 and cursor.u8(body + size - 1) == 0
        self.state = _AFTER_COLUMNS if without else _COLUMNS
        return _GOES_ON

    def _definition(self, size: int, first: int) -> int:
        """Of a column or a parameter, or the EOF packet behind some."""
        ended = first == 0xFE and size == 5
        if self.state == _AFTER_PARAMETERS or self.state == _AFTER_RESULTS:
            if ended:
                self.deprecates = 0
            if self.state == _AFTER_RESULTS or self.columns == 0:
                return _ENDS if ended else _NONSENSE
            self.state = _RESULTS
            self.left = self.columns
            if ended:
                return _GOES_ON
            self.deprecates = 1
        self.left -= 1
        if self.left > 0:
            return _GOES_ON
        if self.state == _COLUMNS:
            self.state = _AFTER_COLUMNS
            return _GOES_ON
        if self.state == _PARAMETERS and (self.columns > 0 or self.deprecates == 0):
            self.state = _AFTER_PARAMETERS
            return _GOES_ON
        self.state = _AFTER_RESULTS
        return _GOES_ON if self.deprecates == 0 else _ENDS

    def _prepares(self, cursor: Cursor, body: int) -> int:
        self.prepared = True
        self.statement = cursor.u32le(body + 1)
        self.columns = cursor.u16le(body + 5)
        self.left = cursor.u16le(body + 7)
        self.state = _PARAMETERS
        if self.left == 0:
            self.left = self.columns
            self.state = _RESULTS
        return _GOES_ON if self.left > 0 else _ENDS

    def _row(self, cursor: Cursor, body: int, size: int, first: int, message: Message) -> int:
        if first != 0xFE or size == _FULL_PACKET:
            self.state = _ROWS
            self.rows += 1
            return _GOES_ON
        self.returns = True
        flags = cursor.u16le(body + 3)
        if size == 5 and self.state == _AFTER_COLUMNS and not flags & _CURSOR_EXISTS:
            self.deprecates = 0
            self.state = _ROWS
            return _GOES_ON
        if size != 5:
            flags = cursor.u16le(behind(cursor, behind(cursor, body + 1)))
        return self._end_of_result(flags, message)

    def _ok(self, cursor: Cursor, body: int, size: int, message: Message) -> int:
        self.affects = True
        self.affected += number(cursor, body + 1)
        return self._end_of_result(cursor.u16le(behind(cursor, behind(cursor, body + 1))), message)

    def _end_of_result(self, flags: int, message: Message) -> int:
        self.results += 1
        self.escapes = not flags & _NO_BACKSLASH_ESCAPES
        if flags & _MORE_RESULTS:
            self.state = _FIRST
            return _GOES_ON
        message.begin(_ATTRIBUTES)
        if self.returns:
            message.add_attribute(b"db.response.returned_rows", self.rows)
        if self.affects:
            message.add_attribute(b"affected_rows", self.affected)
        if self.results > 1:
            message.add_attribute(b"statements", self.results)
        return _ENDS

    def _error(self, cursor: Cursor, body: int, end: int, message: Message, redacts: bool) -> int:
        code = cursor.u16le(body + 1)
        if code == 0xFFFF:  # MariaDB's progress report
            return _GOES_ON
        message.has_code = True
        message.code = code
        text = body + 3
        if cursor.u8(text) == 0x23:
            message.status = status_of_error(code, cursor, text + 1)
            text += 6
        else:
            message.status = _SERVER_ERROR  # before the login
        put_error(cursor, text, min(end, cursor.end), message, redacts and not _names_only(code))
        return _ENDS


def status_of_error(code: int, cursor: Cursor, sqlstate: int) -> int:
    """By the class of its SQLSTATE; in HY000, which is for all that have none, and in 42000 by the error's number."""
    if cursor.u8(sqlstate) == 0x48 and cursor.u8(sqlstate + 1) == 0x59:
        return _CLIENT_ERROR if code in (1093, 1111, 1193, 1210, 1221, 1238, 1364, 1366, 1525, 3819) else _SERVER_ERROR
    if code == 1203 or code == 1226:  # more connections than a user may have
        return _SERVER_ERROR
    return status_of_sqlstate(cursor, sqlstate)


def _names_only(code: int) -> bool:
    """Whether an error's text quotes names, of tables and users and so on, but no values."""
    return code in (
        1040, 1044, 1045, 1046, 1048, 1049, 1050, 1051, 1052, 1054, 1060, 1061, 1068, 1072, 1091, 1109, 1129, 1130, 
        1136, 1142, 1143, 1146, 1158, 1160, 1161, 1203, 1205, 1213, 1226, 1227, 1305, 1364, 1406, 1451, 1452, 1698,
    )  # fmt: skip
