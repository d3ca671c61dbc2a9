"""Every link type leads to the same flow; `bytes` is the whole frame as captured."""

import struct

import pytest

from conversation import Frame, ends, play_all
from frames import IPV4, IPV6, ethernet, ipv4, ipv6, udp

FOUR = ipv4("10.0.0.1", "10.0.0.2", 17, udp(5, 6))
SIX = ipv6("fd00::1", "fd00::2", 17, udp(5, 6))


def sll(packet: bytes, protocol: int, hardware: int = 1) -> bytes:
    return struct.pack(">HHH8xH", 0, hardware, 6, protocol) + packet


def sll2(packet: bytes, protocol: int, hardware: int = 1) -> bytes:
    return struct.pack(">HHIHBB8x", protocol, 0, 2, hardware, 0, 6) + packet


@pytest.mark.parametrize("tags", [(), (0x8100,), (0x88A8, 0x8100), (0x9100, 0x8100), (0x8100,) * 4])
@pytest.mark.parametrize("packet", [FOUR, SIX])
def test_ethernet_tags_are_no_part_of_the_flow(tags: tuple[int, ...], packet: bytes) -> None:
    frame = ethernet(packet, tags=tags)
    [flow], _ = play_all([Frame(frame), Frame(ethernet(packet))])
    assert flow.bytes_tx == len(frame) + len(packet) + 14
    assert (flow.src_port, flow.dst_port) == (5, 6)


@pytest.mark.parametrize(
    ("link", "four", "six"),
    [
        (12, FOUR, SIX),
        (14, FOUR, SIX),
        (101, FOUR, SIX),
        (113, sll(FOUR, IPV4), sll(SIX, IPV6)),
        (113, sll(struct.pack(">HH", 7, IPV4) + FOUR, 0x8100), sll(struct.pack(">HH", 7, IPV6) + SIX, 0x8100)),
        (276, sll2(FOUR, IPV4), sll2(SIX, IPV6)),
        (276, sll2(struct.pack(">HH", 7, IPV4) + FOUR, 0x88A8), sll2(struct.pack(">HH", 7, IPV6) + SIX, 0x88A8)),
        (0, struct.pack("<I", 2) + FOUR, struct.pack("<I", 30) + SIX),
        (0, struct.pack(">I", 2) + FOUR, struct.pack(">I", 24) + SIX),
        (108, struct.pack(">I", 2) + FOUR, struct.pack(">I", 28) + SIX),
    ],
)
def test_both_versions(link: int, four: bytes, six: bytes) -> None:
    flows, _ = play_all([Frame(four), Frame(six)], link=link)
    assert [ends(flow) for flow in flows] == [
        ("10.0.0.1", 5, "10.0.0.2", 6, "UDP"),
        ("fd00::1", 5, "fd00::2", 6, "UDP"),
    ]
    assert [flow.bytes_tx for flow in flows] == [len(four), len(six)]


def test_one_version() -> None:
    flows, summary = play_all([Frame(FOUR), Frame(SIX)], link=228)
    assert (len(flows), summary.lost["malformed"].packets) == (1, 1)
    flows, summary = play_all([Frame(FOUR), Frame(SIX)], link=229)
    assert (len(flows), summary.lost["malformed"].packets) == (1, 1)


@pytest.mark.parametrize("frame", [sll(FOUR, IPV4, hardware=824), sll(FOUR, 0x0806), sll(FOUR, IPV4)[:15]])
def test_cooked_but_not_ip(frame: bytes) -> None:
    flows, summary = play_all([Frame(frame)], link=113)
    assert (flows, summary.non_ip.packets) == ([], 1)


def test_loopback_of_another_family() -> None:
    flows, summary = play_all([Frame(struct.pack("<I", 7) + FOUR)], link=0)
    assert (flows, summary.non_ip.packets) == ([], 1)
