"""pytest fixtures of a real cluster: made for the session, or the one that KUBECONFIG names."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from images.rootfs import RootfsError
from kube import binaries
from kube.client import KubeClient
from kube.cluster import images
from kube.cluster.cluster import Cluster
from kube.cluster.dns import CoreDNSMissingError
from kube.cluster.machine import Machine
from weir_on_cluster import WeirOnCluster, weir_images


@pytest.fixture(scope="session")
def real_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WeirOnCluster]:
    """A cluster with two nodes or more and the images on them. Skips with the reason where there can be none."""
    given = os.environ.get("KUBECONFIG")
    if given:
        kubectl = shutil.which("kubectl") or str(binaries.find(["kubectl"]).files["kubectl"])
        cache = tmp_path_factory.mktemp("kubectl")
        (cache / "kubectl").symlink_to(kubectl)
        yield WeirOnCluster(KubeClient(cache / "kubectl", Path(given), cache / "cache"))
        return
    if os.geteuid() != 0:
        pytest.skip("the nodes of a cluster are namespaces and need root: run as root, or set KUBECONFIG")
    try:
        tars = [*images.all_images(), *weir_images()]
        cluster = Cluster(2, tars)
    except (binaries.ControlPlaneMissingError, CoreDNSMissingError, RootfsError) as missing:
        pytest.skip(str(missing))
    with cluster:
        yield WeirOnCluster(cluster.plane, cluster)


@pytest.fixture
def weir(real_cluster: WeirOnCluster) -> WeirOnCluster:
    """The cluster with Weir and an open shop on it, which stay for the next test."""
    real_cluster.set_up()
    return real_cluster


@pytest.fixture
def machines(weir: WeirOnCluster) -> dict[str, Machine]:
    """The machines that are the nodes, to be hurt. Skips where the cluster was given."""
    if not weir.machines:
        pytest.skip("the cluster of KUBECONFIG is not ours to break")
    return dict(weir.machines)
