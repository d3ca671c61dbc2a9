# cython: annotation_typing=False
"""Copying bytes: text from packets to messages, to rows, to lines."""

from __future__ import annotations


def copy_bytes(to: memoryview, at: int, source: memoryview, start: int, count: int) -> None:
    """`to[at : at + count] = source[start : start + count]`, the first byte first. Both must hold so many."""
    for place in range(count):
        to[at + place] = source[start + place]
