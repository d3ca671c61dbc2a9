"""pytest fixtures of a whole cluster on this machine: an operator, nodes, probes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kube.control_plane import ControlPlane
from operator_process import OperatorProcess, Shop, leading_operator
from probe_process import Site


@pytest.fixture(scope="module")
def operator(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """An operator that leads, and whose rights suffice for all that a module's tests make it do."""
    with leading_operator(control_plane, tmp_path_factory.mktemp("operator")) as running:
        yield running


@pytest.fixture
def shop(control_plane: ControlPlane, operator: OperatorProcess) -> Iterator[Shop]:
    """A namespace with pods on nodes of its own; the test plays the probes' part."""
    with Shop(control_plane, operator) as made:
        yield made


@pytest.fixture
def bare_site(control_plane: ControlPlane, operator: OperatorProcess, tmp_path: Path) -> Iterator[Site]:
    """Nodes whose probes the test starts itself."""
    with Site(control_plane, operator, tmp_path) as there:
        yield there


@pytest.fixture
def site(bare_site: Site) -> Site:
    """Nodes with probes."""
    bare_site.run_probes()
    return bare_site
