"""Who is behind an address, asked of a real operator at a real API server over its own HTTPS."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from identity_client import FeedClient, install, mint, service, trust
from kube.control_plane import ControlPlane
from operator_process import OperatorProcess, Shop
from weir_api.feed import PeerSelector
from weir_api.selector import LabelSelector

pytestmark = pytest.mark.kube


@pytest.fixture
def client(control_plane: ControlPlane, operator: OperatorProcess, tmp_path: Path) -> Iterator[FeedClient]:
    install(control_plane)
    with FeedClient(operator, trust(control_plane, tmp_path), mint(control_plane)) as connected:
        yield connected


def test_a_pod_and_nobody(control_plane: ControlPlane, shop: Shop, client: FeedClient) -> None:
    control_plane.make_pod(shop.namespace, "web-1", shop.nodes[0], {"app": "web"}, ip=["10.70.0.1", "fd00:70::1"])
    client.ask(add=["10.70.0.1", "fd00:70::1", "10.70.0.2"])
    client.until_named({"10.70.0.1": f"Pod/{shop.namespace}/web-1", "10.70.0.2": "nobody"})
    identity = client.answers["10.70.0.1"]
    assert identity is not None
    assert identity.addresses == ["10.70.0.1", "fd00:70::1"]
    assert (identity.owner_kind, identity.owner_name, identity.node) == ("Pod", "web-1", shop.nodes[0])


def test_an_address_that_another_pod_gets(control_plane: ControlPlane, shop: Shop, client: FeedClient) -> None:
    control_plane.make_pod(shop.namespace, "old", shop.nodes[0], ip="10.70.1.1")
    client.ask(add=["10.70.1.1"])
    client.until_named({"10.70.1.1": f"Pod/{shop.namespace}/old"})
    control_plane.delete_pod(shop.namespace, "old")
    client.until_named({"10.70.1.1": "nobody"})
    control_plane.make_pod(shop.namespace, "new", shop.nodes[1], ip="10.70.1.1")
    client.until_named({"10.70.1.1": f"Pod/{shop.namespace}/new"})

    # a pod that has finished keeps its address in the API, and gives it up all the same
    control_plane.finish_pod(shop.namespace, "new")
    client.until_named({"10.70.1.1": "nobody"})


def test_pods_of_the_hosts_network_are_their_node(control_plane: ControlPlane, shop: Shop, client: FeedClient) -> None:
    node = f"{shop.namespace}-host"
    control_plane.make_node(node, ips=["10.71.0.1", "fd00:71::1"])
    try:
        control_plane.make_pod(shop.namespace, "agent", node, ip="10.71.0.1", host_network=True)
        # an address of a node is the node's whatever a pod says
        control_plane.make_pod(shop.namespace, "liar", shop.nodes[0], ip="fd00:71::1")
        client.ask(add=["10.71.0.1", "fd00:71::1"])
        client.until_named({"10.71.0.1": f"Node//{node}", "fd00:71::1": f"Node//{node}"})
    finally:
        control_plane.kubectl("delete", "node", node)
    client.until_named({"10.71.0.1": "nobody", "fd00:71::1": f"Pod/{shop.namespace}/liar"})


def test_services(control_plane: ControlPlane, shop: Shop, client: FeedClient) -> None:
    address = service(control_plane, shop.namespace, "web", {"app": "web"}, externalIPs=["198.51.100.7"])
    headless = service(control_plane, shop.namespace, "each", {"app": "web"}, clusterIP="None")
    assert headless == "None"
    client.ask(add=[address, "198.51.100.7"])
    client.until_named(dict.fromkeys([address, "198.51.100.7"], f"Service/{shop.namespace}/web"))
    control_plane.kubectl("delete", "service", "-n", shop.namespace, "web")
    client.until_named({address: "nobody"})


def test_peers_follow_labels_and_services(control_plane: ControlPlane, shop: Shop, client: FeedClient) -> None:
    def label(pod: str, value: str) -> None:
        control_plane.kubectl("label", "pod", "-n", shop.namespace, "--overwrite", pod, f"app={value}")

    def until_peers(*addresses: str) -> None:
        client.until(lambda: client.peers.get("uid") == set(addresses))

    for number in (1, 2):
        control_plane.make_pod(shop.namespace, f"web-{number}", shop.nodes[0], {"app": "web"}, ip=f"10.72.0.{number}")
    control_plane.make_pod(shop.namespace, "other", shop.nodes[0], {"app": "other"}, ip="10.72.0.9")
    selector = LabelSelector(match_labels={"app": "web"})
    client.ask(add_peers=[PeerSelector(id="uid", namespaces=[shop.namespace], pod_selector=selector)])
    until_peers("10.72.0.1", "10.72.0.2")
    address = service(control_plane, shop.namespace, "front", {"app": "web"})
    until_peers("10.72.0.1", "10.72.0.2", address)
    label("web-1", "gone")
    until_peers("10.72.0.2", address)
    label("web-2", "gone")
    until_peers()
    label("other", "web")
    until_peers("10.72.0.9", address)
    control_plane.kubectl("delete", "service", "-n", shop.namespace, "front")
    until_peers("10.72.0.9")
    client.ask(remove_peers=["uid"])
    client.ask(add=["10.72.0.9"])
    client.until(lambda: client.name("10.72.0.9") != "unknown")
    assert control_plane.wait(lambda: shop.operator.metric("weir_operator_identity_selectors") == 0, 5, "no selector")


def test_what_an_operator_counts(operator: OperatorProcess, client: FeedClient) -> None:
    client.ask(add=["203.0.113.1"])
    client.until_named({"203.0.113.1": "nobody"})
    assert operator.metric("weir_operator_identity_clients") == 1
    assert operator.metric("weir_operator_identity_addresses") == 1
    assert (operator.metric("weir_operator_identity_bytes_total") or 0) >= client.received
    assert operator.metric('weir_operator_identity_reviews_total{code="200"}')
