"""What is not IP, or not whole, is counted apart: by packets and by bytes."""

import pytest

from conversation import Frame, play_all
from frames import ARP, ethernet, ipv4, ipv6, udp

GOOD = ipv4("10.0.0.1", "10.0.0.2", 17, udp(5, 6, b"data"))
GOOD6 = ipv6("fd00::1", "fd00::2", 17, udp(5, 6, b"data"))


def patched(packet: bytes, at: int, value: int) -> bytes:
    return packet[:at] + bytes([value]) + packet[at + 1 :]


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(ethernet(patched(GOOD, 0, 0x65)), id="version 6 in an IPv4 frame"),
        pytest.param(ethernet(patched(GOOD, 0, 0x44), 0x0800), id="a header of 16 bytes"),
        pytest.param(ethernet(patched(GOOD, 0, 0x4F)), id="a header longer than the packet"),
        pytest.param(ethernet(patched(GOOD, 3, 19)), id="a total length shorter than the header"),
        pytest.param(ethernet(GOOD[:19]), id="IPv4 header cut short"),
        pytest.param(ethernet(b"", 0x0800), id="no IPv4 header"),
        pytest.param(ethernet(patched(GOOD6, 0, 0x40), 0x86DD), id="version 4 in an IPv6 frame"),
        pytest.param(ethernet(GOOD6[:39]), id="IPv6 header cut short"),
    ],
)
def test_malformed(frame: bytes) -> None:
    flows, summary = play_all([Frame(ethernet(GOOD)), Frame(frame), Frame(ethernet(GOOD))])
    assert [flow.packets_tx for flow in flows] == [2]
    assert (summary.lost["malformed"].packets, summary.lost["malformed"].bytes) == (1, len(frame))


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(ethernet(bytes(28), ARP), id="ARP"),
        pytest.param(ethernet(bytes(46), 0x0026), id="802.3 length"),
        pytest.param(ethernet(GOOD, tags=(0x8100,) * 5), id="a fifth tag"),
        pytest.param(ethernet(GOOD)[:13], id="cut in the Ethernet header"),
        pytest.param(ethernet(GOOD, tags=(0x8100,))[:17], id="cut in a tag"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_not_ip(frame: bytes) -> None:
    flows, summary = play_all([Frame(frame)])
    assert flows == []
    assert (summary.non_ip.packets, summary.non_ip.bytes) == (1, len(frame))


def test_a_zero_total_length_is_that_of_a_packet_over_64_kib() -> None:
    zero = patched(patched(GOOD, 2, 0), 3, 0)
    big, _ = play_all([Frame(ethernet(zero), length=70_000)])
    _, small = play_all([Frame(ethernet(zero), length=1_500)])
    assert [(flow.src_port, flow.bytes_tx) for flow in big] == [(5, 70_000)]
    assert small.lost["malformed"].packets == 1


def test_ipv4_options_are_skipped_and_may_be_cut_by_the_snap_length() -> None:
    packet = ethernet(ipv4("10.0.0.1", "10.0.0.2", 17, udp(5, 6), options=bytes(8)))
    [whole], _ = play_all([Frame(packet)])
    [cut], _ = play_all([Frame(packet[:38], length=len(packet))])
    assert (whole.src_port, cut.src_port) == (5, 0)
