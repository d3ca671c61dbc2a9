"""Who is behind an address: the table that compiled code asks, against Python's own ipaddress."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from networks import ADDRESSES, networks
from weir_probe.export.peers import (
    CLUSTER,
    EXTERNAL,
    KEPT,
    NODE,
    Address,
    Peers,
    Range,
    default_classes,
    words,
)


def table_of(known: dict[Address, int], ranges: list[Range]) -> Peers:
    table = Peers(ranges, len(known))
    for address, identity in known.items():
        table.enter(*words(address), identity, KEPT)
    return table


def mapped(what: Any) -> Any:
    """As slots have it: IPv4 within ::ffff:0:0/96."""
    if isinstance(what, IPv4Address):
        return IPv6Address((0xFFFF << 32) + int(what))
    if isinstance(what, IPv4Network):
        return ip_network((mapped(what.network_address), 96 + what.prefixlen))
    return what


@given(
    known=st.dictionaries(ADDRESSES, st.integers(3, 1 << 20), max_size=20),
    classes=st.lists(st.builds(Range, networks(), st.integers(0, 2)), max_size=6),
    asked=ADDRESSES,
)
@example(known={}, classes=[], asked=IPv4Address(0))
@example(known={IPv4Address("1.2.3.4"): 9}, classes=[], asked=IPv6Address("::1.2.3.4"))
@example(known={}, classes=[Range(ip_network("0.0.0.0/0"), CLUSTER)], asked=IPv6Address("::1"))
def test_as_ipaddress_says(known: dict[Address, int], classes: list[Range], asked: Address) -> None:
    first_match = next((class_ for network, class_, _ in classes if mapped(asked) in mapped(network)), EXTERNAL)
    by_address = {mapped(address): identity for address, identity in known.items()}
    assert table_of(known, classes).find(*words(asked)) == by_address.get(mapped(asked), first_match)


def test_five_hundred_addresses() -> None:
    known: dict[Address, int] = {}
    for n in range(250):
        known[IPv4Address(0x0A010000 + 257 * n)] = 3 + n
        known[IPv6Address((0xFD << 120) + (n << 64) + n)] = 1000 + n
    table = table_of(known, default_classes([]))
    assert {address: table.find(*words(address)) for address in known} == known
    assert all(table.find(*words(address + 1)) == CLUSTER for address in known)


def test_default_classes() -> None:
    table = table_of({}, default_classes([ip_address("10.0.0.7"), ip_address("2001:db8::7")]))
    expected = {
        "10.0.0.7": NODE,
        "10.0.0.8": CLUSTER,
        "2001:db8::7": NODE,
        "2001:db8::8": EXTERNAL,
        "169.254.1.1": NODE,
        "fe80::1": NODE,
        "100.64.0.1": CLUSTER,
        "172.31.255.255": CLUSTER,
        "172.32.0.0": EXTERNAL,
        "192.168.1.1": CLUSTER,
        "fdff::1": CLUSTER,
        "8.8.8.8": EXTERNAL,
        "::": NODE,
    }
    assert {text: table.find(*words(ip_address(text))) for text in expected} == expected


def test_the_cluster_s_ranges_can_be_given() -> None:
    table = table_of({}, default_classes([], ["198.51.100.0/24"]))
    assert table.find(*words(ip_address("198.51.100.9"))) == CLUSTER
    assert table.find(*words(ip_address("10.0.0.1"))) == EXTERNAL
