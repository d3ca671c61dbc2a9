"""An L7Protocol's status: this version has no protocol engine, and says so rather than accept one and ignore it."""

from datetime import datetime

from weir_api.conditions import condition, transition
from weir_api.l7protocol import L7ProtocolStatus
from weir_operator.reconcile.resources import Protocol

_TEXT = "L7Protocol is not supported yet by this version; delete the resource"


def protocol_status(protocol: Protocol, now: datetime) -> L7ProtocolStatus:
    """Accepted and Ready are both False, with reason NotSupportedYet."""
    wanted = [
        condition(type_, False, "NotSupportedYet", _TEXT, generation=protocol.generation, now=now)
        for type_ in ("Accepted", "Ready")
    ]
    return L7ProtocolStatus(
        observed_generation=protocol.generation,
        mode="Wasm" if protocol.wasm else "Declared",
        conditions=transition(protocol.conditions, wanted),
    )
