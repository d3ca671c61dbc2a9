"""`selector.peers` as prefixes: the longest match says what every range and every member says."""

from ipaddress import IPv4Address, IPv6Address, ip_address

from hypothesis import given
from hypothesis import strategies as st

from networks import ADDRESSES, Network, networks
from weir_api.nodeprobe import PlannedObservation
from weir_api.selector import Workload
from weir_probe.capture.model import MAX_PREFIXES
from weir_probe.export.peers import pack, words
from weir_probe.plan.peers import peer_plan, selectors
from weir_probe.plan.pods import LocalPod
from weir_probe.streams.prefixes import PrefixMasks


def observation(number: int, **peers: object) -> PlannedObservation:
    selector = {"all": True, **({"peers": peers} if peers else {})}
    return PlannedObservation.model_validate(
        {"namespace": "shop", "name": f"o{number}", "uid": f"u{number}", "generation": 1, "namespaces": ["shop"],
         "selector": selector}
    )  # fmt: skip


def pod(name: str, address: str, namespace: str = "shop", *, host_network: bool = False, **labels: str) -> LocalPod:
    owner = ("Deployment", name.partition("-")[0])
    workload = Workload(namespace, name, labels, frozenset({owner, ("Pod", name)}))
    return LocalPod(workload, name, owner, (address,), host_network)


def plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An IPv4-mapped address is the IPv4 address."""
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


@given(
    ranges=st.lists(st.lists(networks(), max_size=6), max_size=4),
    members=st.lists(st.frozensets(ADDRESSES, max_size=6), min_size=4, max_size=4),
    asked=ADDRESSES,
)
def test_the_longest_match_is_the_union_of_all(
    ranges: list[list[Network]], members: list[frozenset[IPv4Address | IPv6Address]], asked: IPv4Address | IPv6Address
) -> None:
    observations = [
        observation(n, namespaces=["db"], **({"cidrs": [str(r) for r in own]} if own else {}))
        for n, own in enumerate(ranges)
    ]
    bits = {o.uid: n for n, o in enumerate(observations)}
    told = {f"u{n}": frozenset(map(pack, addresses)) for n, addresses in enumerate(members)}
    planned = peer_plan(observations, bits, [], told)
    masks = PrefixMasks()
    masks.replace(planned.prefixes)
    expected = 0
    meant = plain(asked)
    for n, own in enumerate(ranges):
        if meant in map(plain, members[n]) or any(meant.version == r.version and meant in r for r in own):
            expected |= 1 << n
    assert masks.get(*words(asked)) == expected
    assert planned.observations == (1 << len(ranges)) - 1


def test_pods_of_this_node_need_no_feed() -> None:
    observations = [
        observation(0, podSelector={"matchLabels": {"app": "db"}}),
        observation(1, namespaces=["data"], workloads=[{"kind": "Deployment", "name": "pg"}]),
        observation(2, namespaces=["data", "shop"]),
        observation(3),
    ]
    pods = [
        pod("db-1", "10.1.0.1", app="db"),
        pod("db-1", "10.1.0.2", "data", app="db"),
        pod("pg-1", "10.1.0.3", "data"),
        pod("db-2", "10.1.0.4", app="db", host_network=True),
    ]
    planned = peer_plan(observations, {f"u{n}": n for n in range(4)}, pods, {"u2": frozenset()})
    by_address = {str(ip_address(packed[12:])): mask for (packed, _), mask in planned.prefixes.items()}
    assert by_address == {"10.1.0.1": 0b101, "10.1.0.2": 0b100, "10.1.0.3": 0b110}
    assert planned.observations == 0b111
    assert planned.unknown == {"u0", "u1"}


def test_what_the_feed_is_asked_for() -> None:
    asked = selectors([observation(0, podSelector={}), observation(1, cidrs=["10.0.0.0/8"]), observation(2)])
    assert {uid: selector.namespaces for uid, selector in asked.items()} == {"u0": ["shop"]}


def test_what_finds_no_room_is_told() -> None:
    many = frozenset(n.to_bytes(16) for n in range(MAX_PREFIXES + 10))
    observations = [observation(0, namespaces=["a"]), observation(1, cidrs=["10.0.0.1"])]
    planned = peer_plan(observations, {"u0": 0, "u1": 1}, [], {"u0": many})
    assert planned.cut == {"u0"}
    assert len(planned.prefixes) <= MAX_PREFIXES
