# cython: annotation_typing=False
"""A call is a simple query, or what an Execute runs with the Parse, Bind and Describe that lead to it.

Each message of the client that the server answers waits in `pending`. Calls are numbered; the number is the hint, which
says whether the book's oldest call is the one that is answered. After an error the server skips to the next Sync.
"""

from __future__ import annotations

from typing import Final

from weir_probe.protocols.message import (
    OK,
    ONE_WAY,
    REQUEST,
    REQUEST_MORE,
    RESOURCE,
    RESPONSE,
    RESPONSE_MORE,
    RESULT,
    TYPE,
    Message,
)
from weir_probe.protocols.parser import INVALID, NEED_MORE, Parser
from weir_probe.protocols.postgresql.errors import read_error
from weir_probe.protocols.postgresql.pending import Pending
from weir_probe.protocols.postgresql.tally import Tally
from weir_probe.protocols.postgresql.wire import (
    CANCEL,
    GSSENC,
    MAX_STARTUP,
    PROTOCOL_3,
    SSL,
    chains,
    key_of,
    size_of,
)
from weir_probe.protocols.sql import Sql
from weir_probe.protocols.sql_statements import Prepared, Statements
from weir_probe.protocols.strings import text_end
from weir_probe.wire.cursor import Cursor

#: Of a query, and of any other message, what is waited for.
WHOLE_QUERY: Final = 8192
WHOLE_MESSAGE: Final = 1024
_WHOLE_QUERY, _WHOLE_MESSAGE, _MAX_STARTUP = WHOLE_QUERY, WHOLE_MESSAGE, MAX_STARTUP
_NEED_MORE, _INVALID = NEED_MORE, INVALID
_REQUEST, _REQUEST_MORE, _RESPONSE, _RESPONSE_MORE, _ONE_WAY = REQUEST, REQUEST_MORE, RESPONSE, RESPONSE_MORE, ONE_WAY
_TYPE, _RESOURCE, _RESULT = TYPE, RESOURCE, RESULT
_OK = OK
_SSL, _GSSENC, _CANCEL, _PROTOCOL_3 = SSL, GSSENC, CANCEL, PROTOCOL_3
#: A startup packet has no type; it waits as this one.
_STARTUP: Final = 0x01
_MAX_TAG: Final = 64


