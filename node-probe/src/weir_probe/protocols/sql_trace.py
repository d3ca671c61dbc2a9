# cython: annotation_typing=False
"""Trace context in a comment of SQL: `/*traceparent='00-…'*/` as sqlcommenter writes it, `/* x-request-id: … */`."""

from __future__ import annotations

from weir_probe.protocols import trace
from weir_probe.protocols.message import Message
from weir_probe.protocols.sql_summary import in_word
from weir_probe.wire.cursor import Cursor


def read_comment(cursor: Cursor, at: int, end: int, message: Message) -> None:
    """Write the trace columns of what the comment's keys say."""
    while at < end:
        if not _in_key(cursor.u8(at)):
            at += 1
            continue
        name = at
        while at < end and _in_key(cursor.u8(at)):
            at += 1
        kind = trace.format_of(cursor, name, at - name)
        if kind == 0:
            continue
        while at < end and cursor.u8(at) in b" =:'\"":
            at += 1
        value = at
        while at < end and cursor.u8(at) not in b" ,'\"\\*;\r\n":
            at += 1
        trace.put(kind, cursor, value, at - value, message)


def _in_key(byte: int) -> bool:
    return byte == 0x2D or in_word(byte)
