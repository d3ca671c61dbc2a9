"""What the tests of the whole share: see `kube.fixtures`."""

from kube.fixtures import control_plane, node_factory
from site_fixtures import bare_site, operator, shop, site

__all__ = ["bare_site", "control_plane", "node_factory", "operator", "shop", "site"]
