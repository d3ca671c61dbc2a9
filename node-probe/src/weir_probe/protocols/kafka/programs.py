"""The programs of schemas.py as numbers, for body.py to run: pairs of an operation and its argument."""

from __future__ import annotations

from typing import Final

import numpy as np

from weir_probe.protocols.kafka.schemas import APIS

END, SKIP, STRING, BYTES, ARRAY, STRUCTURE, TAGS = range(7)
TOPIC, TOPIC_ID, PARTITION, ERROR, ERROR_MESSAGE, GROUP, TRANSACTION, ACKS, OFFSET, RECORDS = range(7, 17)

_LETTERS: Final = {
    **{letter: (SKIP, int(letter)) for letter in "1248"},
    "u": (SKIP, 16),
    "s": (STRING, 0),
    "b": (BYTES, 0),
    "_": (TAGS, 0),
    "T": (TOPIC, 0),
    "U": (TOPIC_ID, 0),
    "P": (PARTITION, 0),
    "E": (ERROR, 0),
    "M": (ERROR_MESSAGE, 0),
    "G": (GROUP, 0),
    "X": (TRANSACTION, 0),
    "A": (ACKS, 0),
    "O": (OFFSET, 0),
    "R": (RECORDS, 0),
}
KEYS: Final = 1 + max(api.key for api in APIS)
#: Versions that an API can have here.
VERSIONS: Final = 32


def _compiled(program: str, code: list[int]) -> None:
    """Append a program. An array or structure names where it goes on behind its own part, which ends with END."""
    opened = []
    for letter in program:
        if letter in "[(":
            opened.append(len(code) + 1)
            code += (ARRAY if letter == "[" else STRUCTURE, 0)
        elif letter in "])":
            code += (END, 0)
            code[opened.pop()] = len(code)
        else:
            code += _LETTERS[letter]
    code += (END, 0)


def _tables() -> tuple[list[int], np.ndarray[tuple[int, int, int], np.dtype[np.int32]]]:
    code: list[int] = []
    starts = np.full((KEYS, 2, VERSIONS), -1, np.int32)
    known: dict[str, int] = {}
    for api in APIS:
        for way, runs in enumerate((api.requests, api.responses)):
            for first, last, program in runs:
                if program not in known:
                    known[program] = len(code)
                    _compiled(program, code)
                starts[api.key, way, first : last + 1] = known[program]
    return code, starts


_code, _starts = _tables()
CODE: Final = np.array(_code, np.uint16)
#: Where in CODE the program of (API key, request or response, version) begins; -1: there is none.
STARTS: Final = _starts
#: The first version of each API that is flexible (KIP-482).
FLEXIBLE: Final = np.full(KEYS, 1000, np.int32)
#: By key; empty: there is no such API.
NAMES: Final = [b""] * KEYS
for _api in APIS:
    FLEXIBLE[_api.key] = _api.flexible
    NAMES[_api.key] = _api.name.encode()
