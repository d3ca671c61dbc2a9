# cython: annotation_typing=False
# ruff: noqa: PLR0917 -- C calls are positional
"""One connection (or exchange of datagrams) on its way from packets to calls.

Segments are put in order, frames are found and parsed where they lie, and only what is not whole yet is copied.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from weir_probe.protocols.message import REQUEST, Message
from weir_probe.protocols.parser import FROM_CLIENT, FROM_SERVER, INVALID, NEED_MORE, Parser, Spec
from weir_probe.streams.calls import CallBook
from weir_probe.streams.endpoints import Choice, Memory
from weir_probe.streams.half import Half
from weir_probe.streams.preamble import preamble
from weir_probe.wire import protocols as ip
from weir_probe.wire.cursor import Cursor

#: Bytes of a direction that detection may ask for.
DETECT_LIMIT: Final = 1024
#: Segments without a protocol before a connection is left alone.
MAX_TRIES: Final = 8
#: After such a silence whatever was asked has been answered.
QUIET_NS: Final = 1_000_000_000
#: Frames in a row that made no sense before the protocol is doubted.
MAX_ERRORS: Final = 3
#: A connection may go on with another protocol so often: CONNECT, within it an upgrade, within it another.
MAX_SWITCHES: Final = 4

_NEED_MORE, _INVALID = NEED_MORE, INVALID
_FROM_CLIENT, _FROM_SERVER = FROM_CLIENT, FROM_SERVER
_DETECT_LIMIT, _MAX_TRIES, _MAX_ERRORS, _QUIET_NS = DETECT_LIMIT, MAX_TRIES, MAX_ERRORS, QUIET_NS
_MAX_SWITCHES = MAX_SWITCHES
_REQUEST = REQUEST
_UDP = ip.UDP
_NO_PARSER: Final = Parser()
_NO_CHOICE: Final = Choice()
_PORTS, _PROTO_AT, _SLOT_HEAD = 0xFFFF, 32, 4  # layout.SLOT as words: the fifth has ports and protocol
_MASK, _BEHIND = 0xFFFFFFFF, 1 << 31


class Owner(Protocol):
    """Whoever keeps the conversations (streams/call_engine.py)."""

    book: CallBook
    message: Message
    protocols: tuple[Spec, ...]
    redacts: bool

    def enrol(self, reader: Conversation, protocol: int) -> int:
        """A row in the book for a connection that speaks this one of `protocols`; -1: there is no room."""

    def doubt(self, reader: Conversation) -> None:
        """A connection is not what it was taken for."""

    def give_up(self, reader: Conversation) -> None:
        """No protocol was found in a connection."""


class Conversation:
    """Directions are 0 from the flow's opener, 1 to it, until the protocol tells that it is the other way round."""

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.book = owner.book
        self.message = owner.message
        self.protocols = owner.protocols
        self.first, self.second = Half(), Half()
        self.number = 0  # the owner's name for it; 0: it is no connection's at present
        self.addr = [0, 0, 0, 0]  # two words for each side
        self.port = [0, 0]

    def begin(self, words: Any, at: int, opener: int, workload_side: int, index: int) -> None:
        """Be the reader of another connection: the one of slot `at` in a table, whose rows are `words`.

        `index` names the slot in a capture's table; -1: it is a capture file's."""
        for word in range(4):
            self.addr[word] = words[at, word]
        self.port[0] = words[at, _SLOT_HEAD] & _PORTS
        self.port[1] = words[at, _SLOT_HEAD] >> 16 & _PORTS
        self.proto = words[at, _SLOT_HEAD] >> _PROTO_AT & 0xFF
        self.opener = opener
        self.slot = index
        self.workload_side = workload_side
        self.choice = _NO_CHOICE
        #: What is remembered of the endpoint, as its opener sees it.
        self.memory: Memory | None = None
        self.first.begin(_DETECT_LIMIT)
        self.second.begin(_DETECT_LIMIT)
        self.parser = _NO_PARSER
        self.protocol = -1
        self.by_id = False
        self.needs_all = False  # of its segments, not the first of each turn only
        self.limit = _DETECT_LIMIT
        self.turned = 0  # 1: the flow's opener is the protocol's server
        #: The conversation's row in the book, given when the protocol is known.
        self.row = -1
        self.tries = 0
        self.mute = False
        #: There is nothing to look for later, either.
        self.over = False
        self.waits_for_more = False
        self.errors = 0
        self.switches = 0
        self.switched = False  # and what waits in the other direction was not looked at since
        self.frames = 0  # that made sense
        self.last_ns = 0
        self.fins = 0
        self.spoke = -1  # who sent the last payload
        #: Before the segment at hand came one of the other side; or a long silence.
        self.takes_turns = self.quiet = False
        #: Bytes that belong to no frame: lost on the way, or without sense.
        self.missing = 0
        self.senseless = 0

    def endpoint(self, side: int) -> tuple[int, int, int]:
        """Address and port of a side of the flow."""
        return self.addr[2 * side], self.addr[2 * side + 1], self.port[side]

    # ---- TCP

    def opens(self, way: int, seq: int) -> None:
        """A SYN: the direction's bytes begin with this number."""
        half = self.second if way else self.first
        if not half.started:
            half.started = True
            half.next_seq = seq

    def segment(self, way: int, cursor: Cursor, at: int, captured: int, length: int, seq: int, ts_ns: int) -> None:
        """A segment's payload: `captured` of its `length` bytes are there."""
        half = self.second if way else self.first
        self._listen(way, ts_ns)
        if not half.started:
            half.started = True
            half.next_seq = seq
        ahead = (seq - half.next_seq) & _MASK
        if ahead >= _BEHIND:  # a retransmission, perhaps with something new at its end
            known = _MASK + 1 - ahead
            if known >= length:
                return
            at += known
            captured -= min(known, captured)
            length -= known
        elif ahead > 0:
            if not half.skip >= ahead + length:  # else all of it belongs to a frame that is parsed already
                half.hold(seq, cursor.copied(at, at + captured), length, ts_ns)
                if half.full:
                    self._release(way, half, seq)
                return
            self._pass(way, half, ahead)
        self._in_order(way, half, cursor, at, captured, length, ts_ns)
        if half.waits:
            self._release(way, half, half.next_seq)

    def _listen(self, way: int, ts_ns: int) -> None:
        self.quiet = ts_ns - min(self.last_ns, ts_ns) > _QUIET_NS
        self.takes_turns = self.spoke != way
        self.spoke = way
        self.last_ns = ts_ns

    def acknowledged(self, way: int, ack: int) -> None:
        """The receiver of direction `way` has all before `ack`: what is not here by now was not captured."""
        half = self.second if way else self.first
        if not half.started:
            half.started = True
            half.next_seq = ack
            return
        ahead = (ack - half.next_seq) & _MASK
        if 0 < ahead < _BEHIND and not (ahead == 1 and self.fins >> way & 1):  # a FIN takes a number of its own
            self.spoke = way
            if half.waits:
                self._release(way, half, ack)
                ahead = (ack - half.next_seq) & _MASK
            if 0 < ahead < _BEHIND:
                self._pass(way, half, ahead)

    def datagram(self, way: int, cursor: Cursor, at: int, captured: int, length: int, ts_ns: int) -> None:
        """A datagram: frames of it end with it."""
        self._listen(way, ts_ns)
        if self.mute:
            return
        half = self.second if way else self.first
        cursor.limit(at + captured)
        if self.protocol >= 0:
            self.parser.final = captured == length
        rest = self._run(way, half, cursor, at, at + captured, ts_ns, ts_ns)
        half.skip = 0
        half.astray = False
        if rest < at + captured:
            self.senseless += at + captured - rest

    def finish(self) -> None:
        """No more bytes come: what waits is parsed as it is, and calls without a response are done."""
        for way in range(2):
            half = self.second if way else self.first
            if half.waits:
                self._release(way, half, (half.next_seq + _BEHIND - 1) & _MASK)
            if half.used:
                self._cut(way, half)
            half.begin(0)
        self.over = True
        self._leave()

    def _leave(self) -> None:
        """Nothing more of the connection is read."""
        if self.row >= 0:
            self.book.end(self.row)
            self.row = -1
        self.mute = True
        self.parser = _NO_PARSER
        self.protocol = -1

    # ---- the order of segments

    def _release(self, way: int, half: Half, known: int) -> None:
        """Take held segments as far as they follow; a gap before sequence number `known` is missing bytes."""
        while half.waits:
            seq, data, length, ts_ns = half.earliest()
            ahead = (seq - half.next_seq) & _MASK
            if 0 < ahead < _BEHIND:
                if (known - seq) & _MASK >= _BEHIND:
                    half.hold(seq, data, length, ts_ns)
                    return
                self._pass(way, half, ahead)
                ahead = 0
            seen = (_MASK + 1 - ahead) & _MASK
            if seen < length:
                cursor = Cursor()
                cursor.bind(data)
                start = min(seen, len(data))
                self._in_order(way, half, cursor, start, len(data) - start, length - seen, ts_ns)

    def _pass(self, way: int, half: Half, count: int) -> None:
        """The next `count` bytes of the direction will not come."""
        half.next_seq = (half.next_seq + count) & _MASK
        self._missing(way, half, count)

    def _in_order(self, way: int, half: Half, cursor: Cursor, at: int, captured: int, length: int, ts_ns: int) -> None:
        half.next_seq = (half.next_seq + length) & _MASK
        if self.mute:
            return
        missing = length - captured
        half.end_seq = half.next_seq - missing & _MASK
        if half.skip > 0:
            passed = min(half.skip, captured)
            half.skip -= passed
            at += passed
            captured -= passed
        if captured > 0:
            self._consume(way, half, cursor, at, captured, ts_ns)
            if self.switched:
                self._look_back(1 - way)
        if missing > 0 and not self.mute:
            self._missing(way, half, missing)

    def _consume(self, way: int, half: Half, cursor: Cursor, at: int, count: int, ts_ns: int) -> None:
        if half.used == 0:
            end = at + count
            rest = self._run(way, half, cursor, at, end, ts_ns, ts_ns)
            if rest < end:
                if half.keep(cursor, rest, end - rest):
                    half.first_ns = ts_ns
                else:
                    self._lose(way, half, end - rest)
            return
        taken = min(count, half.limit - half.used)
        half.keep(cursor, at, taken)
        half.end_seq = half.end_seq - (count - taken) & _MASK
        rest = self._run(way, half, half.cursor, 0, half.used, half.first_ns, ts_ns)
        half.end_seq = half.end_seq + (count - taken) & _MASK
        half.drop(rest)
        if rest > 0:
            half.first_ns = ts_ns
        if taken == count:
            return
        if half.used == half.limit:  # nothing of it makes a frame
            self._lose(way, half, half.used)
            half.drop(half.used)
        passed = min(half.skip, count - taken)
        half.skip -= passed
        if count - taken - passed > 0:
            self._consume(way, half, cursor, at + taken + passed, count - taken - passed, ts_ns)

    def _missing(self, way: int, half: Half, count: int) -> None:
        """The next `count` bytes were not captured."""
        if half.used:
            self._cut(way, half)
        passed = min(half.skip, count)
        half.skip -= passed
        if count > passed:
            self._lose(way, half, count - passed)

    def _cut(self, way: int, half: Half) -> None:
        """What waits is all there will be of its frame."""
        if self.protocol >= 0:
            self.parser.final = True
            rest = self._run(way, half, half.cursor, 0, half.used, half.first_ns, half.first_ns)
            self.parser.final = False
            self.senseless += half.used - rest
        half.drop(half.used)

    def _lose(self, way: int, half: Half, count: int) -> None:
        """Bytes that may have held whole messages are gone."""
        self.missing += count
        goes_on = half.astray  # since bytes of the same message were lost: other losses have ended all calls
        half.astray = True
        if self.protocol >= 0:
            side = way ^ self.turned
            if side == 1 or not (self.parser.unfinished or goes_on) or not self.book.is_alone(self.row):
                self.book.step_out(self.row)
            self.parser.lost(side)

    # ---- frames

    def _run(self, way: int, half: Half, cursor: Cursor, at: int, end: int, first_ns: int, ts_ns: int) -> int:
        """Parse the frames from `at` on; returns where the one begins that is not whole. The first byte came at
        `first_ns`, whatever begins later at `ts_ns`."""
        cursor.limit(end)
        parser = self.parser
        side = way ^ self.turned
        begun_ns = first_ns
        while at < end:
            if self.protocol < 0:
                if self.mute:
                    return end
                size = preamble(cursor, at, end)
                if size == _NEED_MORE:
                    return at
                if size > 0:
                    at += size
                    begun_ns = ts_ns
                    continue
                if not self._detect(way, cursor, at, end):
                    return end if self.mute or end - at >= _DETECT_LIMIT or not self.waits_for_more else at
                parser = self.parser
                side = way ^ self.turned
            if half.astray:
                place = parser.resync(cursor, at, end, side)
                if place < 0:
                    self.senseless += end - at
                    return end
                self.senseless += place - at
                at = place
                half.astray = False
            if side == 1 and not self.by_id:
                self._hint(0)
            parser.enough = -1
            size = parser.frame(cursor, at, end, side)
            there = min(size, end - at)
            enough = size if parser.enough < 0 else parser.enough
            if size == _NEED_MORE or (there < size and there < enough and not parser.final):
                if end - at < self.limit:
                    return at
                if size == _NEED_MORE:
                    size = _INVALID
            if size > 0:
                self.message.reset()
                if side == 1 and self.by_id:
                    ident = parser.answered(cursor, at, at + there)
                    parser.hinted = False
                    if ident >= 0:
                        self._hint(ident)
                if parser.parse(cursor, at, at + there, side, self.message):
                    if side == 0 and self.message.part == _REQUEST:
                        self.book.step_in(self.row, self.takes_turns, self.quiet)
                    seq = half.end_seq - (end - at) & _MASK if half.started else 0
                    self.book.take(self.row, self.message, self.protocol, side, begun_ns, size, seq)
                    self.frames += 1
                    self.errors = 0
                    if parser.switches:
                        self._switch()
                    if parser.done:
                        self.over = True
                        self._leave()
                        return end
                else:
                    size = _INVALID
            if size < 0:
                self._stumble(way, half)
                if self.protocol < 0:
                    return end
                at += 1
                continue
            at += size
            begun_ns = ts_ns
        if at > end:
            half.skip = at - end
        return min(at, end)

    def _hint(self, ident: int) -> None:
        row = self.book.hints(self.row, ident)
        self.parser.hinted = row >= 0
        if row >= 0:
            self.parser.hint = self.book.hint[row]

    def _stumble(self, way: int, half: Half) -> None:
        """A frame made no sense: look for the next one; after some, this is no longer what it was taken for."""
        self.errors += 1
        half.astray = True
        self.parser.lost(way ^ self.turned)
        self.book.step_out(self.row)
        if self.errors >= _MAX_ERRORS and self.errors > self.frames:
            self._doubt()

    def _doubt(self) -> None:
        self.owner.doubt(self)
        self._forget_protocol()
        self.book.end(self.row)
        self.row = -1
        self.turned = 0
        for half in (self.first, self.second):
            half.astray = False
            half.skip = 0
        self._tried(_MAX_TRIES // 2)

    def _switch(self) -> None:
        """Another protocol follows, between the same sides. Calls in flight stay in the book until it is known."""
        self._forget_protocol()
        self.switched = True
        self.switches += 1
        self.tries = 0 if self.switches <= _MAX_SWITCHES else _MAX_TRIES
        self._tried(0)

    def _forget_protocol(self) -> None:
        self.parser = _NO_PARSER
        self.protocol = -1
        self.by_id = False
        self.frames = self.errors = 0
        for half in (self.first, self.second):
            half.limit = max(_DETECT_LIMIT, half.used)

    def _look_back(self, way: int) -> None:
        """What waited in a direction when the protocol was switched from the other one."""
        self.switched = False
        half = self.second if way else self.first
        if half.used:
            rest = self._run(way, half, half.cursor, 0, half.used, half.first_ns, half.first_ns)
            half.drop(rest)

    def _tried(self, count: int) -> None:
        """No protocol was found, so often: in the end the connection is left alone."""
        self.tries += count
        if self.tries >= _MAX_TRIES:
            self._leave()
            if self.switches == 0:
                self.owner.give_up(self)

    def _detect(self, way: int, cursor: Cursor, at: int, end: int) -> bool:
        """Ask each protocol for the first bytes of a direction."""
        self.waits_for_more = False
        if self.choice.fixed >= 0:
            server = 1 - self.opener
            return self._settle(self.choice.fixed, int(self.port[server] != self.choice.port))
        for index in self.choice.order:
            answer = self.protocols[index].detect(cursor, at, end)
            cursor.limit(end)
            if answer == _NEED_MORE:
                self.waits_for_more = True
            elif answer != _INVALID and self._settle(index, int((answer == _FROM_SERVER) != (way == 1))):
                self._sift(1 - way)
                return True
        if not self.waits_for_more or end - at >= _DETECT_LIMIT:
            self._tried(1)
        return False

    def _sift(self, way: int) -> None:
        """What waits in a direction could have been another protocol's: of this one it is a beginning, or nothing."""
        half = self.second if way else self.first
        if half.used == 0:
            return
        half.cursor.limit(half.used)
        if self.parser.frame(half.cursor, 0, half.used, way ^ self.turned) == _INVALID:
            self.senseless += half.used
            half.drop(half.used)

    def _settle(self, index: int, turned: int) -> bool:
        """This is the protocol, if the book has room for it."""
        spec = self.protocols[index]
        if self.row >= 0 and turned == self.turned:
            self.book.switch(self.row, spec.pairs_by_id)
        else:
            if self.row >= 0:
                self.book.end(self.row)
            self.turned = turned
            self.row = self.owner.enrol(self, index)
        if self.row < 0:
            self.mute = True
            return False
        self.parser = spec.parser()
        self.parser.redacts = self.owner.redacts
        self.parser.datagrams = self.proto == _UDP
        self.protocol = index
        self.by_id = spec.pairs_by_id
        self.needs_all |= spec.every_segment
        self.limit = spec.parse_limit
        self.first.limit = self.second.limit = spec.parse_limit
        return True
