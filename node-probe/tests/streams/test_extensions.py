"""IPv6 extension headers are walked to the flow's protocol."""

import pytest

from conversation import Frame, ends, play
from frames import TCP, UDP, authentication, ethernet, extension, ipv6, tcp, udp

HOP_BY_HOP, ROUTING, AH, NO_NEXT, DESTINATION, ESP = 0, 43, 51, 59, 60, 50


def only(following: int, payload: bytes) -> tuple[int, int, str | int]:
    [flow] = play([Frame(ethernet(ipv6("fd00::1", "fd00::2", following, payload)))])
    return flow.src_port, flow.dst_port, flow.protocol


def chain(*kinds: int, last: int, payload: bytes) -> tuple[int, bytes]:
    """The first next-header value, and the headers of these kinds before the payload."""
    following = last
    for kind in reversed(kinds):
        payload = (authentication(following) if kind == AH else extension(following, 16)) + payload
        following = kind
    return following, payload


@pytest.mark.parametrize(
    "kinds", [(HOP_BY_HOP,), (ROUTING,), (DESTINATION,), (AH,), (HOP_BY_HOP, DESTINATION, ROUTING, AH, DESTINATION)]
)
def test_walked(kinds: tuple[int, ...]) -> None:
    assert only(*chain(*kinds, last=UDP, payload=udp(5, 6))) == (5, 6, "UDP")
    assert only(*chain(*kinds, last=TCP, payload=tcp(5, 6, 2))) == (5, 6, "TCP")


def test_eight_are_walked_and_the_ninth_is_the_protocol() -> None:
    assert only(*chain(*[DESTINATION] * 8, last=UDP, payload=udp(5, 6))) == (5, 6, "UDP")
    assert only(*chain(*[DESTINATION] * 9, last=UDP, payload=udp(5, 6))) == (0, 0, "IPv6-Opts")


@pytest.mark.parametrize(("last", "name"), [(ESP, "ESP"), (NO_NEXT, "IPv6-NoNxt"), (135, "Mobility-Header")])
def test_these_end_the_walk(last: int, name: str) -> None:
    assert only(*chain(HOP_BY_HOP, last=last, payload=udp(5, 6))) == (0, 0, name)


def test_a_header_that_is_not_there_is_the_protocol() -> None:
    assert only(DESTINATION, bytes(4)) == (0, 0, "IPv6-Opts")
    assert only(*chain(ROUTING, last=AH, payload=b"")) == (0, 0, "AH")


def test_a_header_longer_than_the_packet_leaves_the_next_without_ports() -> None:
    assert only(ROUTING, bytes([UDP, 200]) + bytes(6) + udp(5, 6)) == (0, 0, "UDP")


def test_a_jumbogram_says_length_0() -> None:
    packet = bytearray(ipv6("fd00::1", "fd00::2", UDP, udp(5, 6)))
    packet[4:6] = b"\0\0"
    [flow] = play([Frame(ethernet(bytes(packet)))])
    assert ends(flow) == ("fd00::1", 5, "fd00::2", 6, "UDP")
