# cython: annotation_typing=False
"""Requests are arrays of bulk strings, or a line; responses are any value. A server also pushes."""

from __future__ import annotations

from typing import Final

from weir_probe.protocols.message import (
    CLIENT_ERROR,
    EXCEPTION,
    NOTHING,
    OK,
    ONE_WAY,
    REQUEST,
    REQUEST_MORE,
    RESOURCE,
    RESPONSE,
    RESPONSE_MORE,
    SERVER_ERROR,
    TYPE,
    Message,
)
from weir_probe.protocols.parser import INVALID, NEED_MORE, Parser
from weir_probe.protocols.redis.resp import Values, inline_end, line_end, number
from weir_probe.wire.cursor import Cursor

#: Of a command, as text: the verb and its arguments.
MAX_COMMAND = 512
#: A request is waited for up to here, so that its arguments are there to be told.
WHOLE_REQUEST = 4096
_MAX_COMMAND, _WHOLE_REQUEST = MAX_COMMAND, WHOLE_REQUEST
_NEED_MORE, _INVALID = NEED_MORE, INVALID
_REQUEST, _REQUEST_MORE, _RESPONSE, _RESPONSE_MORE, _ONE_WAY = REQUEST, REQUEST_MORE, RESPONSE, RESPONSE_MORE, ONE_WAY
_NOTHING = NOTHING
_TYPE, _RESOURCE, _EXCEPTION = TYPE, RESOURCE, EXCEPTION
_OK, _CLIENT_ERROR, _SERVER_ERROR = OK, CLIENT_ERROR, SERVER_ERROR

#: Errors that are the server's, not the caller's (redis: server.c, shared objects).
_SERVERS = frozenset(
    (b"LOADING", b"BUSY", b"MASTERDOWN", b"CLUSTERDOWN", b"OOM", b"MISCONF", b"NOREPLICAS", b"TRYAGAIN", b"UNBLOCKED")
)
#: Commands whose arguments hold a secret, and from which argument on.
_SECRETS = {b"AUTH": 1, b"HELLO": 2, b"ACL": 3, b"MIGRATE": 6, b"CONFIG": 3}
#: Answered by pushes, one for each argument, and perhaps never again by anything else.
_SUBSCRIBES = frozenset((b"SUBSCRIBE", b"PSUBSCRIBE", b"SSUBSCRIBE", b"UNSUBSCRIBE", b"PUNSUBSCRIBE", b"SUNSUBSCRIBE"))
_CONFIRMS = frozenset(name.lower() for name in _SUBSCRIBES)
_PUSHED = frozenset((b"message", b"pmessage", b"smessage", b"invalidate"))
_MAX_NAME: Final = 64
#: What follows the answer is no RESP: a dump without a CRLF behind it, then the master's commands.
_REPLICATES = frozenset((b"PSYNC", b"SYNC"))
#: Hint of those; of a subscription it is the number of its confirmations.
_REPLICATION: Final = 1 << 32
#: Which commands are answered (redis: networking.c, CLIENT REPLY): all, all but the next one, none.
_ALL, _NOT_NEXT, _NONE = range(3)
_REPLIES = {b"CLIENT REPLY ON": _ALL, b"CLIENT REPLY SKIP": _NOT_NEXT, b"CLIENT REPLY OFF": _NONE}


