"""What the tests of the whole share: see `kube.fixtures`; and which of all tests run in one process."""

from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

from cluster_fixtures import machines, real_cluster, weir
from kube.fixtures import control_plane, node_factory
from site_fixtures import bare_site, operator, shop, site

__all__ = [
    "bare_site",
    "control_plane",
    "machines",
    "node_factory",
    "operator",
    "real_cluster",
    "shop",
    "site",
    "weir",
]


class OneCluster(LoadFileScheduling):  # type: ignore[misc] # xdist has no types
    """The tests of a file run in one process, and all that share the real cluster."""

    def _split_scope(self, nodeid: str) -> str:
        folder = "tests/e2e/cluster/"
        return folder if nodeid.startswith(folder) else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneCluster:
    return OneCluster(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first; otherwise tests keep their order."""
    items.sort(key=lambda item: "real_cluster" not in getattr(item, "fixturenames", ()))
