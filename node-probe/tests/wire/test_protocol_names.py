"""Protocols by the names that IANA gave them."""

import pytest

from weir_probe.wire.protocols import KEYWORDS, protocol_name


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (0, "HOPOPT"), (1, "ICMP"), (2, "IGMP"), (6, "TCP"), (17, "UDP"), (33, "DCCP"), (41, "IPv6"), (47, "GRE"),
        (50, "ESP"), (51, "AH"), (58, "IPv6-ICMP"), (89, "OSPFIGP"), (94, "IPIP"), (103, "PIM"), (112, "VRRP"),
        (115, "L2TP"), (132, "SCTP"), (136, "UDPLite"), (137, "MPLS-in-IP"), (139, "HIP"), (143, "Ethernet"),
    ],
)  # fmt: skip
def test_names(number: int, name: str) -> None:
    assert protocol_name(number) == name


@pytest.mark.parametrize("number", [61, 63, 68, 99, 114, 200, 253, 254, 255])
def test_no_name(number: int) -> None:
    assert protocol_name(number) == number


def test_names_are_told_apart() -> None:
    assert len(set(KEYWORDS.values())) == len(KEYWORDS)
