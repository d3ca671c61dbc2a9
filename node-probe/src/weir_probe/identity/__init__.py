"""Who is behind addresses that are not of this node: asked of the operator by its interest feed."""

from weir_probe.identity.feed import Feed, FeedSettings
from weir_probe.identity.source import Alone, Source

__all__ = ["Alone", "Feed", "FeedSettings", "Source"]
