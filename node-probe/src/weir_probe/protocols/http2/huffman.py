"""Huffman code of HPACK (RFC 7541 Appendix B) as a machine that takes four bits at a time.

The code is canonical: symbols of one length follow each other by value, so the lengths say all of it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

#: Symbols by the length of their code in bits. The end of the string, symbol 256, is the last of 30 bits.
_BY_LENGTH: Final = {
    5: b"012aceiost",
    6: b" %-./3456789=A_bdfghlmnpru",
    7: b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz",
    8: b"&*,;XZ",
    10: b'!"()?',
    11: b"'+|",
    12: b"#>",
    13: bytes.fromhex("0024405b5d7e"),
    14: b"^}",
    15: b"<`{",
    19: bytes.fromhex("5cc3d0"),
    20: bytes.fromhex("808283a2b8c2e0e2"),
    21: bytes.fromhex("99a1a7acb0b1b3d1d8d9e3e5e6"),
    22: bytes.fromhex("8184858688929a9ca0a3a4a9aaadb2b5b9babbbdbec4c6e4e8e9"),
    23: bytes.fromhex("0187898a8b8c8d8f93959697989b9d9ea5a6a8aeafb4b6b7bcbfc5e7ef"),
    24: bytes.fromhex("098e9091949fabced7e1eced"),
    25: bytes.fromhex("c7cfeaeb"),
    26: bytes.fromhex("c0c1c8c9cacdd2d5dadbeef0f2f3ff"),
    27: bytes.fromhex("cbccd3d4d6dddedff1f4f5f6f7f8fafbfcfdfe"),
    28: bytes.fromhex("020304050607080b0c0e0f1011121314151718191a1b1c1d1e1f7fdcf9"),
    30: bytes.fromhex("0a0d16"),
}
#: An entry of `steps`: the next state, the symbol, and whether there is one; FAILED: no string goes on like this.
EMITS: Final = 0x10000
FAILED: Final = 0x20000


def _codes() -> dict[tuple[int, int], int]:
    """(length, code) -> symbol."""
    codes: dict[tuple[int, int], int] = {}
    code = before = 0
    for length, symbols in _BY_LENGTH.items():
        code <<= length - before
        before = length
        for symbol in [*symbols, 256] if length == max(_BY_LENGTH) else symbols:
            codes[length, code] = symbol
            code += 1
    return codes


def _machine() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint8]]:
    """`steps[state * 16 + four bits]`, and whether a string may end in a state: only with up to seven bits of ones,
    the beginning of the end of string (RFC 7541 §5.2)."""
    codes = _codes()
    prefixes = {(0, 0): 0}  # inner nodes of the tree are the states
    for length, code in codes:
        for short in range(1, length):
            prefixes.setdefault((short, code >> (length - short)), len(prefixes))
    steps = np.zeros(len(prefixes) * 16, np.uint32)
    ends = np.zeros(len(prefixes), np.uint8)
    for (length, code), state in prefixes.items():
        ends[state] = length < 8 and code == (1 << length) - 1
        for bits in range(16):
            at, value, entry = length, code, 0
            for bit in (8, 4, 2, 1):
                at, value = at + 1, value << 1 | bool(bits & bit)
                symbol = codes.get((at, value))
                if symbol is not None:
                    entry |= FAILED if symbol == 256 else EMITS | symbol << 8
                    at = value = 0
            steps[state * 16 + bits] = entry if entry & FAILED else entry | prefixes[at, value]
    return steps, ends


STEPS, ENDS = _machine()
