"""pytest fixtures: a control plane for the whole session, and simulated nodes."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from kube.binaries import ControlPlaneMissingError
from kube.control_plane import ControlPlane
from kube.node import Node

_SHARED = pytest.StashKey[ControlPlane]()


@pytest.fixture(scope="session")
def control_plane(request: pytest.FixtureRequest) -> ControlPlane:
    """A control plane that all tests of the session share: each makes namespaces and nodes of its own names in it.

    A test takes the API server away by `api_away` only. Skips with the reason where the machine has no control plane.
    """
    config = request.config
    # kept in the session and not by the fixture: several conftest.py files may import it
    running = config.stash.get(_SHARED, None)
    if running is not None:
        return running
    try:
        started = ControlPlane().__enter__()
    except ControlPlaneMissingError as missing:
        pytest.skip(str(missing))
    config.stash[_SHARED] = started

    def stop() -> None:
        failed = request.session.testsfailed > 0
        started.stop(keep_logs=failed)
        if failed:
            print(f"\nlogs of the control plane: {started.logs}")

    config.add_cleanup(stop)
    return started


@pytest.fixture
def node_factory() -> Iterator[Callable[..., Node]]:
    """Makes nodes, `node_factory("n1", ip4=...)`, and removes them after the test. Skips without root."""
    if os.geteuid() != 0:
        pytest.skip("simulated nodes are network namespaces and need root: run as root")
    with ExitStack() as nodes:

        def make(name: str, **options: Any) -> Node:
            return nodes.enter_context(Node(name, **options))

        yield make
