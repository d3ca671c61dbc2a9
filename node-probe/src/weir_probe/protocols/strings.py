# cython: annotation_typing=False
"""Strings that end with a NUL."""

from __future__ import annotations

from weir_probe.wire.cursor import Cursor


def text_end(cursor: Cursor, at: int, end: int) -> int:
    """Where the NUL of the string at `at` stands, or the end."""
    while at < end and cursor.u8(at) != 0:
        at += 1
    return at
