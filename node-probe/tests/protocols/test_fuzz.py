"""Whatever is said, no protocol breaks: inputs that a fuzzer found worth keeping, and random changes to them."""

from __future__ import annotations

import random

import pytest

from fuzz.harness import CUT, KNOWN, LOST, MARK, PIECES, SERVER, SILENCE, Target, decode, encode
from fuzz.seeds import corpus_of, seeds_of_captures
from weir_probe.protocols.registry import NAMES

ROUNDS = 3000


@pytest.mark.parametrize("name", NAMES)
def test_what_was_found_once_and_changes_to_it(name: str, uncompiled: bool) -> None:
    target, rng = Target(name), random.Random(name)
    inputs = [encode(KNOWN, [(0, bytes(64))]), *corpus_of(name), *seeds_of_captures(name)]
    for data in inputs[:: 20 if uncompiled else 1]:
        target(data)
    for _ in range(ROUNDS // (20 if uncompiled else 1)):
        target(changed(rng.choice(inputs), rng))


def changed(data: bytes, rng: random.Random) -> bytes:
    """Some steps left out or in another order, with other flags, cut, and with other bytes in them."""
    options, steps = decode(data)
    kept = [step for step in steps if rng.random() > 0.1]
    if len(kept) > 1 and rng.random() < 0.3:
        kept.insert(0, kept.pop(rng.randrange(len(kept))))
    flags = (0, 0, 0, 0, SERVER, LOST, CUT, PIECES, SILENCE)
    return encode(options ^ rng.choice((0, KNOWN)), [(way ^ rng.choice(flags), bent(said, rng)) for way, said in kept])


def bent(said: bytes, rng: random.Random) -> bytes:
    """Other bytes here and there, some of which make numbers large or negative."""
    data = bytearray(said)
    for _ in range(rng.choice((0, 0, 1, 3))):
        if data:
            data[rng.randrange(len(data))] = rng.choice((0, 1, 0x0A, 0x20, 0x2D, 0x39, 0x7F, 0x80, 0xFF))
    return bytes(data[: rng.choice((len(data), len(data), rng.randrange(len(data) + 1)))]).replace(MARK, b"")


def test_an_input_is_what_it_was_made_of() -> None:
    steps = [(0, b"GET"), (SERVER | LOST, b""), (SILENCE, b"\0" * 9)]
    assert decode(encode(KNOWN, steps)) == (KNOWN, steps)
    assert decode(b"") == (0, [])
