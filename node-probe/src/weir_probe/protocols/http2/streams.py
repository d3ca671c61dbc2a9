# cython: annotation_typing=False
# ruff: noqa: PLR0917 -- C calls are positional
"""Streams in flight: what is known of each, and how many gRPC messages went each way.

A message is a flag, a length of four bytes, and as many bytes, across frames (gRPC over HTTP/2, Requests).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from weir_probe.wire.cursor import Cursor

#: Beyond it the oldest of some streams is forgotten: its messages are not counted.
MAX_STREAMS: Final = 2048
#: A stream is in one of so many places.
_WINDOW = 8
#: What is known of a stream. Fields that may have said that it is gRPC are unknown: UNDECIDED. The server's GAP is the
#: next bit.
GRPC, ANSWERED, UNDECIDED, GAP = 1, 2, 4, 8
_GAP = GAP
_MAX_STREAMS = MAX_STREAMS
#: Columns of a stream: then, by direction, bytes to come of a message, of its prefix those that came, its length as far
#: as it is known, messages.
_ID, _KNOWN, _LEFT, _HAVE, _LENGTH, _MESSAGES = 0, 1, 2, 4, 6, 8
_COLUMNS = 10
_PREFIX = 5


class Streams:
    """Places are named by their index; -1 stands for none."""

    def __init__(self) -> None:
        self.places = 32
        self.table = np.zeros((self.places, _COLUMNS), np.uint32).data

    def find(self, stream: int) -> int:
        """The place of a stream that is in flight."""
        for step in range(_WINDOW):
            place = (stream + step) & (self.places - 1)
            if self.table[place, _ID] == stream:
                return place
        return -1

    def open(self, stream: int, known: int) -> int:
        """A place for a new stream."""
        oldest = -1
        for step in range(_WINDOW):
            place = (stream + step) & (self.places - 1)
            if self.table[place, _ID] == 0:
                return self._take(place, stream, known)
            if oldest < 0 or self.table[place, _ID] < self.table[oldest, _ID]:
                oldest = place
        if self.places < _MAX_STREAMS:
            self._grow()
            return self.open(stream, known)
        return self._take(oldest, stream, known)

    def _take(self, place: int, stream: int, known: int) -> int:
        for column in range(_COLUMNS):
            self.table[place, column] = 0
        self.table[place, _ID] = stream
        self.table[place, _KNOWN] = known
        return place

    def _grow(self) -> None:
        older = self.table
        places = self.places
        self.places = places * 2
        self.table = np.zeros((self.places, _COLUMNS), np.uint32).data
        for place in range(places):
            if older[place, _ID]:
                at = self.open(older[place, _ID], 0)
                for column in range(_COLUMNS):
                    self.table[at, column] = older[place, column]

    def close(self, place: int) -> None:
        """The stream is over."""
        self.table[place, _ID] = 0

    def known(self, place: int, what: int) -> bool:
        """Whether this is known of it."""
        return bool(self.table[place, _KNOWN] & what)

    def note(self, place: int, what: int) -> None:
        """This is known of it."""
        self.table[place, _KNOWN] |= what

    def drop(self, place: int, what: int) -> None:
        """That is so no longer."""
        self.table[place, _KNOWN] &= ~what

    def messages(self, place: int, way: int) -> int:
        """Messages that have begun; -1: some may have been missed."""
        if self.table[place, _KNOWN] & _GAP << way:
            return -1
        return self.table[place, _MESSAGES + way]

    def gap(self, way: int) -> None:
        """Bytes of a direction are missing, of whichever stream."""
        for place in range(self.places):
            self.table[place, _KNOWN] |= _GAP << way

    def needed(self, place: int, way: int, cursor: Cursor, at: int, end: int, stop: int) -> int:
        """Up to where bytes are needed to count the messages in the payload between `at` and `stop`, of which what is
        before `end` is there."""
        left, have = self.table[place, _LEFT + way], self.table[place, _HAVE + way]
        length = self.table[place, _LENGTH + way]
        while at + left < stop:
            at += left
            left = 0
            if at + _PREFIX - have > min(end, stop):
                return min(at + _PREFIX - have, stop)
            while have < _PREFIX:
                length = (length << 8 | cursor.u8(at)) & 0xFFFFFFFF
                at += 1
                have += 1
            left = length
            have = 0
        return at

    def count(self, place: int, way: int, cursor: Cursor, at: int, end: int, stop: int) -> None:
        """Count the messages of a payload; where it is cut, and more may begin behind, that is a gap."""
        left, have = self.table[place, _LEFT + way], self.table[place, _HAVE + way]
        length = self.table[place, _LENGTH + way]
        while at < stop:
            if left > 0:
                if left > stop - at:
                    left -= stop - at
                    break
                at += left
                left = 0
                continue
            if at >= end or (have == 0 and cursor.u8(at) > 1):
                self.table[place, _KNOWN] |= _GAP << way
                break
            length = (length << 8 | cursor.u8(at)) & 0xFFFFFFFF
            at += 1
            have += 1
            if have == _PREFIX:
                self.table[place, _MESSAGES + way] += 1
                left = length
                have = 0
        self.table[place, _LEFT + way] = left
        self.table[place, _HAVE + way] = have
        self.table[place, _LENGTH + way] = length
