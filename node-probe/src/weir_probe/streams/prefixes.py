# cython: annotation_typing=False
"""Which observations name an address as their peer: the `peers` trie of the kernel, for the engine of user space."""

from collections.abc import Mapping

import numpy as np

from weir_probe.streams.hashing import KeyHash


class PrefixMasks:
    """(16 bytes in network order, length in bits) → mask of observations; the longest prefix that matches decides."""

    def __init__(self) -> None:
        self.hash = KeyHash()
        self.replace({})

    def replace(self, masks: Mapping[tuple[bytes, int], int]) -> None:
        """Take these in place of all before. Not while another thread looks one up."""
        self.slots = max(8, 1 << (2 * len(masks)).bit_length())
        lengths = sorted({length for _, length in masks}, reverse=True)
        bits = [((1 << length) - 1 << 128 - length).to_bytes(16, "big") for length in lengths]
        self.length = np.array(lengths, np.uint64).data
        self.bits = np.frombuffer(b"".join(bits), np.uint64).reshape(len(bits), 2).copy().data
        self.keys = np.zeros((self.slots, 3), np.uint64).data
        self.masks = np.zeros(self.slots, np.uint64).data
        self.taken = np.zeros(self.slots, np.uint8).data
        for (packed, length), mask in masks.items():
            first, second = int.from_bytes(packed[:8], "little"), int.from_bytes(packed[8:], "little")
            at = self._place(first, second, length)
            self.keys[at, 0], self.keys[at, 1], self.keys[at, 2] = first, second, length
            self.masks[at] = mask
            self.taken[at] = 1

    def _place(self, first: int, second: int, length: int) -> int:
        """Where a prefix is, or would be."""
        at = self.hash.of(first, second, length, 0, 0) & (self.slots - 1)
        while self.taken[at] and not (
            self.keys[at, 0] == first and self.keys[at, 1] == second and self.keys[at, 2] == length
        ):
            at = (at + 1) & (self.slots - 1)
        return at

    def get(self, first: int, second: int) -> int:
        """The observations that name the address with these words."""
        for i in range(len(self.length)):
            at = self._place(first & self.bits[i, 0], second & self.bits[i, 1], self.length[i])
            if self.taken[at]:
                return self.masks[at]
        return 0
