"""pytest fixtures of a whole cluster on this machine: an operator, nodes, probes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kube.control_plane import ControlPlane
from operator_process import OperatorProcess, leading_operator
from probe_process import Site


@pytest.fixture(scope="module")
def site_operator(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    with leading_operator(control_plane, tmp_path_factory.mktemp("operator")) as operator:
        yield operator


@pytest.fixture
def bare_site(control_plane: ControlPlane, site_operator: OperatorProcess, tmp_path: Path) -> Iterator[Site]:
    """Nodes whose probes the test starts itself."""
    with Site(control_plane, site_operator, tmp_path) as there:
        yield there


@pytest.fixture
def site(bare_site: Site) -> Site:
    """Nodes with probes."""
    bare_site.run_probes()
    return bare_site
