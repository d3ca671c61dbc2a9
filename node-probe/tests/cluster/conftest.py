import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.told import Told
from kube.control_plane import ControlPlane
from kube.fixtures import control_plane, node_factory

__all__ = ["control_plane", "node_factory"]

CRD = Path(__file__).parents[3] / "crds/nodeprobes.yaml"


@pytest.fixture(scope="module")
def kube(control_plane: ControlPlane) -> ControlPlane:
    """The API server, with the CRD."""
    control_plane.apply(CRD, "--server-side", "--force-conflicts")
    control_plane.kubectl("wait", "--for=condition=Established", "crd/nodeprobes.weir.dev", "--timeout=20s")
    return control_plane


@pytest.fixture
def node(kube: ControlPlane) -> Iterator[str]:
    """A node of this test alone."""
    name = f"cluster-{uuid.uuid4().hex[:8]}"
    kube.make_node(name, ips=["192.0.2.1"])
    yield name
    kube.kubectl("delete", "nodeprobe", name, "--ignore-not-found")
    kube.kubectl("delete", "node", name)


@pytest.fixture(scope="module")
def namespace(kube: ControlPlane) -> Iterator[str]:
    name = f"cluster-{uuid.uuid4().hex[:8]}"
    kube.make_namespace(name)
    yield name
    kube.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def follow() -> Iterator[Callable[[str, Path], Told]]:
    """Starts to follow a node, `follow(node, kubeconfig)`, and stops after the test."""
    begun: list[Told] = []

    def begin(node: str, kubeconfig: Path) -> Told:
        begun.append(Told(node, kubeconfig))
        begun[-1].cluster.start()
        return begun[-1]

    yield begin
    for told in begun:
        told.cluster.close()
