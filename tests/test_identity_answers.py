"""Who is behind an address, asked of a real operator at a real API server over its own HTTPS."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from identity_client import FeedClient, install, mint, trust
from kube.control_plane import ControlPlane
from operator_process import OperatorProcess, Shop

pytestmark = pytest.mark.kube


@pytest.fixture
def client(control_plane: ControlPlane, operator: OperatorProcess, tmp_path: Path) -> Iterator[FeedClient]:
    install(control_plane)
    with FeedClient(operator, trust(control_plane, tmp_path), mint(control_plane)) as connected:
        yield connected


def test_a_pod_and_nobody(control_plane: ControlPlane, shop: Shop, client: FeedClient) -> None:
    control_plane.make_pod(shop.namespace, "web-1", shop.nodes[0], {"app": "web"}, ip=["10.70.0.1", "fd00:70::1"])
    client.ask(add=["10.70.0.1", "fd00:70::1", "10.70.0.2"])
    client.until_named(**{"10.70.0.1": f"Pod/{shop.namespace}/web-1", "10.70.0.2": "nobody"})
    identity = client.answers["10.70.0.1"]
    assert identity is not None
    assert identity.addresses == ["10.70.0.1", "fd00:70::1"]
    assert (identity.owner_kind, identity.owner_name, identity.node) == ("Pod", "web-1", shop.nodes[0])
