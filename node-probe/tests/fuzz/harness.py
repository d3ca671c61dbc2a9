# cython: annotation_typing=False
"""What a fuzzer does with one input: a connection through the call engine; and what has to hold, whatever was said.

Compiled for libFuzzer (build.py), uncompiled in tests.
An input is a byte of options, then steps. A step is MARK, a byte of flags, and what one side sends, up to the next.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from importlib import import_module
from typing import Any, Final

import numpy as np

from weir_probe.export.calls.lines import Addresses, LineWriter
from weir_probe.protocols.parser import FROM_CLIENT, FROM_SERVER, Spec
from weir_probe.streams.call_engine import CallEngine, done
from weir_probe.streams.calls import CallBook
from weir_probe.streams.conversation import DETECT_LIMIT
from weir_probe.streams.layout import SLOT
from weir_probe.wire.cursor import Cursor
from weir_probe.wire.protocols import TCP, UDP

#: Options: the protocol is known from the start (else it is asked, and those of SWITCHES), to be that of a server which
#: speaks first; datagrams, where the protocol has both; secrets are left in.
KNOWN, SERVER_FIRST, DATAGRAMS, REVEALS = 1, 2, 4, 8
#: What a connection may go on with. Others are not even loaded: to ask them took as long as all else, their counters
#: were read after each input, and most inputs that were worth keeping were theirs.
SWITCHES: Final = {"http1": ("http2", "tls"), "mysql": ("tls",), "postgresql": ("tls",)}
MARK: Final = b"\xf5\x9c"
#: Flags of a step: the server's; not captured; half of it captured; in pieces of 7 bytes; after a silence of 2 s;
#: without acknowledgement.
SERVER, LOST, CUT, PIECES, SILENCE, UNACKNOWLEDGED = 1, 2, 4, 8, 16, 32
MAX_INPUT: Final = 2048
#: Of so many inputs one has its calls told as lines, which takes longer than all else.
TOLD: Final = 64
_CALLS, _MOST_PIECES = 1200, 32
_MASK = 0xFFFFFFFF

Step = tuple[int, bytes]


def encode(options: int, steps: Iterable[Step]) -> bytes:
    return bytes([options]) + b"".join(MARK + bytes([flags]) + said for flags, said in steps)


def decode(data: bytes) -> tuple[int, list[Step]]:
    steps = data[1:].split(MARK)[1:]
    return (data[0] if data else 0), [(step[0], step[1:]) for step in steps if step]


class Target:
    """One protocol's. Called with an input; AssertionError: something does not hold."""

    def __init__(self, name: str) -> None:
        names = name, *SWITCHES.get(name, ())
        self.protocols: tuple[Spec, ...] = tuple(import_module(f"weir_probe.protocols.{each}").SPEC for each in names)
        self.spec = self.protocols[0]
        #: Bytes that a direction keeps, whatever is spoken.
        self.most_kept = max(DETECT_LIMIT, *(spec.parse_limit for spec in self.protocols))
        self.engines: dict[int, CallEngine] = {}
        self.writers: dict[CallEngine, LineWriter] = {}
        self.inputs = 0
        self.cursor = Cursor()
        slots = np.zeros(2, SLOT)
        slots["addr"] = [[1, 1], [2, 2]]
        slots["port"] = [40_000, (*self.spec.tcp_ports, *self.spec.udp_ports, 9000)[0]]
        slots["proto"] = TCP, UDP
        self.flows: Any = slots.view(np.uint64).reshape(2, -1).data

    def __call__(self, data: bytes) -> None:
        self.play(data)  # where locals have C types, which those of a special method cannot

    def play(self, data: bytes) -> None:
        options, steps = decode(data)
        told = options & (KNOWN | SERVER_FIRST | REVEALS)
        engine = self.engines.get(told) or self._engine(told)
        datagrams = self.spec.on_udp and (bool(options & DATAGRAMS) or not self.spec.on_tcp)
        reader = engine.begin(self.flows, int(datagrams), 0, 0)
        assert reader is not None
        cursor = self.cursor
        seq = [1, 1]
        now_ns = 1_000_000_000
        for flags, said in steps:
            side = flags & SERVER
            now_ns += 2_000_000_000 if flags & SILENCE else 1_000_000
            for piece in _pieces(said) if flags & PIECES else (said,):
                length = len(piece)
                if not flags & LOST:
                    cursor.bind(piece)
                    captured = length // 2 if flags & CUT else length
                    if datagrams:
                        reader.datagram(side, cursor, 0, captured, length, now_ns)
                        continue
                    if not flags & UNACKNOWLEDGED:
                        reader.acknowledged(1 - side, seq[1 - side])
                    reader.segment(side, cursor, 0, captured, length, seq[side], now_ns)
                seq[side] = (seq[side] + length) & _MASK
            for half in (reader.first, reader.second):
                assert half.used <= min(half.size, half.limit)
                assert half.size <= self.most_kept  # the limit is less where a protocol was given up
        engine.end(reader)
        self._check(engine)

    def _engine(self, options: int) -> CallEngine:
        """A new one that is told this beforehand."""
        protocols = self.protocols
        if options & KNOWN:
            first = FROM_SERVER if options & SERVER_FIRST else FROM_CLIENT
            protocols = (replace(self.spec, detect=lambda _cursor, _at, _end: first),)
        engine = CallEngine(protocols, calls=_CALLS, conversations=2, redacts=not options & REVEALS)
        self.engines[options] = engine
        self.writers[engine] = LineWriter(protocols, Addresses())
        return engine

    def _check(self, engine: CallEngine) -> None:
        """Calls can be told, and all rows are free again."""
        book: CallBook = engine.book
        self.inputs += 1
        if self.inputs % TOLD == 0:
            rows = done(book)
            text = self.writers[engine].write(book.calls, book.conversations, rows)
            assert text.isascii()
            assert text.count(b"}\n") == text.count(b"\n") == len(rows)
            calls = book.calls[rows]
            assert ((calls["response_ns"] == 0) | (calls["response_ns"] >= calls["request_ns"])).all()
        book.release()
        assert (book.calls_left, book.conversations_left) == (_CALLS, 2)
        engine.endpoints.known.clear()


def _pieces(said: bytes) -> Iterator[bytes]:
    """Of seven bytes; of longer ones where those would be too many."""
    size = max(7, len(said) // _MOST_PIECES)
    return (said[at : at + size] for at in range(0, len(said), size))


def target(name: str) -> Target:
    """For libfuzzer.c: one that ends the process where a compiled function cannot raise."""

    def end(unraisable: Any) -> None:
        sys.__excepthook__(unraisable.exc_type, unraisable.exc_value or Exception(), unraisable.exc_traceback)
        os.abort()

    sys.unraisablehook = end
    return Target(name)
