"""Addresses and ranges for hypothesis, few enough to meet often."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from hypothesis import strategies as st

Network = IPv4Network | IPv6Network
ADDRESSES = st.one_of(
    st.integers(0, 255).map(lambda n: IPv4Address(0x0A000000 + n)),
    st.integers(0, 255).map(lambda n: IPv6Address((0xFD << 120) + n)),
    st.ip_addresses(),
)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    address = draw(ADDRESSES)
    return ip_network((address, draw(st.integers(0, address.max_prefixlen))), strict=False)
