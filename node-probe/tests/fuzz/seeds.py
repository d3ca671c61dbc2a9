"""Inputs that a fuzzer begins with: a corpus of what it found before, and what is said in captures and in tests."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from fuzz.harness import CUT, DATAGRAMS, KNOWN, LOST, MAX_INPUT, SERVER_FIRST, SILENCE, Step, encode
from play import Step as PlayStep
from play import Wait, play
from recording import RECORDED
from weir_probe.protocols.message import NOTHING, Message
from weir_probe.protocols.parser import FROM_CLIENT, Parser, Spec
from weir_probe.replay import replay_calls
from weir_probe.wire.cursor import Cursor

CORPUS: Final = Path(__file__).parent / "corpus"


def corpus_of(protocol: str) -> Iterator[bytes]:
    """What `make fuzz KEEP=1` kept; nothing, where it never did."""
    path = CORPUS / f"{protocol}.zip"
    if path.exists():
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) for name in archive.namelist())


class Tap(Parser):
    """Takes whatever is said for a frame, and remembers it: `steps` of the connection at hand."""

    def __init__(self, steps: list[Step]) -> None:
        Parser.__init__(self)
        self.steps = steps

    def frame(self, cursor: Cursor, at: int, end: int, way: int) -> int:  # noqa: ARG002 -- a verb
        return end - at

    def parse(self, cursor: Cursor, at: int, end: int, way: int, message: Message) -> bool:
        message.part = NOTHING
        self.steps.append((way, cursor.copied(at, end)))
        return True


def seeds_of_captures(protocol: str) -> Iterator[bytes]:
    """Each connection of the captures that were recorded of the protocol."""
    for capture in sorted((RECORDED / protocol).rglob("*.pcap")):
        for steps in said_in(capture):
            yield from _variants(steps)


def said_in(capture: Path) -> list[list[Step]]:
    """Segment by segment, what is said in each connection of a capture file; side 0 is the one that speaks first."""
    connections: list[list[Step]] = []

    def tap() -> Parser:
        connections.append([])
        return Tap(connections[-1])

    everything = Spec("tap", ("Tap",), lambda _cursor, _at, _end: FROM_CLIENT, tap, on_udp=True)
    replay_calls(capture, lambda _lines: None, protocols=(everything,))
    return connections


def _variants(steps: list[Step]) -> Iterator[bytes]:
    """The protocol is to be found, or known."""
    for options in (0, KNOWN, KNOWN | SERVER_FIRST, KNOWN | DATAGRAMS):
        yield encode(options, _first(steps))


def _first(steps: list[Step]) -> Iterator[Step]:
    """As many as an input can hold."""
    room = MAX_INPUT
    for flags, said in steps:
        room -= len(said) + 8
        if room < 0:
            return
        yield flags, said


def seeds_of_tests(protocol: str) -> Iterator[bytes]:
    """What the plays of a protocol's tests say. RuntimeError: they fail."""
    said: list[list[Step]] = []
    hear = play.__rshift__

    def listen(self: play, step: PlayStep | Wait) -> play:
        steps = self.__dict__.get("said")
        if steps is None:
            steps = self.__dict__["said"] = []
            said.append(steps)
        if isinstance(step, Wait):
            steps.append((SILENCE, b""))
        else:
            steps.append((step.side | LOST * step.lost | CUT * (step.captured >= 0), step.data))
        return hear(self, step)

    play.__rshift__ = listen  # type: ignore[method-assign, assignment]
    try:
        tests = Path(__file__).parents[1] / f"protocols/test_{protocol}.py"
        if pytest.main(["-q", "--no-header", "--no-summary", str(tests)]) != pytest.ExitCode.OK:
            raise RuntimeError(f"{tests} fails")
    finally:
        play.__rshift__ = hear  # type: ignore[method-assign]
    for steps in said:
        yield from _variants(steps)
