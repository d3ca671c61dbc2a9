"""What the tests of the whole share: see `kube.fixtures`."""

from kube.fixtures import control_plane, node_factory

__all__ = ["control_plane", "node_factory"]
