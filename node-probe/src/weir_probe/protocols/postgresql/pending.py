# cython: annotation_typing=False
"""What the client has sent and the server has still to answer, in its order (PostgreSQL protocol §55.2.3)."""

from __future__ import annotations

from typing import Final

import numpy as np

#: Messages of a connection that may wait for an answer.
MAX_PENDING: Final = 8192
_FIRST_SIZE: Final = 64
_MAX_PENDING = MAX_PENDING


class Pending:
    """A ring. Each entry has its message's type, and the number of the call that it belongs to; 0: to none."""

    def __init__(self) -> None:
        self.first = 0
        self.count = 0
        self._allot(_FIRST_SIZE)

    def _allot(self, size: int) -> None:
        self.size = size
        self.kinds = np.zeros(size, np.uint8).data
        self.calls = np.zeros(size, np.uint64).data
        self.last = np.zeros(size, np.uint8).data

    def push(self, kind: int, call: int) -> bool:
        """False: there is no room."""
        if self.count == self.size and not self._grow():
            return False
        place = (self.first + self.count) % self.size
        self.kinds[place] = kind
        self.calls[place] = call
        self.last[place] = False
        self.count += 1
        return True

    def _grow(self) -> bool:
        if self.size * 2 > _MAX_PENDING:
            return False
        kinds, calls, last, size = self.kinds, self.calls, self.last, self.size
        self._allot(size * 2)
        for index in range(self.count):
            place = (self.first + index) % size
            self.kinds[index] = kinds[place]
            self.calls[index] = calls[place]
            self.last[index] = last[place]
        self.first = 0
        return True

    def kind(self) -> int:
        """Type of the message that is answered next; 0: none is."""
        return self.kinds[self.first] if self.count else 0

    def call(self) -> int:
        """Its call."""
        return self.calls[self.first] if self.count else 0

    def ends(self) -> bool:
        """Whether its answer is the last of its call."""
        return self.count > 0 and self.last[self.first] != 0

    def pop(self) -> None:
        self.first = (self.first + 1) % self.size
        self.count -= 1

    def close(self, call: int) -> None:
        """The call has no further messages than those that it has."""
        if self.count:
            place = (self.first + self.count - 1) % self.size
            if self.calls[place] == call:
                self.last[place] = True

    def kind_after(self) -> int:
        """Type of the message behind the next one."""
        return self.kinds[(self.first + 1) % self.size] if self.count > 1 else 0

    def pop_after(self) -> None:
        """Take out the message behind the next one: it will not be answered."""
        after = (self.first + 1) % self.size
        self.kinds[after] = self.kinds[self.first]
        self.calls[after] = self.calls[self.first]
        self.last[after] = self.last[self.first]
        self.pop()

    def clear(self) -> None:
        self.count = 0
