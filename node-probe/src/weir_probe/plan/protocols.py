"""Which application protocols an observation looks for, by the numbers of those that this probe knows."""

from weir_api.flowobservation import Protocols
from weir_probe.protocols.registry import BY_NAME
from weir_probe.streams.endpoints import Sought


def sought(protocols: Protocols) -> Sought:
    """Names that this probe does not know find nothing: the plan was made for a later one."""
    include = protocols.include
    return Sought(
        detect=protocols.detect,
        include=None if include is None else frozenset(BY_NAME[name] for name in include if name in BY_NAME),
        ports={fixed.port: BY_NAME[fixed.protocol] for fixed in protocols.ports or () if fixed.protocol in BY_NAME},
    )
