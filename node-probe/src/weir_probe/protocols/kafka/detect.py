"""Is it Kafka? A request whose header is one, and whose body is what its API and version say, to its last byte."""

from __future__ import annotations

from typing import Final

from weir_probe.protocols.kafka.body import BAD, CUT, Body
from weir_probe.protocols.kafka.programs import FLEXIBLE, KEYS, STARTS, VERSIONS
from weir_probe.protocols.message import Message
from weir_probe.protocols.parser import FROM_CLIENT, INVALID, NEED_MORE
from weir_probe.wire.cursor import Cursor

#: socket.request.max.bytes of a broker.
_MAX_REQUEST: Final = 104_857_600
_MAX_CLIENT_ID = 255
#: Up to the length of the client's id.
_HEADER = 14
_BODY, _MESSAGE = Body(), Message()


def detect(cursor: Cursor, at: int, end: int) -> int:
    """A server's first bytes alone say nothing."""
    there = end - at
    size = cursor.u32(at)
    if there >= 4 and not 10 <= size <= _MAX_REQUEST:
        return INVALID
    if there < 8:
        return INVALID if there >= 1 and cursor.u8(at) > _MAX_REQUEST >> 24 else NEED_MORE
    key, version = cursor.u16(at + 4), cursor.u16(at + 6)
    if key >= KEYS or version >= VERSIONS or STARTS[key, 0, version] < 0:
        return INVALID
    if there < _HEADER:
        return NEED_MORE
    length = cursor.u16(at + 12)
    if cursor.u8(at + 8) >= 0x80 or (length > _MAX_CLIENT_ID and length != 0xFFFF):
        return INVALID
    length = 0 if length == 0xFFFF else length
    behind = at + _HEADER + length
    if _HEADER + length > 4 + size:
        return INVALID
    for place in range(at + _HEADER, min(behind, end)):
        if not 0x20 <= cursor.u8(place) < 0x7F:
            return INVALID
    if behind > end:
        return NEED_MORE
    whole = 4 + size <= there
    stop = at + 4 + size if whole else end
    flexible = version >= FLEXIBLE[key]
    place = _BODY.skip_tags(cursor, behind, stop) if flexible else behind
    if place >= 0:
        place = _BODY.read(cursor, place, stop, int(STARTS[key, 0, version]), flexible, _MESSAGE)
    if whole:
        return FROM_CLIENT if place == stop else INVALID
    if place == BAD:
        return INVALID
    # the rest of a long one: a name is something to go by, nothing is not
    return FROM_CLIENT if place == CUT and length > 2 else NEED_MORE