class PostgreSQL(Parser):
    """`calls` numbers the calls; `open` says that the newest may have further messages."""

    def __init__(self) -> None:
        super().__init__()
        self.pending = Pending()
        self.sql = Sql(False)
        self.statements = Statements()
        self.portals = Statements()
        self.unnamed = Prepared()  # the statement that has no name, kept anew with each Parse
        self.shared = False  # a named portal has it: it may outlive the next one
        self.portal: Prepared | None = None  # the unnamed one's statement
        self.calls = 0
        self.open = False
        self.parses = False  # the open call began with a Parse, of the statement `parsed`, and nothing was bound
        self.parsed = 0
        self.current = 0  # the call whose answer has begun
        self.run = 0  # data messages of one frame
        self.tally = Tally()  # of the call that is answered
        self.failed = 0  # status of the error since which the server skips
        self.negotiates = False  # one byte answers whether the connection will be encrypted
        self.copies = False  # an Execute waits for data: a Sync before it ends is ignored

    def frame(self, cursor: Cursor, at: int, end: int, way: int) -> int:
        kind = cursor.u8(at)
        if kind == 0 and way == 0:  # it begins with its length
            if end - at < 8:
                return _INVALID if self.final else _NEED_MORE
            size = cursor.u32(at)
            return size if 8 <= size <= _MAX_STARTUP else _INVALID
        if way and self.negotiates and kind in b"SNG":
            return 1
        if end - at < 5:
            return _INVALID if self.final else _NEED_MORE
        size = size_of(cursor, at, way)
        if size < 0:
            return _INVALID
        if kind == 0x64 or (kind == 0x44 and way):
            return self._run(cursor, at, end, size)
        self.enough = min(size, _WHOLE_QUERY if kind in b"QP" and not way else _WHOLE_MESSAGE)
        return size

    def _run(self, cursor: Cursor, at: int, end: int, size: int) -> int:
        """Rows, or data of a copy, are passed over as many at once as are there."""
        self.run = 1
        self.enough = 5
        stop = at + size
        while end - stop >= 5 and cursor.u8(stop) == cursor.u8(at):
            size = size_of(cursor, stop, 1)
            if size < 0:
                break
            stop += size
            self.run += 1
        return stop - at

    def parse(self, cursor: Cursor, at: int, end: int, way: int, message: Message) -> bool:
        if way:
            return self._answer(cursor, at, end, message)
        if cursor.u8(at) == 0:
            return self._start(cursor, at, end, message)
        return self._request(cursor, at, end, message)

    def resync(self, cursor: Cursor, at: int, end: int, way: int) -> int:
        while at < end:
            if size_of(cursor, at, way) > 0 and chains(cursor, at, end, way):
                return at
            at += 1
        return -1

    def lost(self, way: int) -> None:
        self.pending.clear()
        self.open = self.negotiates = self.copies = False
        self.failed = 0

    # ---- requests

    def _start(self, cursor: Cursor, at: int, end: int, message: Message) -> bool:
        code = cursor.u32(at + 4)
        if code == _SSL or code == _GSSENC:
            self.negotiates = True
            return True
        if code == _CANCEL:
            message.part = _ONE_WAY
            message.put_text(_TYPE, b"CANCEL")
            return True
        if code >> 16 != _PROTOCOL_3:
            return False
        self._begin(message)
        self.open = False
        message.put_text(_TYPE, b"STARTUP")
        message.begin(_RESOURCE)
        place = at + 8
        while place < end and cursor.u8(place) != 0:
            name = place
            place = text_end(cursor, place, end) + 1
            value = place
            place = text_end(cursor, place, end) + 1
            if cursor.is_name(name, value - 1 - name, b"user") or cursor.is_name(name, value - 1 - name, b"database"):
                if message.length_of(_RESOURCE):
                    message.add(0x20)
                message.add_from(cursor, name, value - 1 - name)
                message.add(0x3D)
                message.add_from(cursor, value, min(place - 1 - value, _MAX_TAG))
        return self.pending.push(_STARTUP, self.calls)

    def _request(self, cursor: Cursor, at: int, end: int, message: Message) -> bool:
        kind = cursor.u8(at)
        body = at + 5
        if kind == 0x51:  # Query
            self._begin(message)
            self.open = False
            self._read(cursor, body, end, message)
        elif kind == 0x50:  # Parse
            self._begin(message)
            stop = text_end(cursor, body, end)
            self._read(cursor, stop + 1, end, message)
            self.parsed = key_of(cursor, body, stop)
            self.parses = True
            if self.shared:
                self.unnamed = Prepared()
                self.shared = False
            statement = self.unnamed if stop == body else Prepared()
            statement.keep(message, _TYPE)
            if stop > body:
                self.statements.remember(self.parsed, statement)
            message.put_text(_TYPE, b"PARSE")
        elif kind == 0x42:  # Bind
            self._bind(cursor, body, end, message)
        elif kind == 0x44:  # Describe
            self._describe(cursor, body, end, message)
        elif kind == 0x45:  # Execute
            self._execute(cursor, body, end, message)
        elif kind == 0x46:  # FunctionCall
            self._begin(message)
            self.open = False
            message.put_text(_TYPE, b"FUNCTION_CALL")
            message.begin(_RESOURCE)
            message.add_number(cursor.u32(body))
        elif kind == 0x53 or kind == 0x48:  # Sync, Flush
            self._close()
            return kind == 0x48 or self.copies or self.pending.push(kind, 0)
        elif kind == 0x43:  # Close
            if cursor.u8(body) == 0x53:
                self.statements.forget(key_of(cursor, body + 1, text_end(cursor, body + 1, end)))
            return self.pending.push(kind, 0)
        else:  # what belongs to the call before: passwords, data of a copy
            if kind == 0x63 or kind == 0x66:  # CopyDone, CopyFail
                self.copies = False
            if kind != 0x58 and self.pending.count:
                message.part = _REQUEST_MORE
            return True
        if not self.pending.push(kind, self.calls):
            return False
        if kind == 0x45:
            self._close()
        return True

    def _begin(self, message: Message) -> None:
        self._close()
        self.calls += 1
        self.open = True
        self.parses = False
        message.part = _REQUEST
        message.hint = self.calls

    def _close(self) -> None:
        """The newest call has no further messages."""
        if self.open:
            self.open = False
            self.pending.close(self.calls)

    def _read(self, cursor: Cursor, at: int, end: int, message: Message) -> None:
        stop = text_end(cursor, at, end)
        if stop >= end:
            message.cut = True
        self.sql.read(cursor, at, stop, message, self.redacts)
        self.sql.tell_verb(_TYPE)
        if message.length_of(_TYPE) == 0:
            message.put_text(_TYPE, b"QUERY")

    def _statement(self, cursor: Cursor, at: int, end: int) -> Prepared | None:
        """What was parsed by that name. The unnamed one is whatever was parsed last without a name."""
        if at < end:
            return self.statements.find(key_of(cursor, at, end))
        return self.unnamed if self.unnamed.size() else None

    def _bind(self, cursor: Cursor, at: int, end: int, message: Message) -> None:
        portal_end = text_end(cursor, at, end)
        name_end = text_end(cursor, portal_end + 1, end)
        key = key_of(cursor, portal_end + 1, name_end)
        statement = self._statement(cursor, portal_end + 1, name_end)
        if self.open and self.parses and self.parsed == key:
            self.parses = False
            message.part = _REQUEST_MORE
        else:
            self._begin(message)
            message.put_text(_TYPE, b"BIND")
            if statement is not None:
                statement.tell(message)
        if portal_end == at:
            self.portal = statement
        elif statement is not None:
            self.shared = self.shared or statement is self.unnamed
            self.portals.remember(key_of(cursor, at, portal_end), statement)

    def _describe(self, cursor: Cursor, at: int, end: int, message: Message) -> None:
        if self.open:
            message.part = _REQUEST_MORE
            return
        self._begin(message)
        message.put_text(_TYPE, b"DESCRIBE")
        if cursor.u8(at) == 0x53:
            statement = self._statement(cursor, at + 1, text_end(cursor, at + 1, end))
            if statement is not None:
                statement.tell(message)

    def _execute(self, cursor: Cursor, at: int, end: int, message: Message) -> None:
        stop = text_end(cursor, at, end)
        statement = self.portal if stop == at else self.portals.find(key_of(cursor, at, stop))
        if self.open:
            message.part = _REQUEST_MORE
        else:
            self._begin(message)
            if statement is not None:
                statement.tell(message)
        if statement is None:
            message.put_text(_TYPE, b"EXECUTE")
        else:
            statement.tell_verb(message, _TYPE)

    # ---- answers

    def _answer(self, cursor: Cursor, at: int, end: int, message: Message) -> bool:
        kind = cursor.u8(at)
        if self.negotiates and end - at == 1:
            self.negotiates = False
            self.switches = kind != 0x4E
            return True
        waits = self.pending.kind()
        if kind == 0x5A:  # ReadyForQuery
            return self._ready(message)
        if kind == 0x45:  # ErrorResponse
            return self._error(cursor, at + 5, end, message)
        if kind == 0x41:  # NotificationResponse
            self._notification(cursor, at + 9, end, message)
            return True
        if kind in b"NSKv":  # of no call: NoticeResponse, ParameterStatus, BackendKeyData, NegotiateProtocolVersion
            if kind == 0x53:
                self._parameter(cursor, at + 5, end)
            return True
        if waits == 0:  # of a request that was not seen
            if kind in b"CIs":
                message.part = _RESPONSE
            return not self.hinted
        call = self.pending.call()
        if not _answers(kind, waits):
            self.pending.clear()
            return not self.hinted
        ends = self.pending.ends()
        if kind in b"123n" or (kind == 0x54 and waits == 0x44) or (kind in b"CIs" and waits == 0x45):
            self.pending.pop()
        else:
            ends = False
        if call == 0:
            return True
        if not self._responds(call, message):
            return False
        message.ends = ends
        if kind == 0x43:
            self.tally.tag(cursor, at + 5, end, message)
        elif kind == 0x44:
            self.tally.rows += self.run
        elif kind == 0x73:
            self.tally.returns = True
        elif kind in b"GW" and waits == 0x45:
            self.copies = True
            while self.pending.kind_after() == 0x53:
                self.pending.pop_after()
        if ends:
            self.tally.tell(message)
        return True

    def _responds(self, call: int, message: Message) -> bool:
        """What is said answers that call. False: the book's oldest is another."""
        if self.current != call:
            if self.hinted and self.hint != call and self.hint != self.current:
                return False
            self.current = call
            self.tally.begin()
            message.part = _RESPONSE
            message.status = _OK
        elif self.hinted and self.hint == call:
            message.part = _RESPONSE_MORE
        return True

    def _ready(self, message: Message) -> bool:
        """The server is in step: whatever waits before the next Sync or query will not be answered."""
        skipped = 0
        last = 0
        kind = 0
        failed = self.failed
        self.failed = 0
        while self.pending.count and kind not in b"SQF\x01":
            kind = self.pending.kind()
            if self.pending.call() != last and self.pending.call() != 0:
                last = self.pending.call()
                skipped += 1
            self.pending.pop()
        if kind in b"QF\x01":
            if skipped > 1 or not self._responds(last, message):
                return False
            message.ends = True
            self.tally.tell(message)
        elif skipped:
            if self.hinted and self.hint != last + 1 - skipped and self.hint != self.current:
                return False
            message.part = _RESPONSE
            message.ends = True
            message.answers = skipped
            message.status = failed
            message.put_text(_RESULT, b"skipped")
        elif self.hinted and self.hint == self.current and not self.open:
            message.part = _RESPONSE_MORE
            message.ends = True
        return True

    def _error(self, cursor: Cursor, at: int, end: int, message: Message) -> bool:
        waits = self.pending.kind()
        call = self.pending.call()
        self.negotiates = False
        if call and not self._responds(call, message):
            return False
        fatal = read_error(cursor, at, end, message, self.redacts)
        if waits == 0:
            message.part = _ONE_WAY if fatal and not self.hinted else _RESPONSE
            message.put_text(_TYPE, b"ERROR")
            return not self.hinted
        if call == 0:  # of a Sync, which commits, or a Close
            message.part = _ONE_WAY
            message.put_text(_TYPE, b"SYNC" if waits == 0x53 else b"CLOSE")
        elif waits != 0x51 and waits != 0x46:
            message.ends = True
            while self.pending.call() == call:
                self.pending.pop()
            if call == self.calls:
                self.open = False
        if waits != 0x51:
            self.failed = message.status
        self.copies = False
        return True

    def _notification(self, cursor: Cursor, at: int, end: int, message: Message) -> None:
        message.part = _ONE_WAY
        message.put_text(_TYPE, b"NOTIFICATION")
        stop = text_end(cursor, at, end)
        message.put(_RESOURCE, cursor, at, min(stop - at, _MAX_TAG))
        if not self.redacts:
            message.put(_RESULT, cursor, stop + 1, min(text_end(cursor, stop + 1, end) - stop - 1, _WHOLE_MESSAGE // 4))

    def _parameter(self, cursor: Cursor, at: int, end: int) -> None:
        stop = text_end(cursor, at, end)
        if cursor.is_name(at, stop - at, b"standard_conforming_strings"):
            self.sql.escapes = cursor.u8(stop + 2) == 0x66  # off


def _answers(kind: int, waits: int) -> bool:
    """Whether a message of the server answers such a message of the client."""
    if waits == 0x45:
        return kind in b"CDEGHIWcds"
    if waits == 0x51:
        return kind in b"CDEGHITWcd"
    if waits == 0x44:
        return kind in b"Tnt"
    if waits == _STARTUP:
        return kind == 0x52
    if waits == 0x50:
        return kind == 0x31
    if waits == 0x42:
        return kind == 0x32
    if waits == 0x43:
        return kind == 0x33
    return waits == 0x46 and kind == 0x56