class Redis(Parser):
    """`owed` are the values to come of a frame that was cut, by direction."""

    def __init__(self) -> None:
        Parser.__init__(self)
        self.values = Values()
        self.owed_client = 0
        self.owed_server = 0
        #: Confirmations of a subscription that are still to come.
        self.confirmations = 0
        #: The client left every channel without naming one: how many confirmations that has is not told.
        self.leaves = False
        self.monitors = False
        self.answers = _ALL

    def frame(self, cursor: Cursor, at: int, end: int, way: int) -> int:
        owed = self.owed_server if way else self.owed_client
        if owed == 0 and way == 0 and cursor.u8(at) != 0x2A:
            behind = inline_end(cursor, at, end)
            return behind - at if behind > 0 else behind
        if owed == 0 and way and self.hinted and self.hint == _REPLICATION:
            behind = at + 1 if cursor.u8(at) == 0x0A else line_end(cursor, at, end)
            return behind - at if behind > 0 else behind
        if self.values.walk(cursor, at, end, owed if owed else 1) == _INVALID:
            return _INVALID
        if self.values.at == at:
            return end - at if self.final else _NEED_MORE
        if owed == 0 and way == 0 and end - at < _WHOLE_REQUEST and not self.final:
            if self.values.owed:
                return _NEED_MORE
        elif self.values.at > end:
            self.enough = end - at  # the rest of a long value
        return self.values.at - at

    def parse(self, cursor: Cursor, at: int, end: int, way: int, message: Message) -> bool:
        rest = self.values.owed
        if way:
            if cursor.u8(at) == 0x0A:  # the master has no dump yet, and is alive
                return True
            begun = self.owed_server
            self.owed_server = rest
            if begun:
                message.part = _RESPONSE_MORE
                message.ends = rest == 0
                return True
            return self._response(cursor, at, end, message, rest)
        begun = self.owed_client
        self.owed_client = rest if cursor.u8(at) == 0x2A or begun else 0
        if begun:
            message.part = _REQUEST_MORE
            return True
        return self._request(cursor, at, end, message)

    def resync(self, cursor: Cursor, at: int, end: int, way: int) -> int:
        """A segment that begins like a value is taken for the start of one."""
        first = cursor.u8(at)
        if way == 0:
            return at if first == 0x2A and number(cursor, at + 1, line_end(cursor, at + 1, end)) > 0 else -1
        if first in b"+-:$*_#,(!=%~>|" and line_end(cursor, at + 1, end) > 0:
            return at
        return -1

    def lost(self, way: int) -> None:
        if way:
            self.owed_server = self.confirmations = 0
        else:
            self.owed_client = 0
            self.answers = _ALL

    # ---- requests

    def _request(self, cursor: Cursor, at: int, end: int, message: Message) -> bool:
        message.part = _REQUEST
        if cursor.u8(at) != 0x2A:
            return self._inline(cursor, at, end, message)
        behind = line_end(cursor, at + 1, end)
        if behind <= 0:
            return False
        count = number(cursor, at + 1, behind)
        if count <= 0:  # an empty array is no command
            message.part = _NOTHING
            return count >= -1
        place = behind
        verb = b""
        first_secret = 0
        for argument in range(min(count, 64)):
            behind = line_end(cursor, place + 1, end)
            if behind <= 0 or cursor.u8(place) != 0x24:
                break
            size = number(cursor, place + 1, behind)
            if size < 0:
                break
            there = min(size, end - behind)
            if argument == 0:
                if there < size:
                    return False
                message.put(_TYPE, cursor, behind, size)
                verb = message.of(_TYPE).upper()
                first_secret = _SECRETS.get(verb, 0) if self.redacts else 0
                message.begin(_RESOURCE)
                message.add_from(cursor, behind, size)
            else:
                message.add(0x20)
                if first_secret and argument >= first_secret:
                    message.add(0x3F)
                else:
                    message.add_from(cursor, behind, min(there, _MAX_COMMAND - message.length_of(_RESOURCE)))
                if message.length_of(_RESOURCE) >= _MAX_COMMAND:
                    message.cut = True
                    break
            place = behind + size + 2
            if place > end:
                break
        self._expect(verb, count - 1, message)
        return True

    def _expect(self, verb: bytes, arguments: int, message: Message) -> None:
        """Of commands that are answered by more than a value each, and of those that have no answer."""
        says = -1
        if verb in _SUBSCRIBES:
            message.hint = max(1, arguments)
            self.leaves = arguments == 0
        elif verb in _REPLICATES:
            message.hint = _REPLICATION
        elif verb == b"MONITOR":
            self.monitors = True
        elif verb == b"CLIENT" and arguments == 2:
            says = _REPLIES.get(message.of(_RESOURCE).upper(), -1)
        if says != _ALL and (says > _ALL or self.answers != _ALL):
            message.part = _ONE_WAY
        if says == _ALL or says == _NONE or self.answers == _NOT_NEXT:
            self.answers = max(says, _ALL)
        elif says == _NOT_NEXT and self.answers == _ALL:
            self.answers = says

    def _inline(self, cursor: Cursor, at: int, end: int, message: Message) -> bool:
        stop = end - 2 if end - at > 1 and cursor.u8(end - 2) == 0x0D else end - 1
        verb_end = at
        while verb_end < stop and cursor.u8(verb_end) > 0x20:
            if cursor.u8(verb_end) >= 0x7F:
                return False
            verb_end += 1
        if verb_end == at:
            message.part = _NOTHING
            return stop == at  # an empty line is nothing
        arguments = 0
        for place in range(verb_end + 1, stop):
            arguments += cursor.u8(place - 1) <= 0x20 < cursor.u8(place)
        message.put(_TYPE, cursor, at, verb_end - at)
        verb = message.of(_TYPE).upper()
        hides = self.redacts and verb in _SECRETS
        message.put(_RESOURCE, cursor, at, min(verb_end if hides else stop, at + _MAX_COMMAND) - at)
        if hides:
            message.add_text(b" ?")
        self._expect(verb, arguments, message)
        return True

    # ---- responses

    def _response(self, cursor: Cursor, at: int, end: int, message: Message, rest: int) -> bool:
        kind = cursor.u8(at)
        message.part = _RESPONSE
        message.status = _OK
        message.ends = rest == 0
        if kind == 0x7C:  # an attribute comes before its response, in one walk
            return True
        if self.monitors and kind == 0x2B and 0x30 <= cursor.u8(at + 1) <= 0x39:  # begins with the time
            message.part = _ONE_WAY
            message.put_text(_TYPE, b"monitor")
        elif kind == 0x2D or kind == 0x21:
            start = at + 1
            if kind == 0x21:
                start = line_end(cursor, at + 1, end)
                if start <= 0:
                    return False
            self._error(cursor, start, min(end, start + _MAX_COMMAND), message)
        elif kind == 0x3E or kind == 0x2A:
            self._push(cursor, at, end, message, kind)
        elif self.hinted and self.hint == _REPLICATION:
            self.done = True
        return True

    def _error(self, cursor: Cursor, at: int, end: int, message: Message) -> None:
        stop = at
        while stop < end and cursor.u8(stop) != 0x0D:
            stop += 1
        message.put(_EXCEPTION, cursor, at, stop - at)
        word = message.of(_EXCEPTION).partition(b" ")[0]
        message.status = _SERVER_ERROR if word in _SERVERS else _CLIENT_ERROR

    def _push(self, cursor: Cursor, at: int, end: int, message: Message, kind: int) -> None:
        """RESP3 has a type for what the server sends by itself; in RESP2 their name tells a subscriber's arrays."""
        behind = line_end(cursor, at + 1, end)
        named = line_end(cursor, behind + 1, end) if behind > 0 else -1
        if named <= 0 or cursor.u8(behind) != 0x24:
            return
        size = number(cursor, behind + 1, named)
        if size <= 0 or size > _MAX_NAME or named + size > end:
            return
        message.put(_TYPE, cursor, named, size)
        name = message.of(_TYPE)
        message.begin(_TYPE)  # the request's stays
        if name in _CONFIRMS and self.hinted and 0 < self.hint < _REPLICATION:
            if self.confirmations:
                message.part = _RESPONSE_MORE
                self.confirmations -= 1
            else:
                self.confirmations = self.hint - 1
            message.ends = self.confirmations == 0
        elif name in _CONFIRMS and self.leaves:
            message.part = _NOTHING
        elif kind == 0x3E or (name in _PUSHED and not self.hinted):
            message.part = _ONE_WAY
            message.put(_TYPE, cursor, named, size)
            self._subject(cursor, named + size + 2, end, message)

    def _subject(self, cursor: Cursor, at: int, end: int, message: Message) -> None:
        """Of a push: the channel, or the first of the keys that are no longer valid."""
        if cursor.u8(at) == 0x2A:
            at = line_end(cursor, at + 1, end)
        if at <= 0 or at >= end or cursor.u8(at) != 0x24:
            return
        place = line_end(cursor, at + 1, end)
        size = number(cursor, at + 1, place) if place > 0 else -1
        if size > 0:
            message.begin(_RESOURCE)
            message.add_from(cursor, place, min(size, end - place, _MAX_COMMAND))
