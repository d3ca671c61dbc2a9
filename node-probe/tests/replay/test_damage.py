"""A damaged file gives what stands before the damage, then an error that tells where it is."""

import io
import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captures import block, enhanced, interface, obsolete, option, pcap, section, simple
from conversation import Frame
from frames import UDP, ethernet, ip, udp
from weir_probe.capture.pcap import PcapError
from weir_probe.replay import replay

FRAME = ethernet(ip("10.0.0.1", "10.0.0.2", UDP, udp(5, 6)))
RECORD = 16 + len(FRAME)
PCAP = pcap([Frame(FRAME, at) for at in range(3)])
START = section() + interface()
PCAPNG = START + enhanced(FRAME, 1) + enhanced(FRAME, 2)


def broken(capture: bytes) -> tuple[int, PcapError]:
    """The packets read before the damage, and the error."""
    result = replay(io.BytesIO(capture))
    seen = 0
    with pytest.raises(PcapError) as caught:
        for flow in result.flows():
            seen += flow.packets_tx
    assert result.error is caught.value
    assert result.summary().counted.packets == seen
    return seen, caught.value


@pytest.mark.parametrize("cut", range(1, RECORD))
def test_pcap_cut_anywhere_in_its_last_record(cut: int) -> None:
    seen, error = broken(PCAP[:-cut])
    assert (seen, error.offset) == (2, 24 + 2 * RECORD)
    needed = 16 if cut > len(FRAME) else RECORD
    assert error.reason == f"cut short: {needed} bytes are needed here, the file has {RECORD - cut}"


@pytest.mark.parametrize("cut", [1, 4, 30, len(enhanced(FRAME, 2)) - 1])
def test_pcapng_cut_in_its_last_block(cut: int) -> None:
    seen, error = broken(PCAPNG[:-cut])
    assert (seen, error.offset) == (1, len(START + enhanced(FRAME, 1)))
    assert "cut short" in error.reason


@pytest.mark.parametrize("size", range(1, 24))
def test_the_file_header_cut_short(size: int) -> None:
    seen, error = broken(PCAP[:size])
    assert (seen, error.offset) == (0, 0)


def test_a_record_of_too_many_bytes() -> None:
    seen, error = broken(PCAP + struct.pack("<IIII", 0, 0, 262_145, 262_145) + bytes(100))
    assert (seen, error.offset) == (3, len(PCAP) + 8)
    assert "262145 captured bytes" in error.reason


@pytest.mark.parametrize(
    ("capture", "reason"),
    [
        (b"", "the file is empty"),
        (b"\x1f\x8b\x08\x00" + bytes(100), "neither pcap nor pcapng: it starts with 1f8b0800"),
        (b"not a capture at all", "neither pcap nor pcapng"),
        (pcap([], link=147), "link type 147 cannot be read"),
    ],
)
def test_not_a_capture(capture: bytes, reason: str) -> None:
    _, error = broken(capture)
    assert reason in error.reason
    assert str(error) == f"at byte {error.offset}: {error.reason}"


@pytest.mark.parametrize(
    ("more", "at", "reason"),
    [
        (struct.pack("<III", 6, 13, 0), 4, "a block of 13 bytes"),
        (struct.pack("<III", 6, 8, 8), 4, "a block of 8 bytes"),
        (struct.pack("<III", 6, 1 << 25, 8), 4, "over 16777216"),
        (struct.pack("<IIII", 5, 16, 0, 20), 12, "second length is not its first"),
        (block(6, bytes(16)), 0, "packet block of less than 32 bytes"),
        (enhanced(FRAME, 0, 1), 8, "interface 1, where the section has 1"),
        (obsolete(FRAME, 0, 7), 8, "interface 7"),
        (block(6, struct.pack("<IIIII", 0, 0, 0, 5, 5) + bytes(4)), 20, "5 captured bytes go beyond their block"),
        (block(3, b""), 0, "simple packet block of less than 16 bytes"),
        (section() + simple(FRAME, 5), 28, "section without interfaces"),
        (block(1, bytes(4)), 0, "interface description of less than 20 bytes"),
        (interface(options=struct.pack("<HH", 9, 100)), 16, "option 9 of 100 bytes goes beyond its block"),
        (block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 2, 0, -1)), 12, "pcapng version 2"),
        (block(0x0A0D0D0A, struct.pack("<IHHq", 0x12345678, 1, 0, -1)), 8, "byte-order magic"),
        (block(0x0A0D0D0A, struct.pack("<I", 0x1A2B3C4D)), 0, "section header of less than 28 bytes"),
    ],
)
def test_pcapng_damage(more: bytes, at: int, reason: str) -> None:
    seen, error = broken(PCAPNG + more + enhanced(FRAME, 3))
    assert seen == 2
    assert reason in error.reason
    assert error.offset == len(PCAPNG) + at


def test_too_many_interfaces() -> None:
    _, error = broken(section() + interface() * 65_537)
    assert error.offset == len(section()) + 65_536 * len(interface())


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([PCAP[:24], START, START + interface(101, options=option(9, b"\x99"))]))
def test_random_bytes_after_a_good_start(rest: bytes, start: bytes) -> None:
    read_and_add_up(start + rest)


@pytest.mark.parametrize("capture", [PCAP, PCAPNG])
@pytest.mark.parametrize("seed", range(3))
def test_changed_bytes(capture: bytes, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(500):
        changed = bytearray(capture)
        for _ in range(rng.randrange(1, 5)):
            changed[rng.randrange(len(changed))] = rng.choice((0, 1, 0xFF, rng.randrange(256)))
        read_and_add_up(bytes(changed))


def read_and_add_up(capture: bytes) -> None:
    result = replay(io.BytesIO(capture))
    total = 0
    try:
        for flow in result.flows():
            total += flow.packets_tx + flow.packets_rx
    except PcapError as error:
        assert 0 <= error.offset <= len(capture)
    summary = result.summary()
    lost = sum(count.packets for count in summary.lost.values())
    assert summary.frames.packets == total + summary.non_ip.packets + lost
