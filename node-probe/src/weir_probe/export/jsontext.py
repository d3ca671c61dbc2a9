# cython: annotation_typing=False
"""Lines of JSON, put together in memory from pieces that repeat, numbers and instants. All of it is ASCII."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

_NS = 1_000_000_000
_FIRST_ROOM = 1 << 16
_QUOTE = 0x22
_NEVER = 0xFFFFFFFFFFFFFFFF


def _copied(to: memoryview, at: int, source: memoryview, start: int, count: int) -> None:
    """wire.copying.copy_bytes, inlined: to call another module takes longer than to copy most of what a line has."""
    for place in range(count):
        to[at + place] = source[start + place]


def _put_digits(to: memoryview, at: int, value: int, count: int) -> None:
    for place in range(count):
        to[at + count - 1 - place] = 0x30 + value % 10
        value //= 10


class JsonText:
    """`out[:at]` is what was written. Who writes makes room first (`_make_room`), then calls the others."""

    def __init__(self, pieces: Iterable[str]) -> None:
        """`pieces` can be named by their number; others are entered behind them, and go with `pooled = constant`."""
        self.pool_room = self.room = _FIRST_ROOM
        self.pool = np.zeros(_FIRST_ROOM, np.uint8).data
        self.out = np.zeros(_FIRST_ROOM, np.uint8).data
        self.pooled = self.at = 0
        ends = [0]
        for piece in pieces:
            self._enter(piece.encode())
            ends.append(self.pooled)
        self.piece_at = np.array(ends, np.int64).data
        self.constant = self.pooled
        self.second = _NEVER  # whose text is in `day_and_time`
        self.day_and_time = np.zeros(19, np.uint8).data

    def _enter(self, words: bytes) -> None:
        """Append to the pool."""
        while self.pool_room - self.pooled < len(words):
            larger = np.zeros(2 * self.pool_room, np.uint8)
            larger[: self.pooled] = self.pool[: self.pooled]
            self.pool = larger.data
            self.pool_room *= 2
        for byte in words:
            self.pool[self.pooled] = byte
            self.pooled += 1

    def _make_room(self, wanted: int) -> None:
        if self.room - self.at >= wanted:
            return
        while self.room - self.at < wanted:
            self.room *= 2
        larger = np.zeros(self.room, np.uint8)
        larger[: self.at] = self.out[: self.at]
        self.out = larger.data

    def _byte(self, byte: int) -> None:
        self.out[self.at] = byte
        self.at += 1

    def _piece(self, number: int) -> None:
        at = self.piece_at[number]
        count = self.piece_at[number + 1] - at
        _copied(self.out, self.at, self.pool, at, count)
        self.at += count

    def _copy(self, at: int, count: int) -> None:
        """So much of the pool."""
        _copied(self.out, self.at, self.pool, at, count)
        self.at += count

    def _member(self, number: int, value: int) -> None:
        """A piece, and a number after it."""
        self._piece(number)
        self._number(value)

    def _number(self, value: int) -> None:
        count, power = 1, 10
        while count < 20 and value >= power:
            count += 1
            power *= 10
        _put_digits(self.out, self.at, value, count)
        self.at += count

    def _digits(self, value: int, count: int) -> None:
        """The last `count` decimal digits."""
        _put_digits(self.out, self.at, value, count)
        self.at += count

    def _hex(self, value: int, count: int) -> None:
        for place in range(count):
            digit = value >> 4 * (count - 1 - place) & 0xF
            self._byte(0x30 + digit if digit < 10 else 0x57 + digit)

    def _instant(self, ns: int) -> None:
        """RFC 3339, UTC, nine digits, of Unix time; and the quote that ends it."""
        second = ns // _NS
        if second != self.second:
            self.second = second
            self._calendar(second)
        _copied(self.out, self.at, self.day_and_time, 0, 19)
        self.at += 19
        self._byte(0x2E)
        self._digits(ns % _NS, 9)
        self._byte(0x5A)
        self._byte(_QUOTE)

    def _calendar(self, second: int) -> None:
        """Day and time of a second since 1970, in the Gregorian calendar."""
        text = str(np.datetime64(int(second), "s")).encode()
        for place in range(19):
            self.day_and_time[place] = text[place]
