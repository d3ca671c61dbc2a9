# cython: annotation_typing=False
"""The hash of the tables of user space: seeded, so that nobody outside can choose packets that collide.

NH (UMAC, RFC 4418 §5.2.2): sums of products with secret keys. Two different keys collide with a chance of 2^-32, and
the products do not wait for each other. The kernel's table has its own keys; each table is searched by one engine only.
"""

import os

import numpy as np

_HALF = 0xFFFFFFFF
_WORD = 0xFFFFFFFFFFFFFFFF
_MIX = 0x9E3779B97F4A7C15


class KeyHash:
    """Hashes keys of five 64-bit words to 64 bits, of which both halves are used."""

    def __init__(self, seed: int | None = None) -> None:
        """`seed` makes the hash repeatable, for tests; else the system's randomness is taken."""
        keys = os.urandom(40) if seed is None else np.random.default_rng(seed).bytes(40)
        self.keys = np.frombuffer(keys, np.uint32).copy().data

    def of(self, a: int, b: int, c: int, d: int, e: int) -> int:
        """The hash of one key."""
        total = self._term(a, 0) + self._term(b, 2) + self._term(c, 4) + self._term(d, 6) + self._term(e, 8)
        total &= _WORD
        total ^= total >> 32
        total = (total * _MIX) & _WORD
        return total ^ total >> 29

    def _term(self, word: int, key: int) -> int:
        low = (word + self.keys[key]) & _HALF
        high = ((word >> 32) + self.keys[key + 1]) & _HALF
        return low * high
