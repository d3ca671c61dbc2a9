"""A cluster that has nothing of Weir's: what is installed and removed here is cluster-wide."""

from collections.abc import Callable, Iterator

import pytest

from kube.binaries import ControlPlaneMissingError
from kube.control_plane import ControlPlane


@pytest.fixture(scope="package")
def empty_cluster() -> Iterator[ControlPlane]:
    """A control plane of these tests alone; each test removes what it installs."""
    try:
        with ControlPlane() as started:
            yield started
    except ControlPlaneMissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def leftovers(empty_cluster: ControlPlane) -> Callable[[], list[str]]:
    """What of Weir's is in the cluster, of any kind that can be listed."""

    def found() -> list[str]:
        kinds = empty_cluster.kubectl("api-resources", "--verbs=list", "-o", "name").split()
        listed = empty_cluster.kubectl("get", ",".join(kinds), "-A", "-o", "name", "--ignore-not-found").split()
        return [each for each in listed if "weir" in each]

    return found
