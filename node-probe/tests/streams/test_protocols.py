"""What names a flow in each protocol."""

import pytest

from conversation import C, Conversation, Frame, S, ends, packets, play
from frames import ICMP, ICMPV6, SCTP, UDP, ethernet, ipv4, tcp, udp

GRE, ESP, UNNAMED = 47, 50, 253


@pytest.mark.parametrize("pair", [("10.0.0.1", "10.0.0.2"), ("10.0.0.2", "10.0.0.1"), ("fd00::1", "fd00::2")])
@pytest.mark.parametrize(("protocol", "name"), [(UDP, "UDP"), (SCTP, "SCTP")])
def test_ports_name_a_flow(pair: tuple[str, str], protocol: int, name: str) -> None:
    one = Conversation(pair[0], 5000, pair[1], 53, protocol) >> C(b"?") >> S(b"!") >> S(b"!")
    other = Conversation(pair[0], 5001, pair[1], 53, protocol) >> C(b"?")
    first, second = play(one, other)
    assert ends(first) == (pair[0], 5000, pair[1], 53, name)
    assert packets(first) == (1, 2)
    assert ends(second) == (pair[0], 5001, pair[1], 53, name)


@pytest.mark.parametrize("protocol", [33, 136])
def test_dccp_and_udplite_have_ports(protocol: int) -> None:
    [flow] = play([Frame(ethernet(ipv4("10.0.0.1", "10.0.0.2", protocol, udp(7, 8))))])
    assert ends(flow) == ("10.0.0.1", 7, "10.0.0.2", 8, {33: "DCCP", 136: "UDPLite"}[protocol])


@pytest.mark.parametrize(
    ("client", "server", "protocol", "name"),
    [("10.0.0.1", "10.0.0.2", ICMP, "ICMP"), ("fd00::1", "fd00::2", ICMPV6, "IPv6-ICMP")],
)
def test_echo_belongs_to_the_one_that_asks(client: str, server: str, protocol: int, name: str) -> None:
    [asked] = play(Conversation(client, 0, server, 0, protocol) >> C(b"ping") >> S(b"ping"))
    [answered] = play(Conversation(client, 0, server, 0, protocol) >> S(b"ping") >> C(b"ping"))
    assert ends(asked) == ends(answered) == (client, 0, server, 0, name)


@pytest.mark.parametrize(("protocol", "name"), [(GRE, "GRE"), (ESP, "ESP"), (2, "IGMP"), (UNNAMED, UNNAMED)])
def test_other_protocols_by_addresses(protocol: int, name: str | int) -> None:
    [flow] = play(Conversation("10.0.0.1", 1, "10.0.0.2", 2, protocol) >> C(b"\1\2\3\4\5") >> S(b"\6\7\x08\x09"))
    assert ends(flow) == ("10.0.0.1", 0, "10.0.0.2", 0, name)
    assert packets(flow) == (1, 1)


@pytest.mark.parametrize("header", [tcp(5, 6, 0x02)[:3], udp(5, 6)[:2], b""])
def test_a_header_cut_short_has_no_ports(header: bytes) -> None:
    protocol = 6 if len(header) == 3 else 17
    [flow] = play([Frame(ethernet(ipv4("10.0.0.1", "10.0.0.2", protocol, header)))])
    assert (flow.src_port, flow.dst_port) == (0, 0)


def test_a_header_cut_by_the_snap_length_has_no_ports() -> None:
    whole = ethernet(ipv4("10.0.0.1", "10.0.0.2", 6, tcp(5, 6, 0x02)))
    [flow] = play([Frame(whole[:37], length=len(whole))])
    assert (flow.src_port, flow.dst_port, flow.bytes_tx) == (0, 0, len(whole))


def test_ports_are_enough_where_the_snap_length_cuts_the_flags() -> None:
    whole = ethernet(ipv4("10.0.0.1", "10.0.0.2", 6, tcp(5, 6, 0x12)))
    [flow] = play([Frame(whole[:46], length=len(whole))])
    assert ends(flow) == ("10.0.0.1", 5, "10.0.0.2", 6, "TCP")  # the SYN+ACK was not seen


def test_padding_is_no_header() -> None:
    """A short Ethernet frame is padded to 60 bytes: the IP length says where the packet ends."""
    short = ethernet(ipv4("10.0.0.1", "10.0.0.2", 17, b"")) + b"\xff" * 26
    [flow] = play([Frame(short)])
    assert (flow.src_port, flow.dst_port) == (0, 0)
