"""What an observation counts on a real cluster is what the pod's own interface counted, through Services."""

import pytest

from teller import Teller
from weir_on_cluster import WeirOnCluster

pytestmark = [pytest.mark.kube, pytest.mark.root, pytest.mark.timeout(600, func_only=True)]


@pytest.mark.parametrize("number", [0, -1])
def test_bytes_and_packets_equal_the_interface(weir: WeirOnCluster, number: int) -> None:
    node = weir.nodes[number]
    servers = {pod["spec"]["nodeName"] for pod in weir.pods("shop", "app=web")}
    assert servers == set(weir.nodes), "a web server on this node and one on the other"
    with Teller(weir, node) as teller:
        moved = teller.check()
    assert moved.bytes > 3 * 6_000_000, "three times a file of 6.5 MB"
