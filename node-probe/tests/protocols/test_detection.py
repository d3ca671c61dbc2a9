"""What is taken for which protocol: random and encrypted bytes for none, no protocol's for another's."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fuzz.seeds import said_in
from recording import RECORDED
from weir_probe.protocols.parser import FROM_CLIENT, FROM_SERVER
from weir_probe.protocols.registry import BY_NAME, NAMES, PROTOCOLS
from weir_probe.wire.cursor import Cursor

INPUTS = 1_000_000
FIXTURES = Path(__file__).parents[4] / "shared/fixtures/pcap"
#: What the captures of a folder hold, where that is not the protocol of its name.
FOLDERS = {"http": ("http1", "http2"), "postgre": ("postgresql",), "grpc": ("http2",), "mqtt": ("mqtt", "dns")}
TAKEN = FROM_CLIENT, FROM_SERVER


def taken_for(cursor: Cursor, at: int, end: int) -> list[str]:
    """The protocols that would have these bytes."""
    found = []
    for spec in PROTOCOLS:
        cursor.limit(end)
        if spec.detect(cursor, at, end) in TAKEN:
            found.append(spec.name)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_random_bytes_are_no_protocol(name: str, uncompiled: bool) -> None:
    """As they come out of a cipher, too: of all lengths, none of them is taken."""
    inputs = INPUTS // (100 if uncompiled else 1)
    rng = np.random.default_rng(7)
    buffer = rng.bytes(1 << 22)
    starts = rng.integers(0, len(buffer) - 1500, inputs).tolist()
    lengths = rng.choice([1, 2, 3, 4, 5, 7, 8, 11, 12, 13, 16, 20, 24, 32, 48, 64, 128, 300, 1400], inputs).tolist()
    cursor = Cursor()
    cursor.bind(buffer)
    detect, limit = PROTOCOLS[BY_NAME[name]].detect, cursor.limit
    for at, length in zip(starts, lengths, strict=True):
        limit(at + length)
        assert detect(cursor, at, at + length) <= 0, buffer[at : at + length].hex()


def encrypted(rng: np.random.Generator) -> Iterator[bytes]:
    """First bytes of what hides what it says, the rest being random."""
    for _ in range(200):
        yield b"\x17\x03\x03" + struct.pack(">H", 1000) + rng.bytes(1000)  # TLS, in the middle of a connection
        yield b"\x01\0\0\0" + rng.bytes(144)  # WireGuard, initiation
        yield b"\x04\0\0\0" + rng.bytes(60)  # WireGuard, transport
        yield b"\xc3\0\0\0\x01\x08" + rng.bytes(8) + b"\0\0\x44\x9e" + rng.bytes(1180)  # QUIC, initial
        yield bytes([0x40 | int(rng.integers(64))]) + rng.bytes(60)  # QUIC, short header
        yield struct.pack(">H", 86) + b"\x38" + rng.bytes(85)  # OpenVPN over TCP
        yield struct.pack(">II", int(rng.integers(1 << 32)), 1) + rng.bytes(96)  # ESP in UDP
        yield b"\0\0\0\0" + rng.bytes(28)  # IKE in UDP
        yield b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"
        yield struct.pack(">IB", 1276, 10) + b"\x14" + rng.bytes(1274)  # SSH, key exchange


def test_encrypted_bytes_are_no_protocol() -> None:
    cursor = Cursor()
    for data in encrypted(np.random.default_rng(8)):
        cursor.bind(data)
        assert taken_for(cursor, 0, len(data)) == [], data[:32].hex()


def captures() -> list[Path]:
    """Of known protocols: those of `tcp` are about other things than what is said."""
    others = [path for path in FIXTURES.rglob("*.pcap") if path.parent.name != "tcp"]
    return sorted([*RECORDED.rglob("*.pcap"), *others])


@pytest.mark.parametrize("path", captures(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_capture_is_taken_for_another_protocol(path: Path) -> None:
    """Not from any segment on."""
    own = {*FOLDERS.get(path.parent.name, (path.parent.name,))}
    cursor = Cursor()
    segments = 0
    for steps in said_in(path):
        for side, said in steps:
            cursor.bind(said)
            segments += 1
            assert own.issuperset(taken_for(cursor, 0, len(said))), (segments, side, said[:64])
    assert segments
