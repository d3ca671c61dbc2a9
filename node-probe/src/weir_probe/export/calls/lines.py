# cython: annotation_typing=False

"""Calls as lines of JSON: the fields of weir_api.records.CallRecord, of capture files and of live traffic alike.

Text comes from the network: what JSON does not take as it is, and all that is not ASCII, is escaped; bytes that are no
UTF-8 are told as `\\xff`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from weir_probe.export.jsontext import JsonText
from weir_probe.protocols.message import ATTRIBUTES, CODE, COLUMNS, REQUEST_ID, STATUSES
from weir_probe.protocols.parser import Spec
from weir_probe.streams.calls import CALL, TEXT_AT
from weir_probe.wire.copying import copy_bytes
from weir_probe.wire.protocols import protocol_name
from weir_probe.wire.text import address

_VARIANTS = 16  # of one protocol, at most
_QUOTE, _BACKSLASH = 0x22, 0x5C
#: Of a line, but for text and what Teller tells.
_FIXED = 1024
_COLUMNS, _ATTRIBUTES, _CODE, _REQUEST_ID = len(COLUMNS), ATTRIBUTES, CODE, REQUEST_ID
_CALL_SIZE, _TEXT_AT = CALL.itemsize, TEXT_AT

# What a line is made of beside its values; columns come after them
_START, _SRC_PORT, _DST_PORT, _TRANSPORT, _PROTOCOL = range(5)
_STATUS, _REQUEST_BYTES, _RESPONSE_BYTES, _LATENCY, _NO_LATENCY = range(5, 10)
_ATTRIBUTES_OF, _TRUNCATED, _NOT_TRUNCATED, _END, _NULL, _EMPTY = range(10, 16)
_KEYS: Final = (
    '{"start":"',
    ',"src_port":',
    ',"dst_port":',
    ',"transport":',
    ',"protocol":',
    ',"status":"',
    ',"request_bytes":',
    ',"response_bytes":',
    ',"latency_us":',
    ',"latency_us":null',
    ',"attributes":{',
    ',"truncated":true',
    ',"truncated":false',
    "}\n",
    "null",
    '""',
)
_FIRST_COLUMN = len(_KEYS)
_FIRST_STATUS = _FIRST_COLUMN + _COLUMNS
_FIRST_TRANSPORT = _FIRST_STATUS + len(STATUSES)
_FIRST_TITLE = _FIRST_TRANSPORT + 256


class Teller(Protocol):
    """Who is at the ends of a call, and who asked for it: members of a JSON object, each after a comma."""

    def end(self, side: int, iface: int, packed: bytes) -> bytes:
        """The client (0) or the server (1), which has this address and is behind this interface (0: none watched)."""

    def observations(self, mask: int) -> bytes:
        """Those that asked for it."""


class Addresses:
    """The Teller of capture files: addresses are all that is known."""

    def end(self, side: int, iface: int, packed: bytes) -> bytes:  # noqa: ARG002
        return f',"{("src", "dst")[side]}":"{address(packed)}"'.encode()

    def observations(self, mask: int) -> bytes:  # noqa: ARG002
        return b""


def _plain_end(text: memoryview, at: int, end: int) -> int:
    """Where the first byte stands that a JSON string does not take as it is, or the end."""
    while at < end and 0x20 <= text[at] < 0x7F and text[at] != _QUOTE and text[at] != _BACKSLASH:
        at += 1
    return at


class LineWriter(JsonText):
    """Writes rows of streams.calls.CALL. What it was told of ends and observations holds until `forget`."""

    def __init__(self, protocols: Sequence[Spec], teller: Teller, slots: Any = None, *, sparse: bool = False) -> None:
        """`slots` are the capture's, for calls of live traffic. `sparse`: absent columns are left out."""
        self.teller = teller
        self.sparse = sparse
        self.slots = 0 if slots is None else len(slots)
        self.iface = np.zeros(0, np.uint16).data if slots is None else slots["iface"].data
        self.peer_iface = np.zeros(0, np.uint16).data if slots is None else slots["peer_iface"].data
        self.by_id = np.array([spec.pairs_by_id and spec.tells_ids for spec in protocols], np.uint8).data
        pieces = [*_KEYS, *(f',"{name}":' for name in COLUMNS), *STATUSES]
        pieces += [json.dumps(str(protocol_name(number))) for number in range(256)]
        for spec in protocols:
            titles = [json.dumps(title) for title in spec.titles[:_VARIANTS]]
            pieces += titles + titles[:1] * (_VARIANTS - len(titles))
        super().__init__(pieces)
        #: By conversation: the block for which its ends were looked up, and where they are told in the pool.
        self.block = 0
        self.looked_up = np.zeros(0, np.uint64).data
        self.told: dict[tuple[int, int, bytes], tuple[int, int]] = {}
        self.told_observations: dict[int, tuple[int, int]] = {}
        self.mask = 0
        self.mask_at = self.mask_size = 0

    def forget(self) -> None:
        """What was told may have changed."""
        self.pooled = self.constant
        self.told.clear()
        self.told_observations.clear()
        self.mask = 0

    def write(
        self,
        calls: npt.NDArray[Any],
        conversations: npt.NDArray[Any],
        rows: npt.NDArray[np.int32],
        asked: npt.NDArray[np.uint64] | None = None,
        wall_offset_ns: int = 0,
    ) -> bytes:
        """A line for each of `rows`, in their order. `asked`: the observations that asked for each.

        `wall_offset_ns` is Unix time minus the clock of the calls.
        """
        self.request_ns = calls["request_ns"].data
        self.response_ns = calls["response_ns"].data
        self.id = calls["id"].data
        self.request_bytes = calls["request_bytes"].data
        self.response_bytes = calls["response_bytes"].data
        self.conversation = calls["conversation"].data
        self.code = calls["code"].data
        self.used = calls["used"].data
        self.start = calls["start"].data
        self.length = calls["length"].data
        self.protocol = calls["protocol"].data
        self.variant = calls["variant"].data
        self.status = calls["status"].data
        self.has_code = calls["has_code"].data
        self.cut = calls["cut"].data
        self.bytes = calls.view(np.uint8).data
        self.addr = conversations["addr"].data
        self.port = conversations["port"].data
        self.proto = conversations["proto"].data
        self.slot = conversations["slot"].data
        self.workload = conversations["workload"].data
        if len(self.looked_up) < len(conversations):
            self.looked_up = np.zeros(len(conversations), np.uint64).data
            self.end_at = np.zeros((len(conversations), 2), np.int64).data
            self.end_size = np.zeros((len(conversations), 2), np.int64).data
        self.block += 1
        self.at = 0
        masks = np.zeros(len(rows), np.uint64) if asked is None else asked
        self._lines(rows.data, masks.data, len(rows), wall_offset_ns)
        return bytes(self.out[: self.at])

    def _lines(self, rows: Any, masks: Any, count: int, wall_offset_ns: int) -> None:
        for number in range(count):
            self._line(rows[number], masks[number], wall_offset_ns)

    def _line(self, row: int, mask: int, wall_offset_ns: int) -> None:
        conversation = self.conversation[row]
        if self.looked_up[conversation] != self.block:
            self._look_up(conversation)
        if mask != self.mask:
            self._look_up_observations(mask)
        most = _FIXED + 6 * self.used[row] + self.end_size[conversation, 0] + self.end_size[conversation, 1]
        self._make_room(most + self.mask_size)
        self._piece(_START)
        self._instant(self.request_ns[row] + wall_offset_ns)
        if mask:
            self._copy(self.mask_at, self.mask_size)
        for side in range(2):
            self._copy(self.end_at[conversation, side], self.end_size[conversation, side])
        self._member(_SRC_PORT, self.port[conversation, 0])
        self._member(_DST_PORT, self.port[conversation, 1])
        self._piece(_TRANSPORT)
        self._piece(_FIRST_TRANSPORT + self.proto[conversation])
        self._piece(_PROTOCOL)
        self._piece(_FIRST_TITLE + self.protocol[row] * _VARIANTS + (self.variant[row] & (_VARIANTS - 1)))
        for column in range(_COLUMNS):
            if column != _ATTRIBUTES:
                self._column(row, column)
        self._piece(_STATUS)
        self._piece(_FIRST_STATUS + self.status[row])
        self._byte(_QUOTE)
        self._member(_REQUEST_BYTES, self.request_bytes[row])
        self._member(_RESPONSE_BYTES, self.response_bytes[row])
        if self.response_ns[row] > 0:
            self._piece(_LATENCY)
            took_ns = 0
            if self.response_ns[row] > self.request_ns[row]:  # packets may have been captured in another order
                took_ns = self.response_ns[row] - self.request_ns[row]
            self._number(took_ns // 1000)
            self._byte(0x2E)
            self._digits(took_ns % 1000, 3)
        elif not self.sparse:
            self._piece(_NO_LATENCY)
        self._attributes(row)
        if self.cut[row]:
            self._piece(_TRUNCATED)
        elif not self.sparse:
            self._piece(_NOT_TRUNCATED)
        self._piece(_END)

    def _column(self, row: int, column: int) -> None:
        size = self.length[row, column]
        if size > 0:
            self._piece(_FIRST_COLUMN + column)
            at = row * _CALL_SIZE + _TEXT_AT + self.start[row, column]
            self._string(at, at + size)
        elif column == _REQUEST_ID and self.by_id[self.protocol[row]]:
            self._member(_FIRST_COLUMN + column, self.id[row])
        elif column == _CODE and self.has_code[row]:
            self._piece(_FIRST_COLUMN + column)
            if self.code[row] < 0:
                self._byte(0x2D)
                self._number(-self.code[row])
            else:
                self._number(self.code[row])
        elif not self.sparse:
            self._piece(_FIRST_COLUMN + column)
            self._piece(_NULL if column == _REQUEST_ID or column == _CODE else _EMPTY)

    def _attributes(self, row: int) -> None:
        """`key\\0value\\0` for each; a last one that is cut within its key is left out."""
        at = row * _CALL_SIZE + _TEXT_AT + self.start[row, _ATTRIBUTES]
        end = at + self.length[row, _ATTRIBUTES]
        if at == end and self.sparse:
            return
        self._piece(_ATTRIBUTES_OF)
        first = True
        while at < end:
            middle = self._zero(at, end)
            if middle == end:
                break
            last = self._zero(middle + 1, end)
            if not first:
                self._byte(0x2C)
            first = False
            self._string(at, middle)
            self._byte(0x3A)
            self._string(middle + 1, last)
            at = last + 1
        self._byte(0x7D)

    def _zero(self, at: int, end: int) -> int:
        while at < end and self.bytes[at] != 0:
            at += 1
        return at

    # ---- who is at the ends: told once for each block

    def _look_up(self, conversation: int) -> None:
        slot = self.slot[conversation]
        for side in range(2):
            iface = 0
            if 0 <= slot < self.slots:
                iface = self.iface[slot] if side == self.workload[conversation] else self.peer_iface[slot]
            first, second = self.addr[conversation, side, 0], self.addr[conversation, side, 1]
            key = (side, int(iface), int(first).to_bytes(8, "little") + int(second).to_bytes(8, "little"))
            if key not in self.told:
                at = self.pooled
                self._enter(self.teller.end(*key))
                self.told[key] = at, self.pooled - at
            self.end_at[conversation, side], self.end_size[conversation, side] = self.told[key]
        self.looked_up[conversation] = self.block

    def _look_up_observations(self, mask: int) -> None:
        if mask not in self.told_observations:
            at = self.pooled
            self._enter(self.teller.observations(mask))
            self.told_observations[mask] = at, self.pooled - at
        self.mask = mask
        self.mask_at, self.mask_size = self.told_observations[mask]

    # ---- text of the rows

    def _string(self, at: int, end: int) -> None:
        """Bytes of the rows, as a JSON string."""
        self._byte(_QUOTE)
        while at < end:
            plain = _plain_end(self.bytes, at, end)
            copy_bytes(self.out, self.at, self.bytes, at, plain - at)
            self.at += plain - at
            at = plain
            if at == end:
                break
            byte = self.bytes[at]
            if byte == _QUOTE or byte == _BACKSLASH:
                self._byte(_BACKSLASH)
                self._byte(byte)
                at += 1
            elif byte < 0x80:
                self._unit(byte)
                at += 1
            else:
                at += self._beyond_ascii(at, end)
        self._byte(_QUOTE)

    def _beyond_ascii(self, at: int, end: int) -> int:
        """A character of two to four bytes (RFC 3629 §4), or one byte that begins none; returns how many bytes."""
        lead = self.bytes[at]
        if 0xC2 <= lead <= 0xDF:
            size, point, least = 2, lead & 0x1F, 0x80
        elif 0xE0 <= lead <= 0xEF:
            size, point, least = 3, lead & 0x0F, 0x800
        elif 0xF0 <= lead <= 0xF4:
            size, point, least = 4, lead & 0x07, 0x10000
        else:
            size, point, least = 5, 0, 0
        valid = size < 5 and at + size <= end
        if valid:
            for place in range(at + 1, at + size):
                byte = self.bytes[place]
                valid = valid and byte & 0xC0 == 0x80
                point = point << 6 | (byte & 0x3F)
        if not valid or point < least or point > 0x10FFFF or 0xD800 <= point <= 0xDFFF:
            self._byte(_BACKSLASH)
            self._byte(_BACKSLASH)
            self._byte(0x78)
            self._hex(lead, 2)
            return 1
        if point >= 0x10000:  # a surrogate pair (RFC 8259 §7)
            self._unit(0xD800 + (point - 0x10000 >> 10))
            point = 0xDC00 + (point - 0x10000 & 0x3FF)
        self._unit(point)
        return size

    def _unit(self, value: int) -> None:
        """`\\u` and four digits."""
        self._byte(_BACKSLASH)
        self._byte(0x75)
        self._hex(value, 4)
