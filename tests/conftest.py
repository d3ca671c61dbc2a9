"""What the tests of the whole share: see `kube.fixtures`."""

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
